// The audit trail: who did, or was refused, what, when, with which key, and why; and what is not in it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { adminKey, openApis, otherTenantKey } from './api.ts';
import type { Api } from './api.ts';

type Entry = {
  outcome: string;
  action: string;
  code: string | null;
  reason: string | null;
  recorded_at: string;
  event_id: string | null;
  model_id: string | null;
  actor: { subject: string; key_id: string | null } | null;
  detail: {
    route?: string;
    because?: Record<string, unknown>;
    not_recorded_before?: number;
  } | null;
};

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
beforeAll(async () => {
  opened = await openApis(1);
  [api] = opened.apis as [Api];
  await api.post('/models', { name: 'audited' });
  await api.post('/models/audited/versions', {});
  await api.post('/models', { name: 'another' });
});
afterAll(() => opened.close());

const audit = async (query: string, key?: string): Promise<Entry[]> => {
  const { status, body } = await api.get(`/audit?${query}`, key === undefined ? {} : { key });
  expect(status).toBe(200);
  return body['items'] as unknown as Entry[];
};
const issue = async (subject: string, role: string) =>
  (await api.post('/api-keys', { subject, role })).body as unknown as {
    id: string;
    secret: string;
  };
const refused = (entries: Entry[]): Entry[] =>
  entries.filter(({ outcome }) => outcome === 'refused');

test('tells who did what, with which key and why, beside who was refused it', async () => {
  const { id, secret: key } = await issue('pat', 'approver');
  const path = '/models/audited/versions/1/promote';
  await api.post(path, { to_stage: 'staging', reason: 'good enough' }, { key });
  await api.post(path, { to_stage: 'development' }, { key });
  await api.post('/models/audited/versions/1/archive', { reason: 'no' }, { key });
  await api.post('/models/audited/versions/1/restore', { reason: 'back' }, { key });
  await api.post('/models/audited/versions/1/restore', { reason: 'again' }, { key });
  const entries = await audit('actor=pat');
  expect(entries.length).toBeGreaterThan(2);
  for (const { actor } of entries) expect(actor).toMatchObject({ subject: 'pat', key_id: id });
  expect(entries.find(({ action }) => action === 'model.promoted')).toMatchObject({
    outcome: 'done',
    reason: 'good enough',
    event_id: expect.any(String) as string,
  });
  const times = entries.map(({ recorded_at }) => recorded_at);
  expect(times).toEqual(times.toSorted().toReversed());
});

test('holds a refused promotion before its answer, with what was missing', async () => {
  const { secret: key } = await issue('mo', 'approver');
  await api.post('/models/another/versions', {});
  await api.post('/models/another/versions/1/archive', {}, {});
  const answer = await api.post(
    '/models/another/versions/1/promote',
    { to_stage: 'production', reason: 'please' },
    { key },
  );
  expect(answer.status).toBe(409);
  const [entry] = refused(await audit('actor=mo&action=Promote'));
  expect(entry).toMatchObject({
    code: 'illegal_transition',
    reason: 'please',
    model_id: expect.any(String) as string,
    detail: {
      route: 'POST /models/:model/versions/:version/promote',
      because: { from: 'archived', to: 'production', legal_transitions: expect.any(Array) as [] },
    },
  });
  // also of who had no right to ask
  const { secret: viewer } = await issue('vi', 'viewer');
  await api.post('/models/another/versions/1/promote', { to_stage: 'staging' }, { key: viewer });
  expect(refused(await audit('actor=vi'))).toMatchObject([
    { code: 'forbidden', detail: { because: { required_permission: 'stage:change' } } },
  ]);
});

test('holds also what would promote by another name, however much its asker was refused before', async () => {
  const refusedOften = async (subject: string, role: string): Promise<string> => {
    const { secret: key } = await issue(subject, role);
    await Promise.all(Array.from({ length: 300 }, () => api.patch('/models/nobodys', {}, { key })));
    return key;
  };
  const version = { model_name: 'audited', stage: 'production' };
  for (const [subject, role, code, asked] of [
    [
      'mia',
      'producer',
      'forbidden',
      [
        ['/models/register', version],
        ['/versions', version],
        ['/models/audited/versions', { stage: 'staging' }],
      ],
    ],
    [
      'max',
      'approver',
      'illegal_transition',
      [['/models/audited/versions/1/restore', { to_stage: 'staging' }]],
    ],
  ] as const) {
    const key = await refusedOften(subject, role);
    for (const [path, body] of asked) {
      expect((await api.post(path, body, { key })).body, path).toMatchObject({ code });
      const [newest] = refused(await audit(`actor=${subject}&page_size=1`));
      expect(newest, path).toMatchObject({
        code,
        detail: { route: expect.stringContaining(path.split('/').at(-1)!) as string },
      });
    }
  }
});

