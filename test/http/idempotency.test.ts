// Asking twice changes nothing: keys, repeats, preconditions, and the answers of then.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { openFaultProxy } from '#test/faults/proxy.ts';
import { openApi, openApis } from './api.ts';
import type { Answer, Api } from './api.ts';
import { eventsOf, typesOf } from './history.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
let other: Api;
beforeAll(async () => {
  opened = await openApis(2);
  [api, other] = opened.apis as [Api, Api];
});
afterAll(() => opened.close());

const keyed = (key: string) => ({ headers: { 'idempotency-key': key } });
/** What a repeat must answer again. */
const same = ({ status, body, headers }: Answer) => ({
  status,
  body,
  etag: headers['etag'],
  position: headers['x-position'],
});

describe('a key that comes twice', () => {
  test('answers the same, and nothing happens again', async () => {
    const first = await api.post('/models', { name: 'twice' }, keyed('twice 1'));
    expect(first).toMatchObject({ status: 201, body: { name: 'twice', stream_version: 1 } });
    expect(same(await api.post('/models', { name: 'twice' }, keyed('twice 1')))).toEqual(
      same(first),
    );
    expect(await eventsOf(api, 'twice')).toHaveLength(1);
  });

  test('is one with and without the prefix of its path', async () => {
    const first = await api.post('/models', { name: 'bare' }, keyed('bare 1'));
    const bare = await api.ask('POST', '/models', { body: { name: 'bare' }, ...keyed('bare 1') });
    expect(same(bare)).toEqual(same(first));
    expect(await eventsOf(api, 'bare')).toHaveLength(1);
  });

  test('answers as it was then, also when the model has gone on, and by any process', async () => {
    await api.post('/models', { name: 'onward' });
    const version = { label: 'v1' };
    const first = await api.post('/models/onward/versions', version, keyed('onward'));
    const promote = { to_stage: 'production' };
    const promoted = await api.post('/models/onward/versions/v1/promote', promote, keyed('up'));
    await api.post('/models/onward/versions/v1/demote', {});
    await api.patch('/models/onward', { owner: 'zoë' });
    for (const process of [api, other]) {
      const again = await process.post('/models/onward/versions', version, keyed('onward'));
      expect(same(again)).toEqual(same(first));
      const up = await process.post('/models/onward/versions/v1/promote', promote, keyed('up'));
      expect(same(up)).toEqual(same(promoted));
    }
    expect(first.body).toMatchObject({ stage: 'development', stream_version: 3 });
    expect(promoted.body).toMatchObject({ stage: 'production', stream_version: 4 });
  });

  test('is remembered for a success that changed nothing', async () => {
    await api.post('/models', { name: 'still' });
    const first = await api.patch('/models/still', {}, keyed('still'));
    expect(first).toMatchObject({ status: 200, body: { stream_version: 1 } });
    await api.patch('/models/still', { owner: 'zoë' });
    expect(same(await api.patch('/models/still', {}, keyed('still')))).toEqual(same(first));
    const another = await api.patch('/models/still', { owner: 'ana' }, keyed('still'));
    expect(another).toMatchObject({ status: 422, body: { code: 'key_reused' } });
  });

  test('with another body, path, query or precondition is refused', async () => {
    await api.post('/models', { name: 'reused' }, keyed('reused'));
    await api.post('/models', { name: 'reused-2' });
    const repeats = [
      api.post('/models', { name: 'reused', owner: 'zoë' }, keyed('reused')),
      api.post('/models', { name: 'another' }, keyed('reused')),
      api.patch('/models/reused-2', { owner: 'zoë' }, keyed('reused')),
      api.post(
        '/models',
        { name: 'reused' },
        { headers: { 'idempotency-key': 'reused', 'if-match': '"0"' } },
      ),
    ];
    for (const answer of await Promise.all(repeats))
      expect(answer).toMatchObject({ status: 422, body: { code: 'key_reused' } });
    expect(await typesOf(api, 'reused-2')).toEqual(['model.registered']);
  });

  test("is another subject's own", async () => {
    const issued = await api.post('/api-keys', { subject: 'ana', role: 'producer' });
    const key = String(issued.body['secret']);
    const own = await api.post('/models', { name: 'own' }, keyed('shared'));
    const others = await api.post('/models', { name: 'others' }, { key, ...keyed('shared') });
    expect([own.status, others.status]).toEqual([201, 201]);
  });

  test('at once has one effect, in one process and in two', async () => {
    const asking = Array.from({ length: 10 }, (_, nth) =>
      [api, other][nth % 2]!.post('/models', { name: 'at once' }, keyed('at once')),
    );
    const answers = await Promise.all(asking);
    for (const answer of answers) expect(same(answer)).toEqual(same(answers[0]!));
    expect(answers[0]!.status).toBe(201);
    expect(await eventsOf(api, 'at%20once')).toHaveLength(1);
  });

  test('at once with different bodies has one effect, and the others hear of it', async () => {
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map((owner) =>
        api.post('/models', { name: `differing-${owner}`, owner }, keyed('differing')),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'key_reused')).toHaveLength(3);
  });

  test('deploys once, and tells of the same deployment', async () => {
    await api.post('/models', { name: 'deployed' });
    await api.post('/models/deployed/versions', {});
    const body = { environment: 'eu-prod', status: 'deployed' };
    const path = '/models/deployed/versions/1/deployments';
    const first = await api.post(path, body, keyed('deploy'));
    expect(first).toMatchObject({ status: 201, body: { status: 'deployed' } });
    expect(same(await api.post(path, body, keyed('deploy')))).toEqual(same(first));
    expect(same(await other.post(path, body, keyed('deploy')))).toEqual(same(first));
  });

  test('issues one key, whose secret is told once', async () => {
    const body = { subject: 'once', role: 'viewer' };
    const first = await api.post('/api-keys', body, keyed('issue'));
    const again = await api.post('/api-keys', body, keyed('issue'));
    expect(first.body['secret']).toMatch(/^mlk_/);
    expect(again).toMatchObject({ status: 201, body: { id: first.body['id'], secret: null } });
    const { body: list } = await api.get('/api-keys?page_size=1000');
    const named = (list['items'] as unknown as { subject: string }[]).filter(
      ({ subject }) => subject === 'once',
    );
    expect(named).toHaveLength(1);
  });
});

