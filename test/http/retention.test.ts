// Retention by hand over HTTP: plans, orders by count and by name, and what is answered of what stays.
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Failpoint } from '#infra/failpoint.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import { openApi } from './api.ts';
import type { Answer, Api } from './api.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let api: Api;
/** Appends that pass before the log is cut off, nobody knowing whether the next was recorded. */
let passing = Number.POSITIVE_INFINITY;
const failpoint: Failpoint = (name) => {
  if (name === 'log:after-append' && passing-- <= 0) throw new Error('cut off');
};
beforeAll(async () => {
  database = await freshDatabase();
  await migrate(database.url, logMigrations);
  api = await openApi(database.url, undefined, failpoint);
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

type Listed = { number: number; because?: string; cause?: string; rule?: object };
const ok = ({ status, body }: Answer): Record<string, never> => {
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const listed = (answer: Answer, field: 'archived' | 'kept'): Listed[] =>
  ok(answer)[field] as unknown as Listed[];
const numbersOf = (answer: Answer, field: 'archived' | 'kept'): number[] =>
  listed(answer, field).map(({ number }) => number);

/** A model with so many versions; answers with its id and its serial. */
async function modelOf(name: string, versions: number, facts: object = {}) {
  const made = await api.post('/models', { name, ...facts });
  expect(made.status).toBe(201);
  for (let some = 0; some < versions; some += 50)
    await Promise.all(
      Array.from({ length: Math.min(50, versions - some) }, () =>
        api.post(`/models/${name}/versions`, {}),
      ),
    );
  const { id, serial } = made.body as unknown as { id: string; serial: number };
  return { id, serial };
}
const recorded = async (): Promise<number> =>
  ok(await api.get('/events?limit=1'))['head'] as unknown as number;

describe('an order', () => {
  test('by serial and count, at the path of document [2]: register 5, apply 3, 2 are archived', async () => {
    const { serial } = await modelOf('aivo', 5);
    const body = { model_id: serial, retention_count: 3 };
    const applied = await api.ask('POST', '/retention/apply', { body });
    expect(ok(applied)).toMatchObject({
      name: 'aivo',
      retention_count: 3,
      archived: [
        { version: '1' },
        {
          version: '2',
          label: null,
          from_stage: 'development',
          cause: 'retention_count',
          rule: { type: 'count', limit: 3, measured: 4 },
        },
      ],
      kept: [
        { version: '5', because: 'newest' },
        { version: '4', because: 'newest' },
        { version: '3', because: 'newest' },
      ],
      appends: 1,
      is_complete: true,
      stopped_by: null,
    });
    const before = await recorded();
    const again = await api.ask('POST', '/retention/apply', { body });
    expect(again.body).toMatchObject({ archived: [], is_complete: true });
    expect(numbersOf(again, 'kept')).toEqual([5, 4, 3]);
    expect(await recorded()).toBe(before);
  });

  test('by name, as document [4] has it, says what it left, and by what it is used', async () => {
    await modelOf('farmiq', 5);
    await api.post('/models/farmiq/versions/1/promote', { to_stage: 'production' });
    await api.post('/models/farmiq/versions/2/deployments', { environment: 'eu' });
    const body = { model_name: 'farmiq', reason: 'tidying up' };
    const applied = await api.ask('POST', '/models/archive', { body });
    expect(ok(applied)).toMatchObject({ archived: [], retention_count: 3 });
    expect(listed(applied, 'kept').slice(3)).toMatchObject([
      { number: 2, because: 'in_use', uses: [{ kind: 'deployment', environment: 'eu' }] },
      { number: 1, because: 'in_use', uses: [{ kind: 'production' }] },
    ]);
    const fewer = await api.post('/models/archive', { model_name: 'farmiq', keep: 1 });
    expect(numbersOf(fewer, 'archived')).toEqual([3, 4]);
  });

  test('for one version by name archives it, or says by what it is used', async () => {
    await modelOf('single', 3);
    const one = (version: number | string) =>
      api.post('/models/archive', { model_name: 'single', version });
    expect(ok(await one(2))).toMatchObject({
      archived: [{ number: 2, cause: 'manual' }],
      kept: [],
    });
    expect(ok(await one('2'))).toMatchObject({
      archived: [],
      kept: [{ number: 2, because: 'archived' }],
    });
    await api.post('/models/single/versions/3/promote', { to_stage: 'production' });
    expect(await one(3)).toMatchObject({
      status: 409,
      body: { code: 'in_use', blocking: [{ kind: 'production' }] },
    });
    expect(await one(9)).toMatchObject({ status: 404, body: { code: 'version_not_found' } });
  });

  test('is held to a policy that an admin has set, which keeps longer and wins', async () => {
    const { id } = await modelOf('governed', 6);
    await api.put(`/retention/policies/model:${id}`, { newest_kept: 5 });
    const applied = await api.post('/retention/apply', { model_id: id, retention_count: 3 });
    expect(numbersOf(applied, 'archived')).toEqual([1]);
    expect(listed(applied, 'kept').map(({ because }) => because)).toEqual([
      'newest',
      'newest',
      'newest',
      'policy_newest',
      'policy_newest',
    ]);
    await api.put(`/retention/policies/model:${id}`, { age_days: { development: 100 } });
    expect(
      numbersOf(
        await api.post('/retention/apply', { model_id: id, retention_count: 1 }),
        'archived',
      ),
    ).toEqual([]);
  });

  test.each([
    ['/retention/apply', {}],
    ['/retention/apply', { model_id: 'aivo', retention_count: 3 }],
    ['/retention/apply', { model_id: 1, retention_count: 0 }],
    ['/retention/apply', { model_id: 1, retention_count: 11 }],
    ['/retention/apply', { plan_id: randomUUID(), retention_count: 3 }],
    ['/models/archive', { model_name: 'aivo', version: 1, keep: 2 }],
    ['/retention/plan', { model_name: 'aivo', model_id: 1 }],
  ])('%s cannot say %j', async (path, body) =>
    expect(await api.post(path, body)).toMatchObject({ status: 422, body: { code: 'invalid' } }),
  );
});

describe('an order for more than one append takes', () => {
  const key = { headers: { 'idempotency-key': 'a long order' } };

  test('goes on where it was cut off, and is answered the same again', async () => {
    const { id } = await modelOf('long', 250);
    passing = 1;
    const order = { model_id: id, retention_count: 1 };
    const cut = await api.post('/retention/apply', order, key);
    passing = Number.POSITIVE_INFINITY;
    expect(ok(cut)).toMatchObject({ appends: 1, is_complete: false, stopped_by: 'in_doubt' });
    expect(numbersOf(cut, 'archived')).toHaveLength(100);

    const whole = await api.post('/retention/apply', order, key);
    expect(ok(whole)).toMatchObject({ appends: 3, is_complete: true });
    expect(numbersOf(whole, 'archived')).toEqual(
      Array.from({ length: 249 }, (_, index) => index + 1),
    );
    const before = await recorded();
    expect((await api.post('/retention/apply', order, key)).body).toEqual(whole.body);
    expect(await recorded()).toBe(before);
    const events = await api.get('/events?limit=1000&type=retention.applied&model=long');
    expect(
      (ok(events)['items'] as unknown as { data: { archived: number[] } }[]).map(
        ({ data }) => data.archived.length,
      ),
    ).toEqual([100, 100, 49]);
  });
});

describe('a plan', () => {
  type Planned = { archive: Listed[]; kept: Listed[]; name: string }[];
  const modelsOf = (answer: Answer): Planned => ok(answer)['models'] as unknown as Planned;

  test('shows what would go and why, and what keeps the rest; nothing happens', async () => {
    const { id } = await modelOf('planned', 5);
    await api.post('/models/planned/versions/1/promote', { to_stage: 'production' });
    const before = await recorded();
    const plan = await api.post('/retention/plan', { model_id: id, retention_count: 2 });
    expect(ok(plan)).toMatchObject({
      archive_count: 2,
      models_looked_at: 1,
      next_page_token: null,
    });
    expect(modelsOf(plan)).toMatchObject([
      {
        name: 'planned',
        archive: [
          { number: 3, stage: 'development', rule: { type: 'count', limit: 2, measured: 3 } },
          { number: 2, rule: { measured: 4 } },
        ],
        kept: [
          { number: 5, because: 'newest' },
          { number: 4, because: 'newest' },
          { number: 1, because: 'in_use', uses: [{ kind: 'production' }] },
        ],
      },
    ]);
    expect(await recorded()).toBe(before);
  });

  test('is carried out as far as it still holds; what has changed since stays, with why', async () => {
    await modelOf('changing', 6);
    const plan = ok(
      await api.post('/retention/plan', { model_name: 'changing', retention_count: 2 }),
    );
    const { plan_id } = plan as unknown as { plan_id: string };
    await api.post('/models/changing/versions/2/promote', { to_stage: 'production' });
    await api.post('/models/changing/versions/3/archive', {});
    const ofOne = { headers: { 'if-match': '"1"' } };
    expect(await api.post('/retention/apply', { plan_id }, ofOne)).toMatchObject({ status: 422 });
    const applied = await api.post('/retention/apply', { plan_id });
    expect(ok(applied)).toMatchObject({ plan_id, is_complete: true });
    expect(numbersOf(applied, 'archived')).toEqual([1, 4]);
    expect(listed(applied, 'kept')).toMatchObject([
      { number: 2, because: 'in_use', uses: [{ kind: 'production' }] },
      { number: 3, because: 'archived' },
    ]);
    const before = await recorded();
    expect((await api.post('/retention/apply', { plan_id })).body).toEqual(applied.body);
    expect(await recorded()).toBe(before);
    const [event] = ok(await api.get('/events?type=retention.applied&model=changing'))[
      'items'
    ] as unknown as { data: object }[];
    expect(event!.data).toMatchObject({ plan_id, retention_count: 2, archived: [1, 4] });
  });

  test('of a whole tenant shows the models of which something goes', async () => {
    await modelOf('small', 1);
    await modelOf('large', 4);
    const plan = await api.post('/retention/plan', { retention_count: 3 });
    const names = modelsOf(plan).map(({ name }) => name);
    expect(names).toContain('large');
    expect(names).not.toContain('small');
    const due = await api.post('/retention/plan', {});
    expect(ok(due)).toMatchObject({ archive_count: 0, models: [] });
    const { plan_id } = plan.body as unknown as { plan_id: string };
    const applied = await api.post('/retention/apply', { plan_id });
    expect(listed(applied, 'archived').length).toBe(
      plan.body['archive_count'] as unknown as number,
    );
  });

  test('of a model that is gone by then leaves its versions, and says so', async () => {
    await modelOf('gone', 2);
    const plan = ok(await api.post('/retention/plan', { model_name: 'gone', retention_count: 1 }));
    await api.delete('/models/gone');
    const applied = await api.post('/retention/apply', { plan_id: plan['plan_id'] });
    expect(listed(applied, 'kept')).toMatchObject([{ number: 1, because: 'model_not_found' }]);
  });

  test('is not there for others, nor after its time', async () => {
    const missing = await api.post('/retention/apply', { plan_id: randomUUID() });
    expect(missing).toMatchObject({ status: 404, body: { code: 'plan_not_found' } });
    const { plan_id } = ok(await api.post('/retention/plan', {}));
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    await owner.query("update log.retention_plans set expires_at = now() - interval '1 second'");
    await owner.end();
    expect(await api.post('/retention/apply', { plan_id })).toMatchObject({
      status: 409,
      body: { code: 'plan_expired' },
    });
  });

  test('stays, however many others make, who keep their own newest', async () => {
    const made = await api.post('/api-keys', { subject: 'busy', role: 'approver' });
    const { secret: key } = made.body as unknown as { secret: string };
    const plan = async (by: object = {}): Promise<string> =>
      String(ok(await api.post('/retention/plan', {}, by))['plan_id']);
    const apply = (plan_id: string) => api.post('/retention/apply?dry_run=true', { plan_id });
    const own = await plan();
    const theirs: string[] = [];
    for (let made = 0; made < 100; made++) theirs.push(await plan({ key }));
    expect((await apply(own)).status).toBe(200);
    const kept = await Promise.all(theirs.map(apply));
    expect(kept.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 80 }, () => 404),
      ...Array.from({ length: 20 }, () => 200),
    ]);
  });

  test('and an order may be tried dry: they say what they would do, and keep nothing', async () => {
    const { id } = await modelOf('dry', 3);
    const before = await recorded();
    const order = { model_id: id, retention_count: 2 };
    const tried = ok(await api.post('/retention/apply?dry_run=true', order));
    expect(tried).toMatchObject({
      dry_run: true,
      events: [
        { type: 'default.changed' },
        { type: 'model.archived' },
        { type: 'retention.applied' },
      ],
      resource: { archived: [{ number: 1 }] },
    });
    const plan = ok(await api.post('/retention/plan?dry_run=true', order));
    expect(plan).toMatchObject({ dry_run: true, events: [], resource: { plan_id: null } });
    const { plan_id } = ok(await api.post('/retention/plan', order));
    expect(ok(await api.post('/retention/apply?dry_run=true', { plan_id }))).toMatchObject({
      events: [
        { type: 'default.changed' },
        { type: 'model.archived' },
        { type: 'retention.applied' },
      ],
    });
    expect(await recorded()).toBe(before);
    expect(numbersOf(await api.post('/retention/apply', { plan_id }), 'archived')).toEqual([1]);
  });
});

