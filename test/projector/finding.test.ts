// Versions named by themselves and listed over all models, a model by its name alone, by its stage, and what is deleted.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

let names = 0;
async function aModel(facts: object = {}) {
  const { body } = await registry.post('/models', { name: `model-${++names}`, ...facts });
  return body as unknown as { id: string; serial: number; name: string };
}
type Made = { id: string; serial: number; number: number; label: string };
async function aVersion(model_id: string | number, facts: object = {}): Promise<Made> {
  const { status, body } = await registry.post('/versions', { model_id, ...facts });
  expect(status, JSON.stringify(body)).toBe(201);
  return body as unknown as Made;
}
const itemsOf = ({ body }: Answer) => body['items'] as unknown as { id: string }[];
const idsOf = (answer: Answer) => {
  expect(answer.body['total_count']).toBe(itemsOf(answer).length);
  return itemsOf(answer).map(({ id }) => id);
};

test('a version is added to the model that the body names by id, serial or name', async () => {
  const model = await aModel();
  const byId = await aVersion(model.id);
  const bySerial = await aVersion(model.serial);
  const bySerialAsText = await aVersion(String(model.serial));
  const byName = await registry.post('/versions', { model_name: model.name, version: 'v4' });
  expect([byId, bySerial, bySerialAsText].map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(byName).toMatchObject({ status: 201, body: { model_id: model.id, number: 4 } });
  expect(byName.body).toMatchObject({ label: 'v4', version: 'v4' });
});

test('no name stands for an id, and the model must be named', async () => {
  const { name } = await aModel();
  for (const [body, pointer] of [
    [{ model_id: name }, '/model_id'],
    [{ model_id: 0 }, '/model_id'],
    [{ label: 'v1' }, '/model'],
  ] as const)
    expect(await registry.post('/versions', body)).toMatchObject({
      status: 422,
      body: { errors: [{ pointer }] },
    });
  expect(await registry.post('/versions', { model_id: 999_999 })).toMatchObject({
    status: 404,
    body: { code: 'model_not_found', model: '999999' },
  });
});

test('a version is found by its id and by its serial, at both bases', async () => {
  const made = await aVersion((await aModel()).id, { label: 'v1', accuracy: 0.9 });
  for (const name of [made.id, made.serial, made.id.toUpperCase()]) {
    const { status, headers, body } = await registry.get(`/versions/${name}`);
    expect({ status, body }).toEqual({ status: 200, body: made });
    expect(headers.get('etag')).toBe('"3"');
    expect((await registry.bare('GET', `/versions/${name}`)).body).toEqual(made);
  }
  for (const [name, status] of [
    ['01940000-0000-7000-8000-000000000000', 404],
    ['999999', 404],
    ['v1', 422],
  ] as const)
    expect((await registry.get(`/versions/${name}`)).status).toBe(status);
});

test('versions of all models are listed, the newest first, by model, status, stage and default', async () => {
  const one = await aModel();
  const other = await aModel();
  const first = await aVersion(one.id);
  const second = await aVersion(other.id, { stage: 'production' });
  const third = await aVersion(one.id);
  const all = await registry.get('/versions?page_size=3');
  expect(itemsOf(all).map(({ id }) => id)).toEqual([third.id, second.id, first.id]);
  const next = await registry.get(
    `/versions?page_size=1&page_token=${all.body['next_page_token']}`,
  );
  expect(itemsOf(next)[0]!.id < first.id).toBe(true);
  const list = async (query: string) => idsOf(await registry.get(`/versions?${query}`));
  expect(await list(`model_id=${one.id}`)).toEqual([third.id, first.id]);
  expect(await list(`model_id=${one.serial}&is_default=true`)).toEqual([first.id]);
  expect(await list(`model_id=${other.id}&stage=production`)).toEqual([second.id]);
  expect(await list(`model_id=${one.id}&status=approved`)).toEqual([]);
  const { position } = third as unknown as { position: number };
  await registry.post(`/versions`, { model_id: one.id });
  expect(await list(`model_id=${one.id}&as_of=${position}`)).toEqual([third.id, first.id]);
  expect((await registry.get(`/versions/${first.id}?as_of=${position}`)).body).toMatchObject({
    id: first.id,
  });
  expect((await registry.get(`/versions?model_id=${one.name}`)).status).toBe(422);
  expect((await registry.get('/versions?model_id=999999')).body['code']).toBe('model_not_found');
});

test('a model is found by its name, and by nothing else there', async () => {
  const model = await aModel();
  const read = await registry.get(`/models/${model.id}`);
  for (const answer of [
    await registry.get(`/models/name/${model.name}`),
    await registry.bare('GET', `/models/name/${model.name}`),
  ])
    expect(answer).toMatchObject({ status: 200, body: read.body });
  for (const name of [model.id, model.serial, 'nobody'])
    expect(await registry.get(`/models/name/${name}`)).toMatchObject({
      status: 404,
      body: { code: 'model_not_found', model: String(name) },
    });
});

test('with a stage a model is shown with the version that came there last', async () => {
  const { name, id } = await aModel();
  const inStage = (stage: string) => registry.get(`/models/${name}?stage=${stage}`);
  expect(await inStage('production')).toMatchObject({
    status: 404,
    body: { code: 'no_version_in_stage', model: name, stage: 'production' },
  });
  await aVersion(id, { label: 'v1' });
  await aVersion(id, { label: 'v2' });
  await aVersion(id);
  expect((await inStage('development')).body).toMatchObject({ number: 3, version: '3' });
  for (const version of ['v2', 'v1'])
    await registry.post(`/models/${name}/versions/${version}/promote`, { to_stage: 'staging' });
  const { status, headers, body } = await inStage('staging');
  const model = (await registry.get(`/models/${name}`)).body;
  const version = (await registry.get(`/models/${name}/versions/1`)).body;
  expect(status).toBe(200);
  expect(body).toEqual({
    ...model,
    stage: 'staging',
    number: 1,
    version: 'v1',
    model_version: version,
  });
  expect(headers.get('etag')).toBe(`"${model['stream_version']}"`);
  expect((await inStage('staging')).body).toEqual(body);
  const { position } = model as unknown as { position: number };
  await registry.post(`/models/${name}/versions/v1/demote`, {});
  expect((await inStage('staging')).body).toMatchObject({ number: 2, version: 'v2' });
  expect((await inStage(`staging&as_of=${position}`)).body).toEqual(body);
  expect((await inStage('shelf')).status).toBe(422);
  expect((await registry.get('/models/nobody?stage=staging')).body['code']).toBe('model_not_found');
});

test('what is deleted is shown by its id, and is in no list and no count', async () => {
  const facts = { framework: 'onnx', team: 'gone' };
  const [kept, gone] = [await aModel(facts), await aModel(facts)];
  const version = await aVersion(gone.id);
  const dropped = await aVersion(kept.id);
  await registry.call('DELETE', `/versions/${dropped.id}`);
  await registry.call('DELETE', `/models/${gone.id}`);
  expect((await registry.get(`/models/${gone.id}`)).body).toMatchObject({ state: 'deleted' });
  expect((await registry.get(`/models/${gone.name}`)).status).toBe(404);
  for (const query of ['framework=onnx', 'team=gone', 'team=gone&framework=onnx'])
    expect(idsOf(await registry.get(`/models?${query}`)), query).toEqual([kept.id]);
  const listed = await registry.get('/models?page_size=1000');
  expect(idsOf(listed)).not.toContain(gone.id);
  for (const query of ['stage=development', 'status=training', 'is_default=true'])
    expect(idsOf(await registry.get(`/versions?${query}&page_size=1000`))).not.toContain(
      version.id,
    );
  for (const path of ['/versions', `/models/${kept.name}/versions`]) {
    const ids = idsOf(await registry.get(`${path}?page_size=1000`));
    expect(ids).not.toContain(version.id);
    expect(ids).not.toContain(dropped.id);
  }
  const { deleted_at } = (await registry.get(`/versions/${dropped.id}`)).body;
  expect(deleted_at).toEqual(expect.any(String));
  expect((await registry.get(`/models/${kept.name}/versions/1`)).status).toBe(404);
  expect((await registry.get(`/models/${kept.name}/versions/${dropped.id}`)).body).toMatchObject({
    deleted_at,
  });
});