test('is filtered by model, action and time, and read page by page', async () => {
  const ofModel = await audit('model=audited&page_size=1000');
  expect(new Set(ofModel.map(({ model_id }) => model_id)).size).toBe(1);
  const registered = await audit('action=model.registered');
  expect(registered.map(({ action }) => action)).toEqual(['model.registered', 'model.registered']);
  const [last, first] = registered;
  expect(await audit(`action=model.registered&to=${last!.recorded_at}`)).toEqual(
    first!.recorded_at === last!.recorded_at ? [] : [first],
  );
  expect(await audit(`from=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
  const all = await audit('page_size=1000&actor=modelog:admin');
  const paged: Entry[] = [];
  for (let token = ''; ;) {
    const { body } = await api.get(`/audit?page_size=2&actor=modelog:admin${token}`);
    paged.push(...(body['items'] as unknown as Entry[]));
    const next = body['next_page_token'] as unknown as string | null;
    if (next === null) break;
    token = `&page_token=${next}`;
  }
  expect(paged).toEqual(all);
  for (const query of [
    'page_token=x',
    'from=yesterday',
    'colour=red',
    'page_token=1-99999999999999999999',
  ])
    expect((await api.get(`/audit?${query}`)).status, query).toBe(422);
});

test('holds a refused promotion under its model also where nothing was decided, if its asker sees that', async () => {
  const content_digest = { sha256: 'a'.repeat(64) };
  const made = await api.post('/models', { name: 'wanted', team: 'seen' });
  await api.post('/models/wanted/versions', { content_digest });
  const request = await api.post('/models/wanted/versions/1/promotion-requests', {
    to_stage: 'staging',
  });
  expect(request.status).toBe(201);
  const { secret: viewer } = await issue('vic', 'viewer');
  const { secret: producer } = await issue('pip', 'producer');
  const { secret: elsewhere } = await issue('eli', 'member');
  await api.put('/role-bindings', { subject: 'eli', role: 'viewer', scope: 'team:unseen' });
  const asked = { to_stage: 'staging' };
  const versions = '/models/wanted/versions';
  const stale = { headers: { 'if-match': '"99"' } };
  for (const [status, refusal] of [
    [403, api.post(`${versions}/1/promote`, asked, { key: viewer })],
    [403, api.post(`/models/${String(made.body['id'])}/rollback`, {}, { key: viewer })],
    [403, api.post(versions, { stage: 'production' }, { key: producer })],
    [
      403,
      api.post(
        `/promotion-requests/${String(request.body['id'])}/decision`,
        { decision: 'approve' },
        { key: viewer },
      ),
    ],
    [412, api.post(`${versions}/1/promote`, asked, stale)],
    [403, api.post(`${versions}/1/promote`, asked, { key: elsewhere })],
  ] as const)
    expect((await refusal).status).toBe(status);
  const entries = refused(await audit('model=wanted'));
  const ofCode = (wanted: string) => entries.filter(({ code }) => code === wanted);
  expect(ofCode('forbidden')).toHaveLength(4);
  expect(ofCode('precondition_failed')).toHaveLength(1);
  expect(refused(await audit('actor=eli'))).toMatchObject([{ code: 'forbidden', model_id: null }]);
});

describe('a stranger', () => {
  test('is recorded without what they showed, and no more often than helps', async () => {
    for (let nth = 0; nth < 60; nth++)
      await api.post('/models', { name: 'x' }, { key: `guess-${nth}-of-a-stranger` });
    await eventually(async () => {
      const strangers = refused(await audit('action=POST%20/models&page_size=1000'));
      return strangers.some(({ code, actor }) => code === 'unauthenticated' && actor === null);
    });
    const { rows } = await api.pool.query<{ text: string }>(
      `select a::text as text from log.audit_records a where code = 'unauthenticated'`,
    );
    expect(rows.length).toBeLessThan(45);
    expect(rows.filter(({ text }) => text.includes('guess'))).toEqual([]);
  });

  test('is no affair of a tenant', async () => {
    const key = await otherTenantKey(api, 'auditors', 'admin');
    const theirs = await audit('page_size=1000', key);
    expect(theirs.map(({ action }) => action).toSorted()).toEqual([
      'api_key.issued',
      'tenant.created',
    ]);
    await api.post('/models/nothing/versions', {}, { key });
    await eventually(async () => refused(await audit('', key)).length === 1);
    expect(JSON.stringify(await audit('page_size=1000'))).not.toContain('auditors');
  });
});

test('is read by admins of the tenant only', async () => {
  for (const role of ['viewer', 'producer', 'deployer', 'approver', 'member']) {
    const { secret: key } = await issue(`no ${role}`, role);
    expect((await api.get('/audit', { key })).status, role).toBe(403);
  }
});

test('holds no secret, and what no table can hold does not end it', async () => {
  const headers = { 'idempotency-key': 'a' };
  await api.post('/models', { name: 'a\u0000b', reason: '\ud800' }, { headers });
  await api.ask('POST', '/api/v1/models/a%00b/versions/1/promote', {
    body: { to_stage: 'staging' },
  });
  await api.post('/models/audited/versions/99/promote', { to_stage: 'staging', reason: '\u0001' });
  const { rows } = await api.pool.query<{ text: string }>(
    'select a::text as text from log.audit_records a',
  );
  expect(rows.length).toBeGreaterThan(5);
  expect(rows.filter(({ text }) => text.includes(adminKey) || text.includes('mlk_'))).toEqual([]);
});

test.each([
  ['NUL', 'a\u0000b'],
  ['a character that a cut divides', `${'a'.repeat(511)}😀`],
])('is written on after somebody was declared with %s', async (_, declared_by) => {
  const { secret: key } = await issue('declares-oddly', 'producer');
  const before = refused(await audit('actor=declares-oddly')).length;
  await api.post('/models', { name: 'audited', declared_by }, { key });
  await api.post('/models', { name: 'audited', declared_by: 'ana' }, { key });
  await eventually(async () =>
    expect(refused(await audit('actor=declares-oddly'))).toHaveLength(before + 2),
  );
});
