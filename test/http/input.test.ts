// Bad input: every fault at once with its place, nothing dropped or coerced in silence, nothing odd gets through.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApis } from './api.ts';
import type { Answer, Api } from './api.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
beforeAll(async () => {
  opened = await openApis(1);
  api = opened.apis[0]!;
  await api.post('/models', { name: 'known' });
  await api.post('/models/known/versions', { label: 'v1' });
});
afterAll(() => opened.close());

const pointers = ({ body }: Answer) => (body.errors ?? []).map(({ pointer }) => pointer);
const head = async () => Number((await api.get('/events?limit=1')).headers['x-position']);
const lone = '\\ud800';

test('a problem is a problem document, and no cache keeps it', async () => {
  const { status, headers, body } = await api.post('/models/none/versions', {});
  expect(status).toBe(404);
  expect(headers).toMatchObject({
    'content-type': expect.stringMatching(/^application\/problem\+json/) as string,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  expect(body).toEqual({
    type: 'urn:modelog:problem:model_not_found',
    title: expect.any(String) as string,
    status: 404,
    code: 'model_not_found',
    model: 'none',
  });
});

describe('every fault is told at once', () => {
  test('of a body', async () => {
    const before = await head();
    const answer = await api.post('/models/known/versions', {
      label: '@champion',
      metrics: { accuracy: 'good' },
      eval_score: 1.5,
      size_bytes: -1,
      content_digest: { sha256: 'ABC', md5: 'x' },
      lineage: { data_versions: ['a', 7] },
      artifact_uri: '../model.onnx',
      stage: 'archived',
      colour: 'red',
      'a/b~c': 1,
    });
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid' } });
    expect(pointers(answer).toSorted()).toEqual(
      [
        '/a~1b~0c',
        '/artifact_uri',
        '/colour',
        '/content_digest/md5',
        '/content_digest/sha256',
        '/eval_score',
        '/label',
        '/lineage/data_versions/1',
        '/metrics/accuracy',
        '/size_bytes',
        '/stage',
      ].toSorted(),
    );
    expect(await head()).toBe(before);
  });

  test('of path, query and body together', async () => {
    const answer = await api.post('/models/a%2Fb/versions?hue=true', {
      colour: 'red',
      metadata: { note: 'a\u0000b' },
    });
    expect(answer.status).toBe(422);
    expect(pointers(answer).toSorted()).toEqual([
      '/colour',
      '/metadata/note',
      '/params/model',
      '?hue',
    ]);
  });

  test('but not more than anybody reads', async () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, nth) => [`field${nth}`, nth]));
    const answer = await api.post('/models', { name: 'many', ...many });
    expect(answer.status).toBe(422);
    expect(pointers(answer).length).toBe(50);
  });
});

describe('what is not known is named', () => {
  test.each(['GET', 'POST'])('a query parameter of %s', async (method) => {
    const path = method === 'GET' ? '/events?after=0&limits=5' : '/models?as_of=3';
    const body = method === 'GET' ? undefined : { name: 'query' };
    const answer = await api.ask(method, `/api/v1${path}`, { body });
    expect(answer.status).toBe(422);
    expect(pointers(answer)).toEqual([method === 'GET' ? '?limits' : '?as_of']);
  });

  test('a key that JavaScript takes for more, wherever it stands', async () => {
    for (const body of [
      '{"name": "proto", "__proto__": {"admin": true}}',
      '{"name": "proto", "tags": {"__proto__": "x"}}',
      '{"name": "proto", "metadata": {"deep": {"__proto__": 1}}}',
    ]) {
      const answer = await api.post('/models', body);
      expect(answer.status, body).toBe(422);
      expect(pointers(answer)[0]).toMatch(/__proto__$/);
    }
    const constructor = { name: 'constructor', metadata: { constructor: { prototype: 1 } } };
    expect(await api.post('/models', constructor)).toMatchObject({
      status: 201,
      body: { metadata: constructor.metadata },
    });
  });
});

