// Who gets in, and to what: keys, roles, revocation, tenants, and secrets that are seen nowhere.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { may, roles } from '#events/access.ts';
import type { Role } from '#events/access.ts';
import { eventually } from '#test/eventually.ts';
import { adminKey, openApi, openApis, otherTenantKey } from './api.ts';
import type { Api, Route } from './api.ts';
import { proxyDatabase } from './proxied.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
let other: Api;
beforeAll(async () => {
  opened = await openApis(2);
  [api, other] = opened.apis as [Api, Api];
  await api.post('/models', { name: 'known' });
  await api.post('/models/known/versions', {});
});
afterAll(() => opened.close());

async function issue(role: Role, subject: string = role): Promise<{ id: string; secret: string }> {
  const { status, body } = await api.post('/api-keys', { subject, role });
  expect(status).toBe(201);
  return body as unknown as { id: string; secret: string };
}

const concrete = ({ url }: Route, id = '01940000-0000-7000-8000-000000000000') =>
  url.replace(':model', 'known').replace(':version', '9').replace(':id', id).replace('*', 'x');
const guarded = () =>
  api.routes.filter(({ permission }) => permission !== 'open' && permission !== 'loopback');

describe('a stranger', () => {
  const spellings: ((path: string) => string)[] = [
    (path) => path,
    (path) => `/${path}`,
    (path) => `${path}/`,
    (path) => path.replace(/\/(\w)/, (_, first: string) => `/%${first.charCodeAt(0).toString(16)}`),
    (path) => `${path};x`,
    (path) => path.replace(/\/(\w+)/, '/$1;x'),
    (path) => `${path}%00`,
    (path) => `${path}/..%2Fx`,
    (path) => `/x/..${path}`,
    (path) => path.toUpperCase(),
    (path) => `${path}?api_key=${adminKey}`,
    (path) => path.replaceAll('/', '%2F').replace('%2F', '/'),
    (path) => `${path}%zz`,
  ];

  test('is told nothing by any route in any spelling', async () => {
    expect(guarded().length).toBeGreaterThan(30);
    const told: string[] = [];
    for (const route of guarded())
      for (const spell of spellings) {
        const path = spell(concrete(route));
        const { status, text } = await api.ask(route.method, path, { key: null });
        if ((status !== 401 && status !== 404) || /known/.test(text))
          told.push(`${route.method} ${path}: ${status}`);
      }
    expect(told).toEqual([]);
  });

  test.each([
    ['an unknown key', { authorization: 'Bearer mlk_unknown' }],
    ['an empty key', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: `Basic ${btoa(`admin:${adminKey}`)}` }],
    ['the key without a scheme', { authorization: adminKey }],
    ['a key that is too long', { 'x-api-key': 'x'.repeat(5_000) }],
    ['the hash of a key', { 'x-api-key': 'a'.repeat(64) }],
    ['a wrong bearer beside a right key', { authorization: 'Bearer no', 'x-api-key': adminKey }],
  ])('with %s is a stranger', async (_, headers) =>
    expect(await api.get('/events', { key: null, headers })).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    }),
  );

  test('may ask whether the registry lives, and for its reference', async () => {
    for (const path of ['/health', '/ready', '/openapi.json', '/metrics'])
      expect((await api.ask('GET', path, { key: null })).status, path).toBe(200);
    expect((await api.ask('GET', '/docs', { key: null })).status).toBeLessThan(400);
    const page = await fetch(new URL('/docs/', api.address));
    expect(page.headers.get('content-type')).toContain('text/html');
    const html = await page.text();
    // it talks to nobody but the registry
    expect(html).toMatch(/"agent":\s*{\s*"disabled":\s*true/);
    const script = /<script src="([^"]+)"/.exec(html)![1]!;
    expect((await fetch(new URL(script, page.url))).status).toBe(200);
    expect((await api.ask('GET', '/docs/other', { key: null })).status).toBe(404);
    const open = api.routes.filter(({ permission }) => permission === 'open');
    const unexpected = open.filter(
      ({ url }) => !/^\/(health|ready|openapi\.json|docs(\/.*)?)$/.test(url),
    );
    expect(unexpected).toEqual([]);
  });
});