describe('a key whose request was refused', () => {
  test('may be used again', async () => {
    await api.post('/models', { name: 'taken' });
    const refused = await api.post('/models', { name: 'taken' }, keyed('again'));
    expect(refused).toMatchObject({ status: 409, body: { code: 'name_taken', name: 'taken' } });
    const accepted = await api.post('/models', { name: 'free' }, keyed('again'));
    expect(accepted.status).toBe(201);
  });
});

test.each(['', 'k'.repeat(256)])('a key of %j characters is refused', async (key) => {
  expect(await api.post('/models', { name: 'long' }, keyed(key))).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: '/headers/idempotency-key' }] },
  });
});

test('a key whose first answer was lost on the way answers as if it had not been', async () => {
  const direct = new URL(opened.databaseUrl);
  const proxy = await openFaultProxy({ host: direct.hostname, port: Number(direct.port) });
  const url = new URL(opened.databaseUrl);
  url.hostname = proxy.host;
  url.port = String(proxy.port);
  const behind = await openApi(url.href);
  try {
    await behind.post('/models', { name: 'before' });
    proxy.set({ fault: 'drop-answers' });
    const lost = await behind.post('/models', { name: 'doubtful' }, keyed('doubtful'));
    expect(lost).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: { code: 'in_doubt' },
    });
    expect(proxy.struck()).toBeGreaterThan(0);
    proxy.set({ fault: 'none' });
    const again = await behind.post('/models', { name: 'doubtful' }, keyed('doubtful'));
    expect(again).toMatchObject({ status: 201, body: { name: 'doubtful', stream_version: 1 } });
    expect(await eventsOf(api, 'doubtful')).toHaveLength(1);
  } finally {
    await behind.close();
    await proxy.close();
  }
});

