// Provider bindings over HTTP: what a write answered is what the next read says; lists, pages, tenants and bad input.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { otherTenantKey } from '#test/http/api.ts';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

type Body = Record<string, unknown>;
const bodyOf = ({ body }: Answer): Body => body;
const itemsOf = (answer: Answer): Body[] => bodyOf(answer)['items'] as Body[];
const pointers = (answer: Answer): string[] =>
  (bodyOf(answer)['errors'] as { pointer: string }[]).map(({ pointer }) => pointer).toSorted();

let names = 0;
/** A model with one version. */
async function aVersion(): Promise<{ model: string; id: string; serial: number }> {
  const model = `bound-${++names}`;
  await registry.post('/models', { name: model });
  const version = bodyOf(await registry.post(`/models/${model}/versions`, { label: 'v1' }));
  return { model, id: version['id'] as string, serial: version['serial'] as number };
}
const openai = { provider: 'openai', provider_model_id: 'gpt-4-0125-preview' };

async function aBinding(version_id: string | number, said: object = {}): Promise<string> {
  const made = await registry.post('/bindings', { version_id, ...openai, ...said });
  expect(made.status).toBe(201);
  return bodyOf(made)['id'] as string;
}

test('the binding of document [2] is made by serial, with and without a prefix, and read back', async () => {
  const { id, serial, model } = await aVersion();
  const asked = {
    version_id: serial,
    ...openai,
    status: 'active',
    config: { temperature: 0.7, max_tokens: 2000 },
  };
  for (const ask of [registry.bare, registry.call]) {
    const made = await ask('POST', '/bindings', asked);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      model_name: model,
      version_id: id,
      number: 1,
      version: 'v1',
      ...openai,
      status: 'active',
      config: asked.config,
      endpoint_url: null,
      avg_latency_ms: null,
      success_rate: null,
      last_used_at: null,
    });
    const path = `/bindings/${String(made.body['id'])}`;
    const read = await registry.get(path);
    expect(read.body).toEqual(made.body);
    expect(read.headers.get('etag')).toBe(`"${String(made.body['stream_version'])}"`);
    expect((await registry.bare('GET', path)).body).toEqual(made.body);
  }
});

test('each change of a binding is what the next read says, and the stream moves once a change', async () => {
  const { id } = await aVersion();
  const binding = await aBinding(id);
  const path = `/bindings/${binding}`;
  const changes: [string, object, object][] = [
    ['PATCH', { avg_latency_ms: 120.5, success_rate: 0.99 }, { success_rate: 0.99 }],
    ['PUT', { status: 'active', config: { top_p: 1 } }, { status: 'active', success_rate: 0.99 }],
    ['PATCH', { config: null, avg_latency_ms: null }, { config: {}, avg_latency_ms: null }],
    [
      'PUT',
      { last_used_at: '2026-01-02T04:05:06+01:00' },
      { last_used_at: '2026-01-02T03:05:06.000Z' },
    ],
    ['PATCH', { status: 'deprecated', reason: 'dear' }, { status: 'deprecated' }],
    ['PATCH', { status: 'deprecated' }, { status: 'deprecated' }],
    ['PATCH', { status: 'inactive' }, { status: 'inactive' }],
  ];
  for (const [method, change, shown] of changes) {
    const changed = await registry.call(method, path, change);
    expect(changed.status).toBe(200);
    expect(changed.body).toMatchObject(shown);
    expect((await registry.get(path)).body).toEqual(changed.body);
  }
});

test('what was read can be written back with one change; what cannot change is told', async () => {
  const { id, serial } = await aVersion();
  const path = `/bindings/${await aBinding(id)}`;
  const read = bodyOf(await registry.get(path));
  const put = await registry.call('PUT', path, { ...read, success_rate: 0.5 });
  expect(put.body).toMatchObject({ success_rate: 0.5 });
  expect((await registry.call('PUT', path, { version_id: serial })).status).toBe(200);
  const refused = await registry.call('PUT', path, { version_id: serial + 1, number: 7 });
  expect(refused).toMatchObject({
    status: 422,
    body: { code: 'immutable', fields: ['version_id', 'number'] },
  });
});