describe('nothing is coerced', () => {
  test.each([
    [{ name: 7 }, '/name'],
    [{ name: null }, '/name'],
    [{ name: ['a'] }, '/name'],
    [{ name: 'coerced', owner: 7 }, '/owner'],
    [{ name: 'coerced', owner: '' }, '/owner'],
    [{ name: 'coerced', tags: { tier: 7 } }, '/tags/tier'],
    [{ name: 'coerced', tags: ['gold'] }, '/tags'],
    [{ name: 'coerced', metadata: 'x' }, '/metadata'],
    [[], ''],
    ['"text"', ''],
    ['7', ''],
    ['null', ''],
    [undefined, ''],
  ])('body %j', async (body, pointer) => {
    const answer = await api.post('/models', body);
    expect(answer.status).toBe(422);
    expect(pointers(answer)).toEqual([pointer]);
  });

  test.each(['', ' 5', '0x10', '1e3', '-1', '1.5', 'abc', '99999999999999999999', 'Infinity'])(
    'position "%s"',
    async (after) => {
      const answer = await api.get(`/events?after=${encodeURIComponent(after)}`);
      expect(answer.status).toBe(422);
      expect(pointers(answer)).toEqual(['?after']);
    },
  );

  test.each(['0', '1001', 'many', ''])('limit "%s"', async (limit) =>
    expect((await api.get(`/events?limit=${limit}`)).status).toBe(422),
  );

  test('a parameter that comes twice', async () =>
    expect((await api.get('/events?after=1&after=2')).status).toBe(422));
});

describe('null is not the same as nothing', () => {
  test('in a new model both are nothing', async () => {
    const answer = await api.post('/models', { name: 'nothing', owner: null });
    expect(answer.body).toMatchObject({ owner: null, team: null });
  });

  test('in a change null clears, and what is absent stays', async () => {
    await api.post('/models', { name: 'cleared', owner: 'zoë', team: 'growth', tags: { a: '1' } });
    expect((await api.patch('/models/cleared', { owner: null })).body).toMatchObject({
      owner: null,
      team: 'growth',
      tags: { a: '1' },
    });
    expect((await api.patch('/models/cleared', { tags: { a: null, b: '2' } })).body).toMatchObject({
      tags: { b: '2' },
    });
    expect((await api.patch('/models/cleared', { tags: null })).body).toMatchObject({ tags: {} });
  });

  test.each(['stage', 'readiness', 'is_default'])('%s cannot be null', async (field) =>
    expect(pointers(await api.post('/models/known/versions', { [field]: null }))).toEqual([
      `/${field}`,
    ]),
  );
});

describe('text that cannot be kept is refused', () => {
  test.each([
    ['a NUL in a name', '{"name": "a\\u0000b"}', '/name'],
    [
      'a NUL in free JSON',
      '{"name": "nul", "metadata": {"deep": ["a\\u0000b"]}}',
      '/metadata/deep/0',
    ],
    ['a NUL in a key', '{"name": "nul", "metadata": {"a\\u0000b": 1}}', '/metadata'],
    ['half a character', `{"name": "half", "description": "a${lone}"}`, '/description'],
    ['half a character in a key', `{"name": "half", "tags": {"${lone}": "x"}}`, '/tags'],
  ])('%s', async (_, body, pointer) => {
    const answer = await api.post('/models', body);
    expect(answer.status).toBe(422);
    expect(pointers(answer)).toContain(pointer);
  });

  test.each(['content-length', 'chunked'])('bytes that are no UTF-8, %s', async (length) => {
    const bytes = Buffer.concat([
      Buffer.from('{"name": "bytes'),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ]);
    const headers = length === 'chunked' ? { 'transfer-encoding': 'chunked' } : undefined;
    const answer = await api.ask('POST', '/api/v1/models', {
      body: bytes,
      ...(headers && { headers }),
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'malformed' } });
  });

  test('and all other text is kept as it is', async () => {
    const description = 'größe 模型 😀 \u200f \\ " \n\t';
    const { body } = await api.post('/models', { name: 'größe 模型 😀', description });
    expect(body).toMatchObject({ name: 'größe 模型 😀', description });
    const read = await api.patch(`/models/${encodeURIComponent('größe 模型 😀')}`, {});
    expect(read.body).toMatchObject({ description });
  });
});

