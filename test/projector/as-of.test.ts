// Time travel: what was in production in March is answered as if it were March.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batchCommandsMax } from '#events/log.ts';
import { modelStream } from '#events/names.ts';
import { openAsOf } from '#infra/as-of.ts';
import { eventually } from '#test/eventually.ts';
import { memoryLogStore, openMemoryLog } from '#test/memory-log.ts';
import { asked, entryOf, noted } from '#test/ports/log.contract.ts';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

let names = 0;
const newName = (): string => `of-then-${++names}`;
const positionOf = ({ body }: Answer): number => (body as unknown as { position: number }).position;

const registered = noted({}, { type: 'model.registered' });

/** Every answer about a model that a write can change, and the position that each write left. */
const questionsOf = (name: string): string[] => [
  `/models/${name}`,
  `/models/${name}/versions`,
  `/models/${name}/versions?stage=production`,
  `/models/${name}/versions?status=archived`,
  `/models/${name}/timeline`,
  `/models/${name}/timeline?page_size=2&page=2`,
  `/models/${name}/versions/default`,
  `/models/${name}/versions/latest`,
  `/models/${name}/versions/a`,
  `/models?team=${name}&sort=name`,
  `/models?team=${name}&stage=production`,
  `/models?tag=${name}`,
  `/deployments?model=${name}`,
  `/deployments?model=${name}&status=deployed&environment=eu`,
  `/promotion-requests?model=${name}&state=executed`,
  '/stats',
];

/** Lives a life, and keeps what every question was answered after each of its steps. */
async function life(name: string) {
  const { get, post, call } = registry;
  const kept: { position: number; at: string; question: string; answer: Answer }[] = [];
  const steps = [
    () => post('/models', { name, team: name, framework: 'onnx', tags: { [name]: 'x' } }),
    () => post(`/models/${name}/versions`, { label: 'a' }),
    () => post(`/models/${name}/versions/a/promote`, { to_stage: 'production' }),
    () => post(`/models/${name}/versions/a/deployments`, { environment: 'eu', status: 'deployed' }),
    () => post(`/models/${name}/versions`, { label: 'b' }),
    () =>
      call('PATCH', `/models/${name}`, { tags: { [name]: null }, project: 'p', framework: null }),
    () => post(`/models/${name}/versions/b/promotion-requests`, { to_stage: 'production' }),
    () => post(`/models/${name}/rollback`, { reason: 'worse' }),
    () => post(`/models/${name}/versions/b/archive`, {}),
    () => call('DELETE', `/models/${name}/versions/b`),
  ];
  for (const step of steps) {
    const written = await step();
    expect(written.status, JSON.stringify(written.body)).toBeLessThan(300);
    const position = positionOf(written);
    const [event] = (await get(`/events?after=${position - 1}&limit=1`)).body[
      'items'
    ] as unknown as { recorded_at: string }[];
    for (const question of questionsOf(name))
      kept.push({ position, at: event!.recorded_at, question, answer: await get(question) });
  }
  return kept;
}

/** The key of somebody who sees one team. */
async function viewerOf(team: string): Promise<string> {
  const { get, post, call } = registry;
  const subject = `viewer of ${team}`;
  const { body } = await post('/api-keys', { subject, role: 'member' });
  const { secret } = body as unknown as { secret: string };
  await call('PUT', '/role-bindings', { subject, role: 'viewer', scope: `team:${team}` });
  await eventually(async () => (await get('/stats', secret)).status === 200);
  return secret;
}

const asOf = (question: string, then: string | number): string =>
  `${question}${question.includes('?') ? '&' : '?'}as_of=${then}`;

test('every answer as of a position is the answer that was given then', async () => {
  const { get } = registry;
  const name = newName();
  const kept = await life(name);
  const { position: first } = kept[0]!;
  expect((await get(asOf(`/models/${name}`, first))).headers.get('x-position')).toBe(`${first}`);
  for (const { position, question, answer } of kept) {
    const again = await get(asOf(question, position));
    expect([question, position, again.status, again.body]).toEqual([
      question,
      position,
      answer.status,
      answer.body,
    ]);
  }
});

test('as of a time is as of the last that was recorded by then', async () => {
  const { get } = registry;
  const kept = await life(newName());
  for (const { at, position, question } of kept) {
    const last = kept.findLast((other) => other.at <= at && other.question === question)!;
    const again = await get(asOf(question, at));
    expect([question, position, again.status, again.body]).toEqual([
      question,
      position,
      last.answer.status,
      last.answer.body,
    ]);
  }
  expect(
    (await get(asOf(kept[0]!.question, encodeURIComponent('2001-01-01T00:00:00+02:00')))).status,
  ).toBe(404);
});

