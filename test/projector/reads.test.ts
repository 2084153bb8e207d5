// Reads over HTTP: what a write answered is what the next read says, in lists, filters, pages and every way of naming things.
import { Client } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { secretHash } from '#infra/auth/keys.ts';
import { modelStream } from '#events/names.ts';
import { eventually } from '#test/eventually.ts';
import { entryOf } from './registry.ts';
import { serveRegistry } from './served.ts';
import type { ServedRegistry } from './served.ts';

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

let names = 0;
const newName = (): string => `model-${++names}`;

/** The names of a list's items, in its order. */
const namesOf = (items: readonly { name: string }[]): string[] => items.map(({ name }) => name);

test("each write's answer equals the next read", async () => {
  const { get, post, call } = registry;
  const name = newName();
  const path = `/models/${name}`;
  const same = async (write: Promise<{ status: number; body: object }>, read: string) => {
    const { status, body } = await write;
    expect(status).toBeLessThan(300);
    const answer = await get(read);
    expect(answer.body).toEqual(body);
    expect(answer.headers.get('etag')).toBe(
      `"${(body as { stream_version: number }).stream_version}"`,
    );
  };
  await same(post('/models', { name, framework: 'pytorch', tags: { a: 'b' } }), path);
  await same(
    post(`${path}/versions`, {
      label: 'v1',
      metrics: { test: { accuracy: 0.9 } },
      framework: 'jax',
    }),
    `${path}/versions/v1`,
  );
  await same(call('PATCH', path, { description: 'better', tags: { a: null, c: 'd' } }), path);
  await same(post(`${path}/versions/1/test`, {}), `${path}/versions/latest`);
  await same(post(`${path}/versions/1/approve`, {}), `${path}/versions/default`);
  await same(post(`${path}/versions/1/promote`, { to_stage: 'production' }), `${path}/versions/1`);
  const deployed = await post(`${path}/versions/1/deployments`, {
    environment: 'eu',
    status: 'deployed',
  });
  expect((await get(`/deployments/${deployed.body['id']}`)).body).toEqual(deployed.body);
  await same(
    post(`/deployments/${deployed.body['id']}/undeploy`, { reason: 'over' }),
    `/deployments/${deployed.body['id']}`,
  );
  await post(`${path}/versions`, { label: 'v2' });
  await same(call('PUT', `${path}/default`, { version: 'v2' }), `${path}/versions/default`);
  await same(post(`${path}/versions/v1/demote`, { to_stage: 'staging' }), `${path}/versions/1`);
});

test('a model is found by name, id and serial, and its versions by number, label, id, default and latest', async () => {
  const { get, post } = registry;
  const name = `${newName()} mit Leerraum ü`;
  const model = (await post('/models', { name })).body as unknown as { id: string; serial: number };
  const version = (await post(`/models/${model.id}/versions`, { label: 'first one' }))
    .body as unknown as {
    id: string;
  };
  for (const ref of [encodeURIComponent(name), model.id, model.id.toUpperCase(), model.serial])
    expect((await get(`/models/${ref}`)).body['id']).toBe(model.id);
  for (const ref of ['1', 'first%20one', version.id, 'default', 'latest'])
    expect((await get(`/models/${model.serial}/versions/${ref}`)).body['id']).toBe(version.id);
});

test('what is not there is a 404 that says what', async () => {
  const { get, post } = registry;
  const name = newName();
  await post('/models', { name });
  const codes: [string, string][] = [
    ['/models/nothing', 'model_not_found'],
    ['/models/99999999999999999999', 'model_not_found'],
    ['/models/01940000-0000-7000-8000-000000000000', 'model_not_found'],
    ['/models/nothing/versions', 'model_not_found'],
    ['/models/nothing/versions/1', 'model_not_found'],
    ['/models/nothing/timeline', 'model_not_found'],
    [`/models/${name}/versions/1`, 'version_not_found'],
    [`/models/${name}/versions/99999999999999999999`, 'version_not_found'],
    [`/models/${name}/versions/latest`, 'version_not_found'],
    [`/models/${name}/versions/default`, 'version_not_found'],
    ['/deployments/01940000-0000-7000-8000-000000000000', 'deployment_not_found'],
    ['/deployments?model=nothing', 'model_not_found'],
  ];
  for (const [path, code] of codes) {
    const { status, body } = await get(path);
    expect([path, status, body['code']]).toEqual([path, 404, code]);
  }
});