describe('numbers that cannot be kept are refused', () => {
  test.each([
    ['1e400', '/metadata/n'],
    ['-1e400', '/metadata/n'],
  ])('%s in free JSON', async (number, pointer) =>
    expect(
      pointers(await api.post('/models', `{"name": "huge", "metadata": {"n": ${number}}}`)),
    ).toEqual([pointer]),
  );

  test.each(['9007199254740993', '1e300', '1.5', '-1'])('%s bytes', async (size) =>
    expect(pointers(await api.post('/models/known/versions', `{"size_bytes": ${size}}`))).toEqual([
      '/size_bytes',
    ]),
  );

  test.each(['99999999999999999999999999', '2147483648', '0', '-0'])(
    'as a serial or a number in a path: %s',
    async (number) => {
      expect((await api.patch(`/models/${number}`, {})).status).toBe(404);
      expect((await api.post(`/models/known/versions/${number}/test`, {})).status).toBe(404);
    },
  );

  test.each([
    '0000-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '2026-02-30T00:00:00Z',
    '2026-01-01',
    '2026-01-01T00:00:00',
    '+12026-01-01T00:00:00Z',
    'tomorrow',
  ])('time %s', async (time) => {
    const issue = { subject: 'time', role: 'viewer', expires_at: time };
    expect(pointers(await api.post('/api-keys', issue))).toEqual(['/expires_at']);
    const deprecate = { sunset_at: time };
    expect((await api.post('/models/known/versions/v1/deprecate', deprecate)).status).toBe(422);
  });

  test('and a time of any offset is kept in UTC', async () => {
    const issue = { subject: 'time', role: 'viewer', expires_at: '2036-01-01T00:30:00+23:00' };
    const { status, body } = await api.post('/api-keys', issue);
    expect({ status, at: body['expires_at'] }).toEqual({
      status: 201,
      at: '2035-12-31T01:30:00.000Z',
    });
  });
});

describe('a body is refused', () => {
  const nested = (depth: number) =>
    `{"name":"deep","metadata":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`;

  test('when it is nested too deep, however deep', async () => {
    expect((await api.post('/models', nested(20))).status).toBe(201);
    for (const depth of [40, 200_000]) {
      const answer = await api.post('/models', nested(depth));
      expect(answer.status).toBe(422);
      expect(answer.body.errors![0]!.message).toMatch(/nested/);
    }
  });

  test('when it is too large, announced or not', async () => {
    const body = JSON.stringify({ name: 'large', description: 'x'.repeat(700 * 1024) });
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await api.post('/models', body, { headers, body });
      expect(answer).toMatchObject({ status: 413, body: { code: 'too_large' } });
    }
  });

  test('when an event would be too large, announced or not', async () => {
    const text = JSON.stringify({ name: 'large', metadata: { x: 'x'.repeat(600 * 1024) } });
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await api.post('/models', text, { headers });
      expect(answer).toMatchObject({ status: 413, body: { code: 'too_large' } });
    }
    // the change and what it was are one event
    const half = { metadata: { x: 'x'.repeat(300 * 1024) } };
    expect((await api.post('/models', { name: 'half', ...half })).status).toBe(201);
    expect(
      (await api.patch('/models/half', { metadata: { x: 'y'.repeat(300 * 1024) } })).status,
    ).toBe(413);
  });

  test.each([
    '{"name": ',
    "{'name': 'x'}",
    '{"name": "x",}',
    'name=x',
    '{"name": NaN}',
    '\ufeff{"name": "bom"}',
    '{"name": "x"} trailing',
  ])('when it is no JSON: %s', async (body) =>
    expect(await api.post('/models', body)).toMatchObject({
      status: 400,
      body: { code: 'malformed' },
    }),
  );

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'nonsense',
    'application/json-seq',
  ])('when it is of another type: %s', async (type) =>
    expect(
      await api.post('/models', '{"name": "type"}', { headers: { 'content-type': type } }),
    ).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } }),
  );

  test('but not for the parameters of its type', async () =>
    expect(
      (
        await api.post(
          '/models',
          { name: 'type' },
          { headers: { 'content-type': 'application/json; charset=utf-8' } },
        )
      ).status,
    ).toBe(201));
});

test('a step that needs no body takes none, null and an empty object alike', async () => {
  await api.post('/models', { name: 'bodies' });
  await api.post('/models/bodies/versions', {});
  for (const body of [undefined, 'null', '{}', ''])
    expect((await api.post('/models/bodies/versions/1/test', body)).status, body).toBe(200);
});