describe('one deployment, binding or promotion request as of then', () => {
  test('is what it was, and was not there before', async () => {
    const { get, post } = registry;
    const name = newName();
    const registered = await post('/models', { name });
    await post(`/models/${name}/versions`, { label: 'a' });
    const requested = await post(`/models/${name}/versions/a/promotion-requests`, {
      to_stage: 'production',
      auto_execute: false,
    });
    const deployed = await post(`/models/${name}/versions/a/deployments`, {
      environment: 'eu',
      status: 'deployed',
    });
    const bound = await post('/bindings', {
      version_id: deployed.body['version_id'],
      provider: 'openai',
      provider_model_id: 'm',
      status: 'active',
    });
    const made = [
      ['promotion-requests', requested, 'promotion_not_found'],
      ['deployments', deployed, 'deployment_not_found'],
      ['bindings', bound, 'binding_not_found'],
    ] as const;
    const id = deployed.body['id'] as unknown as string;
    expect((await post(`/deployments/${id}/undeploy`, {})).status).toBe(200);
    for (const [noun, { body }, missing] of made) {
      const partId = body['id'] as unknown as string;
      const path = `/${noun}/${partId}`;
      expect((await get(asOf(path, positionOf(bound)))).body).toMatchObject({ id: partId });
      const before = await get(asOf(path, positionOf(registered)));
      expect([before.status, before.body['code']]).toEqual([404, missing]);
    }
    expect((await get(asOf(`/deployments/${id}`, positionOf(bound)))).body['status']).toBe(
      'deployed',
    );
    expect((await get(`/deployments/${id}`)).body['status']).toBe('undeployed');
  });
});

describe('statistics as of then', () => {
  test('leave out what was deleted by then, and count what was deleted since', async () => {
    const { get, post, call } = registry;
    const name = newName();
    await post('/models', { name, team: name });
    const versioned = await post(`/models/${name}/versions`, {});
    const before = await get('/stats');
    const deleted = await call('DELETE', `/models/${name}`);
    const after = await get('/stats');
    expect(deleted.status).toBe(200);
    expect(before.body['models_by_team']).toMatchObject({ [name]: 1 });
    expect(after.body['models_by_team']).not.toHaveProperty(name);
    expect((await get(asOf('/stats', positionOf(versioned)))).body).toEqual(before.body);
    const then = await get(asOf('/stats', positionOf(deleted)));
    expect(then.body).toEqual(after.body);
    expect(then.headers.get('x-position')).toBe(`${positionOf(deleted)}`);
  });

  test('count only what the caller may see', async () => {
    const { get, post } = registry;
    const [seen, hidden] = [newName(), newName()];
    const key = await viewerOf(seen);
    await post('/models', { name: seen, team: seen });
    await post('/models', { name: hidden, team: hidden });
    const position = positionOf(await post(`/models/${seen}/versions`, {}));
    const answered = await get('/stats', key);
    expect(answered.body).toMatchObject({ total_models: 1, models_by_team: { [seen]: 1 } });
    await post(`/models/${seen}/versions`, {});
    expect((await get(asOf('/stats', position), key)).body).toEqual(answered.body);
  });
});