test('a team sees and archives its own models only', async () => {
  const made = await api.post('/api-keys', { subject: 'tess', role: 'member' });
  const { secret: key } = made.body as unknown as { secret: string };
  await api.put('/role-bindings', { subject: 'tess', role: 'approver', scope: 'team:seen' });
  await modelOf('theirs', 3, { team: 'seen' });
  const { id } = await modelOf('hidden', 3, { team: 'unseen' });
  const plan = await api.post('/retention/plan', { retention_count: 1 }, { key });
  expect(ok(plan)).toMatchObject({ models: [{ name: 'theirs' }], models_looked_at: 1 });
  for (const path of ['/retention/plan', '/retention/apply'])
    expect(await api.post(path, { model_id: id, retention_count: 1 }, { key })).toMatchObject({
      status: 404,
      body: { code: 'model_not_found' },
    });
  const all = ok(await api.post('/retention/plan', { retention_count: 1 }));
  const byAdmin = await api.post('/retention/apply?dry_run=true', { plan_id: all['plan_id'] });
  expect(JSON.stringify(byAdmin.body)).toContain(id);
  const applied = await api.post('/retention/apply', { plan_id: all['plan_id'] }, { key });
  expect(listed(applied, 'kept')).toEqual([]);
  expect(numbersOf(applied, 'archived')).toEqual([1, 2]);
  expect(JSON.stringify(applied.body)).not.toContain(id);
  // what another has carried out of the same plan is not told to who may not see it
  ok(await api.post('/retention/apply', { plan_id: all['plan_id'] }));
  const again = await api.post('/retention/apply', { plan_id: all['plan_id'] }, { key });
  expect(again.body).toEqual(applied.body);
});