test('an unknown parameter, or a value that cannot be, is refused by name', async () => {
  const { get } = registry;
  for (const query of [
    'q=x',
    'as_of=the%20beginning',
    'stage=nowhere',
    'page_size=0',
    'page_size=1001',
    'sort=color',
    'page_token=nonsense',
    'page=1&page_size=3',
    'is_active=1',
    'consistency=sometimes',
    'framework=%00',
  ]) {
    const { status, body } = await get(`/models?${query}`);
    expect([query, status]).toEqual([query, 422]);
    expect(JSON.stringify(body['errors'])).toContain(`?${query.split('=')[0]}`);
  }
  const later = await get('/models/x?sort=name');
  expect(later.status).toBe(422);
});

test('lists are filtered, sorted and counted', async () => {
  const { get, post } = registry;
  const team = newName();
  const made = [
    { name: `${team}-c`, framework: 'sklearn', tags: { tier: 'gold', 'a:b': 'x' } },
    { name: `${team}-a`, framework: 'sklearn', project: team, category: 'nlp' },
    { name: `${team}-b`, framework: 'onnx', task: 'ranking', tags: { tier: 'tin' } },
  ];
  for (const model of made) await post('/models', { team, ...model });
  await post(`/models/${team}-a/versions`, {});
  await post(`/models/${team}-a/versions/1/promote`, { to_stage: 'production' });
  const list = async (query: string) => {
    const { body } = await get(`/models?team=${team}&${query}`);
    const items = namesOf(body['items'] ?? []);
    expect(body['total_count']).toBe(items.length);
    return items.map((name) => name.slice(-1)).join('');
  };
  expect(await list('')).toBe('bac');
  expect(await list('sort=name')).toBe('abc');
  expect(await list('sort=-name')).toBe('cba');
  expect(await list('sort=created_at')).toBe('cab');
  expect(await list('sort=-updated_at')).toBe('abc');
  expect(await list('framework=sklearn')).toBe('ac');
  expect(await list(`project=${team}`)).toBe('a');
  expect(await list('category=nlp&framework=sklearn')).toBe('a');
  expect(await list('task=ranking')).toBe('b');
  expect(await list('stage=production')).toBe('a');
  expect(await list('stage=archived')).toBe('');
  expect(await list('tag=tier')).toBe('bc');
  expect(await list('tag=tier:gold')).toBe('c');
  expect(await list('tag=a:b')).toBe('');
  expect(await list('tag=none')).toBe('');
  expect(await list(`tag=${encodeURIComponent('quo"te')}`)).toBe('');
  expect(await list('is_active=true')).toBe('bac');
  expect(await list('is_active=false')).toBe('');
  const counted = await get(`/models?project=${team}`);
  expect(counted.body['total_count']).toBe(1);
});

test('pages by token and by number show every item once', async () => {
  const { get, post } = registry;
  const team = newName();
  for (let made = 0; made < 7; made++) await post('/models', { team, name: `${team}-${made}` });
  for (const sort of ['name', '-name', 'created_at', '-created_at', 'updated_at', '-updated_at']) {
    const seen: string[] = [];
    let token: string | null = '';
    while (token !== null) {
      const after: string = token === '' ? '' : `&page_token=${token}`;
      const { body } = await get(`/models?team=${team}&sort=${sort}&page_size=3${after}`);
      expect(body['total_count']).toBe(7);
      seen.push(...namesOf(body['items'] ?? []));
      token = body['next_page_token'] ?? null;
    }
    const whole = await get(`/models?team=${team}&sort=${sort}`);
    expect(seen).toEqual(namesOf(whole.body['items'] ?? []));
    expect(new Set(seen).size).toBe(7);
    const last = await get(`/models?team=${team}&sort=${sort}&page=3&size=3`);
    expect(namesOf(last.body['items'] ?? [])).toEqual(seen.slice(6));
  }
  const beyond = await get(`/models?team=${team}&page=9&size=3`);
  expect([beyond.body['items'], beyond.body['total_count']]).toEqual([[], 7]);
  const foreign = await get('/models?sort=name&page_size=1');
  const token = String(foreign.body['next_page_token']);
  expect((await get(`/models?sort=-name&page_token=${token}`)).status).toBe(422);
});

test('a long page is whole, whatever characters stand in it, and HEAD says how long it is', async () => {
  const { get, post, fetch } = registry;
  const description = 'é ß 模型 😀 \u2028 "quoted" '.repeat(100);
  const name = newName();
  const team = `team-of-${name}`;
  for (const nth of [1, 2, 3]) await post('/models', { name: `${name}-${nth}`, team, description });
  const path = `/models?team=${team}`;
  const listed = (await get(path)).body as unknown as { items: { description: string }[] };
  expect(listed.items.map((one) => one.description)).toEqual([
    description,
    description,
    description,
  ]);
  const whole = await fetch(path, {});
  const bytes = (await whole.arrayBuffer()).byteLength;
  expect(whole.headers.get('content-type')).toBe('application/json; charset=utf-8');
  const head = await fetch(path, {}, { method: 'HEAD' });
  expect([whole, head].map(({ headers }) => Number(headers.get('content-length')))).toEqual([
    bytes,
    bytes,
  ]);
});