test('a binding that is active holds its version; a removed one is gone, and its end is a use', async () => {
  const { id, model } = await aVersion();
  const binding = await aBinding(id, { status: 'active' });
  const removed = await registry.call('DELETE', `/bindings/${binding}`);
  expect(removed).toMatchObject({ status: 200, body: { id: binding, status: 'inactive' } });
  expect(removed.body['removed_at']).not.toBeNull();
  expect(await registry.get(`/bindings/${binding}`)).toMatchObject({
    status: 404,
    body: { code: 'binding_not_found' },
  });
  expect(itemsOf(await registry.get(`/bindings?version_id=${id}`))).toEqual([]);
  expect((await registry.call('PATCH', `/bindings/${binding}`, { provider: 'x' })).status).toBe(
    404,
  );
  expect((await registry.call('DELETE', `/bindings/${binding}`)).body).toEqual(removed.body);
  const version = bodyOf(await registry.get(`/models/${model}/versions/1`));
  expect(version['last_used_at']).not.toBeNull();
  const types = itemsOf(await registry.get(`/models/${model}/timeline`))
    .map((entry) => entry['type'])
    .filter((type) => type !== 'refused');
  expect(types.slice(-3)).toEqual(['binding.created', 'binding.deactivated', 'binding.removed']);
});

test('lists filter by provider, status and version, and go by pages, the newest first', async () => {
  const { id, serial } = await aVersion();
  const other = await aVersion();
  const made: string[] = [];
  for (const provider of ['a-vendor', 'b-vendor', 'a-vendor'])
    made.push(
      await aBinding(id, { provider, status: provider === 'a-vendor' ? 'active' : 'inactive' }),
    );
  await aBinding(other.id, { provider: 'c-vendor' });
  const ids = async (query: string) =>
    itemsOf(await registry.get(`/bindings?${query}`)).map((item) => item['id']);
  expect(await ids(`version_id=${id}`)).toEqual(made.toReversed());
  expect(await ids(`version_id=${serial}`)).toEqual(made.toReversed());
  expect(await ids(`version_id=${id}&provider=a-vendor`)).toEqual([made[2], made[0]]);
  expect(await ids('provider=b-vendor')).toEqual([made[1]]);
  expect(await ids(`version_id=${id}&status=active`)).toEqual([made[2], made[0]]);
  const first = bodyOf(await registry.get(`/bindings?version_id=${id}&page_size=2`));
  expect(first).toMatchObject({ total_count: 3 });
  const rest = await ids(
    `version_id=${id}&page_size=2&page_token=${String(first['next_page_token'])}`,
  );
  expect(rest).toEqual([made[0]]);
  expect(await ids(`version_id=${id}&page=2&size=1`)).toEqual([made[1]]);
});

test('another tenant sees and changes nothing of it', async () => {
  const { id, serial } = await aVersion();
  const binding = await aBinding(id);
  const key = await otherTenantKey(registry, `other-${names}`, 'admin');
  const asStranger = (method: string, path: string, body?: object) =>
    registry.call(method, path, body, key);
  for (const answer of [
    await asStranger('GET', `/bindings/${binding}`),
    await asStranger('PATCH', `/bindings/${binding}`, { provider: 'theirs' }),
    await asStranger('DELETE', `/bindings/${binding}`),
  ])
    expect(answer).toMatchObject({ status: 404, body: { code: 'binding_not_found' } });
  for (const version of [id, serial]) {
    const made = await asStranger('POST', '/bindings', { version_id: version, ...openai });
    expect(made).toMatchObject({ status: 404, body: { code: 'version_not_found' } });
  }
  expect((await asStranger('GET', '/bindings')).body).toMatchObject({ items: [], total_count: 0 });
  expect((await asStranger('GET', `/bindings?version_id=${id}`)).body['items']).toEqual([]);
  expect((await registry.get(`/bindings/${binding}`)).body).toMatchObject({ provider: 'openai' });
});