describe('of models that the caller may not see', () => {
  let key: string;
  beforeAll(async () => {
    const made = await api.post('/api-keys', { subject: 'tom', role: 'member' });
    key = String(made.body['secret']);
    await api.put('/role-bindings', { subject: 'tom', role: 'approver', scope: 'team:few' });
  });

  test('a plan is as if it were not there', async () => {
    await modelOf('of-others', 2, { team: 'many' });
    const of = { model_name: 'of-others', retention_count: 1 };
    const { plan_id } = ok(await api.post('/retention/plan', of));
    for (const dry of ['', '?dry_run=true'])
      expect(await api.post(`/retention/apply${dry}`, { plan_id }, { key })).toMatchObject({
        status: 404,
        body: { code: 'plan_not_found', plan_id },
      });
    // one that has come out of sight since it was planned
    const { id } = await modelOf('leaving', 2, { team: 'few' });
    const leaving = ok(
      await api.post('/retention/plan', { model_id: id, retention_count: 1 }, { key }),
    );
    expect(leaving['archive_count']).toBe(1);
    await api.patch('/models/leaving', { team: 'many' });
    expect(
      await api.post('/retention/apply', { plan_id: leaving['plan_id'] }, { key }),
    ).toMatchObject({ status: 404, body: { code: 'plan_not_found' } });
  });

  test('a plan of all counts none, and no page of it ends with one', async () => {
    // more than one plan looks at
    for (let some = 0; some < 1_000; some += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, nth) =>
          api.post('/models', { name: `many ${some + nth}`, team: 'many' }),
        ),
      );
    await modelOf('one-of-few', 2, { team: 'few' });
    const plan = await api.post('/retention/plan', { retention_count: 1 }, { key });
    expect(ok(plan)).toMatchObject({
      models_looked_at: 1,
      models: [{ name: 'one-of-few' }],
      next_page_token: null,
    });
  });
});