test("a model's versions are listed by status, stage and default", async () => {
  const { get, post } = registry;
  const path = `/models/${newName()}`;
  await post('/models', { name: path.slice('/models/'.length) });
  for (let made = 0; made < 5; made++) await post(`${path}/versions`, {});
  await post(`${path}/versions/2/approve`, {});
  await post(`${path}/versions/3/reject`, {});
  await post(`${path}/versions/4/deprecate`, {});
  await post(`${path}/versions/5/archive`, {});
  const list = async (query: string) => {
    const { body } = await get(`${path}/versions?${query}`);
    const items = (body['items'] ?? []) as { number: number }[];
    expect(body['total_count']).toBe(items.length);
    return items.map(({ number }) => number);
  };
  expect(await list('')).toEqual([5, 4, 3, 2, 1]);
  expect(await list('status=training')).toEqual([1]);
  expect(await list('status=approved')).toEqual([2]);
  expect(await list('status=testing')).toEqual([3]);
  expect(await list('status=deprecated')).toEqual([4]);
  expect(await list('status=archived')).toEqual([5]);
  expect(await list('stage=development')).toEqual([3, 2, 1]);
  expect(await list('is_default=true')).toEqual([1]);
  expect((await get(`${path}/versions/latest`)).body['number']).toBe(4);
});

test('deployments are listed by environment, status and model', async () => {
  const { get, post } = registry;
  const name = newName();
  await post('/models', { name });
  await post(`/models/${name}/versions`, {});
  const place = async (environment: string, status: string) =>
    (await post(`/models/${name}/versions/1/deployments`, { environment, status })).body['id'];
  const first = await place(`${name}-eu`, 'deployed');
  const second = await place(`${name}-us`, 'requested');
  const ids = async (query: string) => {
    const { body } = await get(`/deployments?${query}`);
    const items = (body['items'] ?? []) as { id: string }[];
    expect(body['total_count']).toBe(items.length);
    return items.map(({ id }) => id);
  };
  expect(await ids(`model=${name}`)).toEqual([second, first]);
  expect(await ids(`model=${name}&status=deployed`)).toEqual([first]);
  expect(await ids(`environment=${name}-us`)).toEqual([second]);
});

test('the timeline tells what happened, from the beginning, and pages', async () => {
  const { get, post } = registry;
  const name = newName();
  await post('/models', { name, metadata: { large: 'x'.repeat(1000) } });
  await post(`/models/${name}/versions`, { label: 'v1' });
  await post(`/models/${name}/versions/1/approve`, { reason: 'good numbers' });
  const { body } = await get(`/models/${name}/timeline`);
  const items = body['items'] as unknown as { type: string; reason: string | null; data: object }[];
  expect(items.map(({ type }) => type)).toEqual([
    'model.registered',
    'model.versioned',
    'default.changed',
    'version.approved',
  ]);
  expect(items.at(-1)).toMatchObject({ reason: 'good numbers', data: { number: 1, label: 'v1' } });
  expect(items[0]!.data).not.toHaveProperty('metadata');
  const page = await get(`/models/${name}/timeline?page_size=3`);
  const rest = await get(`/models/${name}/timeline?page_token=${page.body['next_page_token']}`);
  expect([page.body['total_count'], (rest.body['items'] as unknown as unknown[]).length]).toEqual([
    4, 1,
  ]);
});

test('the timeline tells what was refused between, to who may read the audit trail', async () => {
  const { get, post } = registry;
  const name = newName();
  const path = `/models/${name}/versions/1/promote`;
  await post('/models', { name });
  await post(`/models/${name}/versions`, {});
  await post(`/models/${name}/rollback`, { reason: 'by mistake' });
  await post(path, { to_stage: 'production' });
  await post(path, { to_stage: 'staging' });
  type Entry = { type: string; code?: string };
  const told = (items: unknown): string[] =>
    (items as Entry[]).map(({ type, code }) => (code === undefined ? type : `${type}: ${code}`));
  const all = await get(`/models/${name}/timeline`);
  expect(told(all.body['items'])).toEqual([
    'model.registered',
    'model.versioned',
    'default.changed',
    'refused: nothing_to_roll_back_to',
    'model.promoted',
    'refused: illegal_transition',
  ]);
  expect((all.body['items'] as unknown as object[])[3]).toMatchObject({
    position: null,
    action: 'Rollback',
    reason: 'by mistake',
    data: { environment: null },
  });
  // pages count events; each refusal comes once, with the event that it came after
  const pages: string[][] = [];
  let query = 'page_size=2';
  while (query !== '') {
    const { body } = await get(`/models/${name}/timeline?${query}`);
    pages.push(told(body['items']));
    expect(body['total_count'] as unknown).toBe(4);
    const token = body['next_page_token'] as unknown as string | null;
    query = token === null ? '' : `page_size=2&page_token=${token}`;
  }
  expect(pages.map((page) => page.length)).toEqual([2, 4]);
  expect(pages.flat()).toEqual(told(all.body['items']));
  const viewer = String(
    (await post('/api-keys', { subject: 'vic', role: 'viewer' })).body['secret'],
  );
  const seen = await get(`/models/${name}/timeline`, viewer);
  expect(told(seen.body['items'])).toEqual(
    told(all.body['items']).filter((entry) => !entry.startsWith('refused')),
  );
});