test.each(['authorization', 'x-api-key'])('a key is taken from %s', async (header) => {
  const headers = { [header]: header === 'authorization' ? `bearer ${adminKey}` : adminKey };
  expect((await api.get('/events', { key: null, headers })).status).toBe(200);
});

describe('a role', () => {
  test.each(roles.filter((role) => role !== 'service'))(
    '%s may do what it is for, and nothing else',
    async (role) => {
      const { secret } = await issue(role);
      const wrong: string[] = [];
      for (const route of guarded()) {
        if (route.method === 'HEAD') continue;
        const { status, body } = await api.ask(route.method, concrete(route), {
          key: secret,
          ...(route.method === 'GET' ? {} : { body: '{"colour": "red"}' }),
        });
        const { permission } = route;
        const isAllowed = permission === 'any key' || may(role, permission as 'registry:read');
        const isRight = isAllowed
          ? status !== 403 && status !== 401
          : status === 403 && body.code === 'forbidden';
        if (!isRight) wrong.push(`${route.method} ${route.url} (${permission}): ${status}`);
      }
      expect(wrong).toEqual([]);
    },
  );

  test('is told what it lacks', async () => {
    const { secret } = await issue('viewer', 'lacking');
    expect(await api.post('/models', { name: 'no' }, { key: secret })).toMatchObject({
      status: 403,
      body: {
        required_permission: 'model:write',
        required_role: ['producer', 'admin', 'system_admin', 'service'],
      },
    });
  });

  test('that may add versions may not put them into a higher stage', async () => {
    const { secret: key } = await issue('producer', 'climbing');
    const path = '/models/known/versions';
    expect((await api.post(path, { stage: 'production' }, { key })).status).toBe(403);
    expect((await api.post(path, { stage: 'development' }, { key })).status).toBe(201);
  });

  test('that archives may not say that retention did', async () => {
    const body = { cause: 'retention_age' };
    expect(await api.post('/models/known/versions/2/archive', body)).toMatchObject({
      status: 403,
      body: { required_permission: 'retention:attribute' },
    });
  });

  test('of the registry itself is issued by nobody, nor is its name', async () => {
    expect(await api.post('/api-keys', { subject: 'x', role: 'service' })).toMatchObject({
      status: 403,
      body: { code: 'role_above_own' },
    });
    expect(await api.post('/api-keys', { subject: 'modelog:admin', role: 'viewer' })).toMatchObject(
      {
        status: 422,
        body: { errors: [{ pointer: '/subject' }] },
      },
    );
  });
});

describe('a key that is revoked', () => {
  test('is no key any more, in every process', async () => {
    const { id, secret: key } = await issue('viewer', 'revoked');
    for (const process of [api, other])
      expect((await process.get('/events', { key })).status).toBe(200);
    expect((await api.delete(`/api-keys/${id}`)).status).toBe(200);
    for (const process of [api, other])
      await eventually(async () => (await process.get('/events', { key })).status === 401, {
        timeoutMs: 1_000,
      });
    expect((await api.delete(`/api-keys/${id}`)).body).toMatchObject({
      id,
      stream_version: expect.any(Number) as number,
    });
  });

  test('ends the event stream that it opened', async () => {
    const { id, secret } = await issue('viewer', 'streaming');
    const response = await fetch(new URL('/api/v1/events', api.address), {
      headers: { authorization: `Bearer ${secret}`, accept: 'text/event-stream' },
    });
    expect(response.status).toBe(200);
    let isOver = false;
    const reading = (async () => {
      for await (const _ of response.body!);
      isOver = true;
    })();
    await other.delete(`/api-keys/${id}`);
    await eventually(() => isOver, { timeoutMs: 1_000 });
    await reading;
  });

  test('that there never was is not found', async () =>
    expect(await api.delete('/api-keys/01940000-0000-7000-8000-000000000000')).toMatchObject({
      status: 404,
      body: { code: 'key_not_found' },
    }));
});

