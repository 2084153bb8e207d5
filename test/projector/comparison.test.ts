// Versions side by side over HTTP, by the ways in which the documents ask.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveRegistry } from './served.ts';
import type { ServedRegistry } from './served.ts';

let registry: ServedRegistry;
const path = '/models/vision-classification';
beforeAll(async () => {
  registry = await serveRegistry();
  await registry.post('/models', { name: 'vision-classification' });
  for (const [n, label] of ['1.0.0', '1.1.0', '1.2,0'].entries())
    await registry.post(`${path}/versions`, {
      label,
      metrics: { accuracy: 0.9 + n / 100, latency_ms: 10 + n },
      hyperparameters: { optimizer: { name: 'adam', rate: n / 10 } },
    });
});
afterAll(() => registry.stop());

const compare = async (query: string) => await registry.get(`${path}/compare?${query}`);

test('two versions are named as document [4] does, or by a list', async () => {
  const answer = await compare('version1=2&version2=3');
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({
    model_name: 'vision-classification',
    versions: [
      { number: 2, label: '1.1.0', version: '1.1.0', stage: 'development' },
      { number: 3, label: '1.2,0' },
    ],
    metrics: [
      { name: 'accuracy', values: { 2: 0.91, 3: 0.92 }, differences: { 3: 0.01 }, best: [3] },
      { name: 'latency_ms', better: 'lower', best: [2] },
    ],
    hyperparameters: [
      { field: '/optimizer/name', change: 'same' },
      { field: '/optimizer/rate', change: 'changed', values: { 2: 0.1, 3: 0.2 } },
    ],
    champion: { by: null, outcome: 'mixed', version: null },
    stream_version: 5,
  });
  expect(answer.headers.get('etag')).toBe('"5"');
  expect((await compare('versions=2,3')).body).toEqual(answer.body);
  expect((await registry.bare('GET', `${path}/compare?versions=2,3`)).body).toEqual(answer.body);
});

test('versions are named in every way, and more than two are compared at once', async () => {
  const id = (await registry.get(`${path}/versions/1`)).body['id'] as unknown as string;
  const all = await compare(`versions=${id},1.1.0,latest&metric=accuracy`);
  expect(all.body).toMatchObject({
    versions: [{ number: 1 }, { number: 2 }, { number: 3 }],
    champion: { by: 'accuracy', outcome: 'won', version: { number: 3 } },
  });
  const withComma = await compare(`version1=default&version2=${encodeURIComponent('1.2,0')}`);
  expect(withComma.body).toMatchObject({ versions: [{ number: 1 }, { number: 3 }] });
});

test('the caller says what is better', async () => {
  const { body } = await compare('versions=1,3&metric=accuracy:min&metric=latency_ms:max');
  expect(body).toMatchObject({
    metrics: [
      { name: 'accuracy', better: 'lower', best: [1] },
      { name: 'latency_ms', better: 'higher', best: [3] },
    ],
    champion: { by: 'accuracy', version: { number: 1 } },
  });
});

test('a change of the model is seen by the next comparison', async () => {
  const before = await compare('versions=1,2');
  await registry.post(`${path}/versions/1/approve`, {});
  const { body } = await compare('versions=1,2');
  expect(body).toMatchObject({ versions: [{ readiness: 'approved' }, { readiness: 'training' }] });
  expect(body['stream_version']).not.toBe(before.body['stream_version']);
});

test('versions are compared as they were then', async () => {
  const then = await compare('versions=1,2');
  const position = then.headers.get('x-position')!;
  await registry.call('PATCH', `${path}/versions/2`, { metrics: { accuracy: 0.5 } });
  expect((await compare('versions=1,2')).body['metrics']).not.toEqual(then.body['metrics']);
  expect((await compare(`versions=1,2&as_of=${position}`)).body).toEqual(then.body);
});

test.each([
  ['', 422, '?versions'],
  ['versions=1', 422, '?versions'],
  ['versions=1,,2', 422, '?versions'],
  ['versions=1,2,3,4,5,6,7,8,9,10,11', 422, '?versions'],
  ['versions=1,1.0.0', 422, '?versions'],
  ['version1=1', 422, '?version2'],
  ['versions=1,2&version1=3', 422, '?versions'],
  ['versions=1,2&colour=red', 422, '?colour'],
  ['versions=1,9', 404, '"version":"9"'],
])('%j is answered %i and says %s', async (query, status, said) => {
  const answer = await compare(query);
  expect(answer.status).toBe(status);
  expect(JSON.stringify(answer.body)).toContain(said);
});