test('stats count what the tenant has', async () => {
  const before = (await registry.get('/stats')).body as Record<string, number>;
  const name = newName();
  await registry.post('/models', { name, framework: 'xgboost', team: name });
  await registry.post(`/models/${name}/versions`, {});
  await registry.post(`/models/${name}/versions/1/deployments`, {
    environment: 'e',
    status: 'deployed',
  });
  const { body } = await registry.get('/stats');
  expect(body['total_models']).toBe(before['total_models']! + 1);
  expect(body['total_versions']).toBe(before['total_versions']! + 1);
  expect(body['active_deployments']).toBe(before['active_deployments']! + 1);
  expect(body['models_by_team']).toMatchObject({ [name]: 1 });
  const text = await registry.registry.metrics();
  expect(text).toContain(`registry_total_models ${body['total_models']}\n`);
  expect(text).toContain('modelog_projector_lag_events{view="models"} 0');
  expect(text).not.toContain(name);
});

test('a read says what it holds, and waits for a position that it names', async () => {
  const { get, post } = registry;
  const made = await post('/models', { name: newName() });
  const position = Number(made.body['position']);
  const fresh = await get('/models?page_size=1');
  expect(Number(fresh.headers.get('x-position'))).toBeGreaterThanOrEqual(position);
  expect(fresh.headers.get('x-stale')).toBeNull();
  const named = await get(`/stats?min_position=${position}`);
  expect(Number(named.headers.get('x-position'))).toBeGreaterThanOrEqual(position);
  const late = await get(`/stats?min_position=${position + 1_000}`);
  expect([late.status, late.body['code']]).toEqual([504, 'position_not_reached']);
  expect((await get('/models?consistency=eventual')).status).toBe(200);
});

test('many reads of one moment are each answered with their own', async () => {
  const { get, post } = registry;
  const made = Array.from({ length: 20 }, newName);
  await Promise.all(made.map((name) => post('/models', { name })));
  const answers = await Promise.all(
    [...made, 'nothing', ...made].map((name) => get(`/models/${name}`)),
  );
  expect(answers.map(({ body }) => body['name'] ?? body['code'])).toEqual([
    ...made,
    'model_not_found',
    ...made,
  ]);
});

test('what is behind because its stream is parked says so', async () => {
  const { get, post, log } = registry;
  const name = newName();
  const model = (await post('/models', { name })).body as unknown as {
    id: string;
    stream_version: number;
  };
  const event = {
    id: uuidv7(),
    type: 'model.exploded',
    schema_version: 1,
    data: {},
    serial_kind: null,
  };
  const stream = modelStream('default', model.id);
  await log.append([entryOf(stream, model.stream_version, [event], [])]);
  await eventually(async () => (await get(`/models/${name}`)).body['stale'] === true);
  const read = await get(`/models/${name}`);
  expect(read.headers.get('x-stale')).toBe('true');
  expect(read.body).toMatchObject({ name, stream_version: model.stream_version });
  expect(await registry.registry.metrics()).toContain('modelog_parked_streams 1');
});

test("another tenant's things are not there", async () => {
  const { get, post } = registry;
  const name = newName();
  const model = (await post('/models', { name })).body as unknown as { id: string; serial: number };
  const key = 'a-key-of-another-tenant-0123456789';
  const admin = new Client({ connectionString: registry.url });
  await admin.connect();
  await admin.query(
    `insert into log.api_keys (sha256, key_id, tenant, subject, subject_type, role)
     values ($1, gen_random_uuid(), 'other', 'eve', 'user', 'admin')`,
    [secretHash(key)],
  );
  await admin.end();
  for (const path of [`/models/${name}`, `/models/${model.id}`, `/models/${model.serial}`])
    expect((await get(path, key)).status).toBe(404);
  const list = await get('/models', key);
  expect(list.body).toEqual({ items: [], next_page_token: null, total_count: 0 });
  expect((await get('/stats', key)).body['total_models']).toBe(0);
});