test('a key is good until it expires', async () => {
  const expires_at = new Date(Date.now() + 500).toISOString();
  const issued = await api.post('/api-keys', { subject: 'expired', role: 'viewer', expires_at });
  expect(issued).toMatchObject({ status: 201, body: { expires_at } });
  const key = String(issued.body['secret']);
  await eventually(async () => (await api.get('/events', { key })).status === 401);
});

describe('keys are listed', () => {
  test('page by page, without their secrets', async () => {
    const first = await api.get('/api-keys?page_size=2');
    expect(first.body['items'] as unknown as object[]).toHaveLength(2);
    const token = String(first.body['next_page_token']);
    const second = await api.get(`/api-keys?page_size=1000&page_token=${token}`);
    const total = Number(first.body['total_count']);
    expect(second.body['items'] as unknown as object[]).toHaveLength(total - 2);
    expect(second.body['next_page_token'] as unknown).toBeNull();
    expect(first.text + second.text).not.toMatch(/mlk_|secret|sha256/);
  });
});

describe('another tenant', () => {
  let key: string;
  beforeAll(async () => {
    key = await otherTenantKey(api, 'acme', 'admin');
  });

  test('has names of its own', async () => {
    const theirs = await api.post('/models', { name: 'known' }, { key });
    expect(theirs).toMatchObject({ status: 201, body: { serial: 1 } });
    const ours = await api.patch('/models/known', {});
    expect(theirs.body['id'] as unknown).not.toBe(ours.body['id']);
  });

  test('finds nothing of the first by name, id, serial, event, deployment or key', async () => {
    const secretName = await api.post('/models', { name: 'only ours', owner: 'hidden-owner' });
    const id = String(secretName.body['id']);
    const serial = String(secretName.body['serial']);
    await api.post(`/models/${id}/versions`, {});
    const deployment = await api.post(`/models/${id}/versions/1/deployments`, {
      environment: 'eu',
    });
    const ours = await api.get(`/events?model=${id}`);
    const [event] = ours.body['items'] as unknown as { id: string }[];
    const ourKey = await issue('viewer', 'ours');
    const asked = [
      api.patch(`/models/${encodeURIComponent('only ours')}`, {}, { key }),
      api.patch(`/models/${id}`, {}, { key }),
      api.patch(`/models/${serial}`, {}, { key }),
      api.post(`/models/${id}/versions`, {}, { key }),
      api.post(`/models/${id}/versions/1/archive`, {}, { key }),
      api.post(`/deployments/${String(deployment.body['id'])}/undeploy`, {}, { key }),
      api.post(
        `/deployments/${String(deployment.body['id'])}/status`,
        { status: 'failed' },
        { key },
      ),
      api.get(`/events/${event!.id}`, { key }),
      api.delete(`/api-keys/${ourKey.id}`, { key }),
    ];
    for (const answer of await Promise.all(asked)) {
      expect(answer.status).toBe(404);
      expect(answer.text).not.toContain('hidden-owner');
    }
    const log = await api.get(`/events?limit=1000&model=${id}`, { key });
    expect(log).toMatchObject({ status: 200, body: { items: [] } });
    const all = await api.get('/events?limit=1000', { key });
    const items = all.body['items'] as unknown as { tenant: string }[];
    expect(items.length).toBeGreaterThan(0);
    expect(items.filter(({ tenant }) => tenant !== 'acme')).toEqual([]);
    expect((await api.get('/api-keys', { key })).text).not.toContain(ourKey.id);
    expect((await api.get('/events', { key: ourKey.secret })).status).toBe(200);
  });

  test("uses the first's Idempotency-Key as its own", async () => {
    const headers = { 'idempotency-key': 'between tenants' };
    expect((await api.post('/models', { name: 'mine' }, { headers })).status).toBe(201);
    expect((await api.post('/models', { name: 'theirs' }, { headers, key })).status).toBe(201);
  });
});