describe('names that mean something else are refused', () => {
  test.each([
    '42',
    'archive',
    'name',
    'register',
    'transition',
    '01940000-0000-7000-8000-000000000000',
  ])('%s', async (name) =>
    expect(await api.post('/models', { name })).toMatchObject({
      status: 422,
      body: { code: 'reserved_name', errors: [{ pointer: '/name' }] },
    }),
  );

  test.each(['a/b', ' a', 'schön'.normalize('NFD'), 'x'.repeat(257), ''])('%j', async (name) =>
    expect(await api.post('/models', { name })).toMatchObject({
      status: 422,
      body: { code: 'invalid', errors: [{ pointer: '/name' }] },
    }),
  );
});

test.each(['.', '..'])('what clients take out of a path is no name: %s', async (name) => {
  expect(await api.post('/models', { name })).toMatchObject({
    status: 422,
    body: { code: 'reserved_name' },
  });
  expect(await api.post('/models/known/versions', { label: name })).toMatchObject({ status: 422 });
});

test.each([' production', 'a\nb'])('what people filter by is one line: %j', async (environment) => {
  const asked = { environment, status: 'deployed' };
  const answer = await api.post('/models/known/versions/v1/deployments', asked);
  expect([answer.status, pointers(answer)]).toEqual([422, ['/environment']]);
});

test('a whole number with more digits than are kept is refused, and a large one that is kept is not', async () => {
  const asked = (seed: string) =>
    api.post('/models/known/versions', `{"hyperparameters": {"a/b": [1, {"seed": ${seed}}]}}`);
  const lossy = await asked('12345678901234567890');
  expect([lossy.status, pointers(lossy)]).toEqual([422, ['/hyperparameters/a~1b/1/seed']]);
  for (const [seed, kept] of [
    ['9007199254740993.0', 9007199254740992],
    ['1e300', 1e300],
    ['9007199254740992', 9007199254740992],
  ] as const) {
    const { status, body } = await asked(seed);
    expect(status).toBe(201);
    expect(body['hyperparameters']).toEqual({ 'a/b': [1, { seed: kept }] });
  }
});

test('what is not there is needed, whatever it may be', async () => {
  const asked = { model_name: 'known', environment: 'production' };
  expect(await api.post('/deploy', asked)).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: '/version', message: 'is needed' }] },
  });
});

test('what is of another type is not measured', async () => {
  const { body } = await api.post('/models', { name: 'typed', team: [] });
  expect(body.errors).toHaveLength(1);
});

test('a query that is no UTF-8 is not read as another', async () => {
  for (const wrong of ['%zz', '%ff'])
    expect(await api.get(`/events?model=${wrong}`)).toMatchObject({
      status: 400,
      body: { code: 'malformed' },
    });
});

test('what is no HTTP request is answered by a problem document too', async () => {
  const answer = await api.get('/models/known/versions', {
    headers: { 'x-big': 'x'.repeat(20_000) },
  });
  expect(answer).toMatchObject({
    status: 431,
    headers: { 'content-type': 'application/problem+json' },
    body: { code: 'headers_too_large' },
  });
});

describe('a path is what it says', () => {
  test.each([
    ['/api/v1/models/..%2F..%2Fetc/versions', 422],
    ['/api/v1/models/a%2Fb/versions', 422],
    ['/api/v1/models/a%00b/versions', 422],
    ['/api/v1/models/%0a/versions', 422],
    ['/api/v1/models/%zz/versions', 400],
    ['/api/v1/models/%ff/versions', 400],
    ['/api/v1/models/../../../etc/passwd', 404],
    ['//api/v1/models', 404],
    ['/api/v1//models', 404],
    ['/api/v1/models/', 404],
    ['/api/v1/models;x', 404],
    ['/api/v1/models;x=1/known/versions', 404],
    [`/api/v1/models/${'x'.repeat(600)}/versions`, 422],
    [`/api/v1/models/${'x'.repeat(1_100)}/versions`, 404],
  ])('%s', async (path, status) => {
    const before = await head();
    const answer = await api.ask('POST', path, { body: { name: 'path' } });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.text).not.toMatch(/etc|passwd|url component|at .*\.ts/);
    expect(await head()).toBe(before);
  });

  test.each(['/api/v1/models/%zz', `/api/v1/models/${'x'.repeat(1_100)}`])(
    'and tells a stranger nothing: %s',
    async (path) => {
      const answer = await api.ask('GET', path, { key: null });
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    },
  );
});