describe('policies as of then', () => {
  test('are what was said and in force then, for what the model then was', async () => {
    const { get, post, call } = registry;
    const name = newName();
    const put = (scope: string, body: object) => call('PUT', `/policies/${scope}`, body);
    const approvals = { required: 1, role: 'approver', expires_after_hours: 24 };
    const steps = [
      () => post('/models', { name, project: `${name}-p` }),
      () => put(`project:${name}-p`, { approvals, may_override: ['allow_skip'] }),
      () => put(`model:${name}`, { preset: 'strict' }),
      () => put('tenant', { retention: { newest_kept: 7 } }),
      () => put('tenant', { break_glass: 'forbidden' }),
      () => call('PATCH', `/models/${name}`, { project: null }),
      () => put(`model:${name}`, { gates: null, allow_skip: null }),
      () => put('tenant', { break_glass: null, retention: null }),
    ];
    const kept: { position: number; question: string; answer: Answer }[] = [];
    for (const step of steps) {
      const written = await step();
      expect(written.status, JSON.stringify(written.body)).toBeLessThan(300);
      for (const question of [
        '/policies/tenant',
        `/policies/project:${name}-p`,
        `/policies/model:${name}`,
        `/models/${name}/policy`,
        '/retention/policies/tenant',
        `/retention/policies/model:${name}`,
      ])
        kept.push({ position: positionOf(written), question, answer: await get(question) });
    }
    for (const { position, question, answer } of kept) {
      const again = await get(asOf(question, position));
      const shown = [again.status, again.body, again.headers.get('etag')];
      expect([question, position, ...shown]).toEqual([
        question,
        position,
        answer.status,
        answer.body,
        answer.headers.get('etag'),
      ]);
      expect(again.headers.get('x-position')).toBe(`${position}`);
    }
    const said = kept.filter(({ question }) => question === `/models/${name}/policy`);
    expect(new Set(said.map(({ answer }) => JSON.stringify(answer.body))).size).toBe(steps.length);
  });

  test('are not there for a model that was not, or that the caller may not see', async () => {
    const { get, post } = registry;
    const [seen, hidden] = [newName(), newName()];
    const key = await viewerOf(seen);
    const first = positionOf(await post('/models', { name: hidden, team: hidden }));
    const last = positionOf(await post('/models', { name: seen, team: seen }));
    for (const path of ['/policies/model:', '/retention/policies/model:'])
      for (const [name, position, status] of [
        [seen, last, 200],
        [seen, first, 404],
        [hidden, last, 404],
      ] as const)
        expect([path, name, (await get(asOf(path + name, position), key)).status]).toEqual([
          path,
          name,
          status,
        ]);
    expect((await get(asOf(`/models/${hidden}/policy`, last), key)).status).toBe(404);
    expect((await get(asOf(`/policies/project:${hidden}`, last), key)).status).toBe(403);
  });
});

test('lists as of then go in pages', async () => {
  const { get, post } = registry;
  const team = newName();
  const made: string[] = [];
  let position = 0;
  for (let n = 0; n < 5; n++) {
    made.push(`${team}-${n}`);
    position = positionOf(await post('/models', { name: `${team}-${n}`, team }));
  }
  await post('/models', { name: `${team}-later`, team });
  const seen: string[] = [];
  let token: string | null = '';
  while (token !== null) {
    const page = `/models?team=${team}&sort=-name&page_size=2${token && `&page_token=${token}`}`;
    const { body } = await get(asOf(page, position));
    const { items, next_page_token, total_count } = body as unknown as {
      items: { name: string }[];
      next_page_token: string | null;
      total_count: number;
    };
    expect(total_count).toBe(5);
    seen.push(...items.map(({ name }) => name));
    token = next_page_token;
  }
  expect(seen).toEqual(made.toReversed());
});

test('what goes over all models ends at 20,000 of them', async () => {
  const log = openMemoryLog(memoryLogStore());
  const caller = { tenant: 'wide', sees: null };
  const register = () =>
    entryOf(modelStream(caller.tenant, randomUUID()), 0, asked({ events: [registered] }));
  for (let batch = 0; batch <= 40; batch++)
    await log.append(Array.from({ length: batchCommandsMax }, register));
  const { models } = openAsOf(log, { now: () => new Date() });
  expect(await models(caller, 5)).toHaveLength(5);
  await expect(models(caller, 20_001)).rejects.toMatchObject({ code: 'as_of_too_wide' });
});

test('what has not come yet, or is no time, is refused', async () => {
  const { get } = registry;
  for (const [then, code] of [
    [10 ** 12, 'time_in_future'],
    ['2999-01-01T00:00:00Z', 'time_in_future'],
    ['yesterday', 'invalid'],
    ['2026-13-01T00:00:00Z', 'invalid'],
    ['-1', 'invalid'],
  ] as const)
    for (const question of ['/models', '/stats', '/policies/tenant']) {
      const { status, body } = await get(asOf(question, then));
      expect([question, then, status, body['code']]).toEqual([question, then, 422, code]);
    }
});

test.each(['0000-01-01T00:00:00Z', '9999-12-31T23:59:59-01:00', '0000-01-01T00:00:00+01:00'])(
  'a time that the log cannot hold is no time of then: %s',
  async (time) => {
    for (const path of ['/stats', '/models', '/versions'])
      expect(await registry.get(`${path}?as_of=${encodeURIComponent(time)}`)).toMatchObject({
        status: 422,
        body: { code: 'invalid', errors: [{ pointer: '?as_of' }] },
      });
  },
);