describe('If-Match', () => {
  const matching = (version: string) => ({ headers: { 'if-match': version } });
  beforeAll(async () => {
    await api.post('/models', { name: 'matched' });
  });

  test('of another version fails, and changes nothing', async () => {
    expect(await api.patch('/models/matched', { owner: 'zoë' }, matching('"7"'))).toMatchObject({
      status: 412,
      body: { code: 'precondition_failed', expected_version: 7, stream_version: 1 },
    });
    expect(await eventsOf(api, 'matched')).toHaveLength(1);
  });

  test('of the version that the ETag told succeeds, once', async () => {
    const { headers } = await api.patch('/models/matched', {});
    const etag = headers['etag'] as string;
    expect(etag).toBe('"1"');
    const first = await api.patch('/models/matched', { owner: 'zoë' }, matching(etag));
    expect(first).toMatchObject({ status: 200, headers: { etag: '"2"' } });
    const second = await other.patch('/models/matched', { owner: 'ana' }, matching(etag));
    expect(second).toMatchObject({ status: 412, body: { stream_version: 2 } });
  });

  test('with a key answers the repeat as it was then', async () => {
    const both = { headers: { 'if-match': '"2"', 'idempotency-key': 'both' } };
    const first = await api.patch('/models/matched', { owner: 'ben' }, both);
    expect(first.status).toBe(200);
    expect(same(await api.patch('/models/matched', { owner: 'ben' }, both))).toEqual(same(first));
  });

  test('* asks for nothing', async () =>
    expect((await api.patch('/models/matched', {}, matching('*'))).status).toBe(200));

  test('is judged after the right to ask, which says nothing of the version', async () => {
    const issue = async (role: string) =>
      String(
        (await api.post('/api-keys', { subject: `${role}-who-matches`, role })).body['secret'],
      );
    const [viewer, key] = [await issue('viewer'), await issue('member')];
    const asOther = { ...matching('"99"'), key };
    const bind = (scope: string, role = 'admin') => ({
      subject: 'member-who-matches',
      role,
      scope,
    });
    await api.put('/role-bindings', bind('team:risk'));
    await api.post('/models', { name: 'hidden', team: 'fraud' });
    await eventually(async () => expect((await api.get('/events', { key })).status).toBe(200));
    for (const dry of ['', '?dry_run=true'])
      expect(await api.patch(`/models/hidden${dry}`, { owner: 'me' }, asOther)).toMatchObject({
        status: 404,
        body: { code: 'model_not_found', model: 'hidden' },
      });
    const role = { role: 'viewer', subject: 'zoë' };
    for (const [said, code] of [
      [{ ...role, scope: 'team:fraud' }, 'forbidden'],
      [{ ...role, scope: 'tenant' }, 'forbidden'],
      [bind('team:risk', 'viewer'), 'granted_to_self'],
    ] as const) {
      const { status, body } = await api.put('/role-bindings', said, asOther);
      expect({ status, code: body.code }).toEqual({ status: 403, code });
      expect(body).not.toHaveProperty('stream_version');
    }
    expect(await api.put('/role-bindings', { ...role, scope: 'team:risk' }, asOther)).toMatchObject(
      { status: 412 },
    );
    expect(
      await api.patch('/models/matched', {}, { ...matching('"99"'), key: viewer }),
    ).toMatchObject({ status: 403 });
  });

  test.each(['2', 'W/"2"', '"two"', '"1", "2"', '""'])('%s is refused', async (version) =>
    expect(await api.patch('/models/matched', {}, matching(version))).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/headers/if-match' }] },
    }),
  );
});

describe('a name that means another version after the step', () => {
  test('is answered with the version that took it', async () => {
    await api.post('/models', { name: 'moving' });
    await api.post('/models/moving/versions', {});
    await api.post('/models/moving/versions', {});
    const path = '/models/moving/versions';
    expect(await api.post(`${path}/latest/archive`, null, keyed('newest'))).toMatchObject({
      status: 200,
      body: { number: 2, stage: 'archived' },
    });
    expect(await api.post(`${path}/default/archive`, null)).toMatchObject({
      status: 200,
      body: { number: 1, stage: 'archived', is_default: false },
    });
    expect(await api.post(`${path}/latest/archive`, null, keyed('newest'))).toMatchObject({
      status: 200,
      body: { number: 2, stage: 'archived', stream_version: 5 },
    });
    expect(await api.post(`${path}/latest/archive`, null)).toMatchObject({
      status: 404,
      body: { code: 'version_not_found', version: 'latest' },
    });
  });
});