describe('who is no admin', () => {
  test('sees no event of keys', async () => {
    const { secret: key } = await issue('approver', 'curious');
    const { body } = await api.get('/events?limit=1000', { key });
    const items = body['items'] as unknown as { type: string }[];
    expect(items.length).toBeGreaterThan(0);
    expect(items.filter(({ type }) => !/^(model|version|default|deployment)\./.test(type))).toEqual(
      [],
    );
    const all = await api.get('/events?type=api_key.issued');
    const [issued] = all.body['items'] as unknown as { id: string }[];
    expect((await api.get(`/events/${issued!.id}`)).status).toBe(200);
    expect((await api.get(`/events/${issued!.id}`, { key })).status).toBe(404);
    expect((await api.get('/events?type=api_key.issued', { key })).body).toMatchObject({
      items: [],
    });
  });
});

/** What a process says and logs whose database is cut off while it is asked. */
async function askWithoutDatabase(key: string) {
  const { proxy, url } = await proxyDatabase(opened.databaseUrl);
  const cut = await openApi(url);
  const texts: string[] = [];
  try {
    expect((await cut.get('/events', { key })).status).toBe(200);
    proxy.set({ fault: 'cut' });
    for (const asked of [
      cut.post('/models', { name: 'unheard' }, { key }),
      cut.patch('/models/unknown', {}, { key }),
      cut.get('/events', { key }),
      cut.get('/events', { key: adminKey }),
    ]) {
      const { status, headers, text, body } = await asked;
      texts.push(text);
      expect(status).toBe(503);
      expect(headers['retry-after']).toBe('1');
      expect(['overloaded', 'in_doubt']).toContain(body.code);
      expect(text).not.toMatch(/ECONN|127\.0\.0\.1|select|postgres/i);
    }
    expect(proxy.struck()).toBeGreaterThan(0);
    proxy.set({ fault: 'none' });
    await eventually(async () => (await cut.get('/events', { key })).status === 200);
  } finally {
    await cut.close();
    await proxy.close();
  }
  return { logLines: cut.logLines, texts };
}

test('no secret stands in any log line, event, row or other answer', async () => {
  const { secret } = await issue('producer', 'secretive');
  const headers = { 'idempotency-key': 'secretive' };
  const answers = [
    await api.post('/models', { name: 'secretive' }, { key: secret, headers }),
    await api.post('/models', { name: 'secretive' }, { key: secret }),
    await api.post('/models', '{"name":', { key: secret }),
    await api.post('/models', { name: 7 }, { key: secret }),
    await api.get('/nowhere', { key: secret }),
    await api.get('/events/x', { key: secret }),
    await api.post('/api-keys', { subject: 'x', role: 'admin' }, { key: secret }),
    await api.get('/events?limit=1000'),
    await api.get('/api-keys?page_size=1000'),
    await api.ask('GET', '/metrics'),
    await api.ask('GET', '/openapi.json'),
  ];
  const failing = await askWithoutDatabase(secret);
  expect(failing.logLines.filter((line) => line.includes('request failed'))).not.toEqual([]);
  const { rows } = await api.pool.query<{ row: string }>(
    `select e::text as row from log.events e union all select k::text from log.api_keys k
     union all select c::text from log.commands c`,
  );
  expect(rows.length).toBeGreaterThan(50);
  const everywhere = [
    ...answers.map(({ text }) => text),
    ...answers.map((answer) => JSON.stringify(answer.headers)),
    ...rows.map(({ row }) => row),
    ...api.logLines,
    ...other.logLines,
    ...failing.logLines,
    ...failing.texts,
  ];
  for (const hidden of [secret, adminKey])
    expect(everywhere.filter((text) => text.includes(hidden))).toEqual([]);
});

test('a role that was given is held by the next request, and one that was taken by none', async () => {
  const { secret: key } = await issue('member', 'just-joined');
  const register = (name: string) => api.post('/models', { name }, { key });
  const binding = { subject: 'just-joined', role: 'producer', scope: 'tenant' };
  for (let round = 0; round < 3; round++) {
    expect((await register(`joined-${round}`)).status).toBe(403);
    expect((await api.put('/role-bindings', binding)).status).toBe(200);
    expect((await register(`joined-${round}`)).status).toBe(201);
    const taken = new URLSearchParams(binding).toString();
    expect((await api.delete(`/role-bindings?${taken}`)).status).toBe(200);
  }
});