test('who is confined to a team sees and changes only what is bound there', async () => {
  const theirs = await aVersion();
  const mine = await aVersion();
  await registry.call('PATCH', `/models/${mine.model}`, { team: 'vision' });
  const hidden = await aBinding(theirs.id, { provider: 'hidden' });
  const seen = await aBinding(mine.id, { provider: 'seen' });
  const issued = await registry.post('/api-keys', { subject: 'mia', role: 'member' });
  const key = bodyOf(issued)['secret'] as string;
  expect(
    (
      await registry.call('PUT', '/role-bindings', {
        subject: 'mia',
        role: 'deployer',
        scope: 'team:vision',
      })
    ).status,
  ).toBeLessThan(300);
  const asMia = (method: string, path: string, body?: object) =>
    registry.call(method, path, body, key);
  expect((await asMia('GET', `/bindings/${seen}`)).status).toBe(200);
  expect((await asMia('PATCH', `/bindings/${seen}`, { success_rate: 1 })).status).toBe(200);
  const notFound = { status: 404, body: { code: 'binding_not_found', binding_id: hidden } };
  expect(await asMia('GET', `/bindings/${hidden}`)).toMatchObject(notFound);
  expect(await asMia('PATCH', `/bindings/${hidden}`, { success_rate: 1 })).toMatchObject(notFound);
  expect(await asMia('DELETE', `/bindings/${hidden}`)).toMatchObject(notFound);
  expect((await asMia('GET', '/bindings')).body).toMatchObject({ total_count: 1 });
  // a serial of what is not seen says no more than one that nobody was given
  for (const serial of [theirs.serial, 999_999_999]) {
    expect(await asMia('GET', `/bindings?version_id=${serial}`)).toMatchObject({
      status: 404,
      body: { code: 'version_not_found' },
    });
    expect(await asMia('POST', '/bindings', { version_id: serial, ...openai })).toMatchObject({
      status: 404,
      body: { code: 'version_not_found', version: String(serial) },
    });
  }
});

describe('bad input', () => {
  test('names every fault, and makes nothing', async () => {
    const answer = await registry.post('/bindings', {
      version_id: 'v1',
      provider: '',
      status: 'deprecated',
      success_rate: 1.5,
      avg_latency_ms: -1,
      last_used_at: 'yesterday',
      endpoint_url: 'ftp://somewhere',
      colour: 'red',
    });
    expect(answer.status).toBe(422);
    expect(pointers(answer)).toEqual(
      [
        '/avg_latency_ms',
        '/colour',
        '/endpoint_url',
        '/last_used_at',
        '/provider',
        '/provider_model_id',
        '/status',
        '/success_rate',
        '/version_id',
      ].toSorted(),
    );
  });

  test('a key of the config that looks like a credential is named, and its value is nowhere', async () => {
    const { id } = await aVersion();
    const value = 'sk-live-0123456789';
    const config = { max_tokens: 10, api_key: value, headers: { Authorization: value } };
    const made = await registry.post('/bindings', { version_id: id, ...openai, config });
    expect(made.status).toBe(422);
    expect(pointers(made)).toEqual(['/config/api_key', '/config/headers/Authorization']);
    const changed = await registry.call('PATCH', `/bindings/${await aBinding(id)}`, { config });
    expect(changed.status).toBe(422);
    expect(JSON.stringify([made.body, changed.body])).not.toContain(value);
  });

  test.each(['https://me:pass@vendor.example/v1', 'https://vendor.example/v1?api_key=x'])(
    'an address that opens a door is refused: %s',
    async (endpoint_url) => {
      const { id } = await aVersion();
      const made = await registry.post('/bindings', { version_id: id, ...openai, endpoint_url });
      expect(made.status).toBe(422);
      expect(pointers(made)).toEqual(['/endpoint_url']);
    },
  );

  test('a use in the future, a version nobody knows, a filter that cannot be', async () => {
    const { id } = await aVersion();
    const last_used_at = '2999-01-01T00:00:00Z';
    expect(
      await registry.post('/bindings', { version_id: id, ...openai, last_used_at }),
    ).toMatchObject({
      status: 422,
      body: { code: 'time_in_future', field: 'last_used_at' },
    });
    for (const version_id of [uuidv7(), 999_999_999])
      expect(await registry.post('/bindings', { version_id, ...openai })).toMatchObject({
        status: 404,
        body: { code: 'version_not_found' },
      });
    expect((await registry.get('/bindings?status=on')).status).toBe(422);
    expect((await registry.get('/bindings?version_id=v1')).status).toBe(422);
    expect((await registry.get('/bindings?version_id=999999999')).status).toBe(404);
    expect((await registry.get('/bindings?vendor=x')).status).toBe(422);
  });

  test('a deprecated version is not bound, and the answer says why', async () => {
    const { id, model } = await aVersion();
    await registry.post(`/models/${model}/versions/1/deprecate`, {});
    expect(await registry.post('/bindings', { version_id: id, ...openai })).toMatchObject({
      status: 409,
      body: { code: 'version_retired', stage: 'deprecated', wanted: 'binding' },
    });
  });
});
