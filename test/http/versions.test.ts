// A version is changed and deleted, named under its model or by itself: what a body may say, and what the answer shows.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bodyOf, openApis } from './api.ts';
import type { Answer, Api } from './api.ts';
import { typesOf } from './history.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
beforeAll(async () => {
  opened = await openApis(1);
  api = opened.apis[0]!;
});
afterAll(() => opened.close());

let names = 0;
/** A model's second version: the first is its default. */
async function aVersion(facts: object = {}) {
  const model = `versioned-${++names}`;
  await api.post('/models', { name: model });
  await api.post(`/models/${model}/versions`, { label: 'v1' });
  const made = await api.post(`/models/${model}/versions`, { label: 'v2', ...facts });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  return { model, path: `/models/${model}/versions/v2`, body: bodyOf(made) };
}

/** What happened once the model, its versions and its default were there. */
const happenedTo = async (model: string): Promise<string[]> => (await typesOf(api, model)).slice(4);

describe.each(['PATCH', 'PUT'])('%s of a version', (method) => {
  const change = (path: string, body: object): Promise<Answer> =>
    api.ask(method, `/api/v1${path}`, { body });

  test('is the same under its model, by its id and by its serial, with and without a prefix', async () => {
    const { path, body } = await aVersion();
    const ways = [
      `/api/v1${path}`,
      path,
      `/api/v1/versions/${String(body['id'])}`,
      `/versions/${String(body['serial'])}`,
    ];
    for (const [nth, way] of ways.entries())
      expect(await api.ask(method, way, { body: { eval_score: nth / 10 } })).toMatchObject({
        status: 200,
        body: { id: body['id'], number: 2, eval_score: nth / 10, stream_version: 5 + nth },
      });
  });

  test('leaves what is absent, clears by null, merges tags and metadata, and replaces metrics', async () => {
    const { path } = await aVersion({
      region: 'eu',
      cost_per_1k: 0.01,
      tags: { a: '1', b: '2' },
      metrics: { accuracy: 0.9, auc: 0.8 },
    });
    const changed = await change(path, {
      description: 'better',
      cost_per_1k: null,
      slo_ok: true,
      tags: { b: null },
      metrics: { accuracy: 0.95 },
    });
    expect(changed).toMatchObject({
      status: 200,
      body: {
        description: 'better',
        region: 'eu',
        cost_per_1k: null,
        slo_ok: true,
        accuracy: 0.95,
      },
    });
    expect(bodyOf(changed)).toMatchObject({ metrics: { accuracy: 0.95 }, tags: { a: '1' } });
    expect(bodyOf(changed)['metrics']).not.toHaveProperty('auc');
  });

  test('changes single metrics by the names of the document, and leaves the others', async () => {
    const { path } = await aVersion({ metrics: { accuracy: 0.9, auc: 0.8 } });
    const changed = await change(path, { accuracy: 0.95, mAP: 0.7 });
    expect(bodyOf(changed)).toMatchObject({
      accuracy: 0.95,
      metrics: { accuracy: 0.95, auc: 0.8, mAP: 0.7 },
    });
    const cleared = await change(path, { mAP: null, recall: null });
    expect(bodyOf(cleared)['metrics']).toEqual({ accuracy: 0.95, auc: 0.8 });
    expect(await change(path, { accuracy: 0.5, metrics: { accuracy: 0.6 } })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/accuracy' }] },
    });
    expect(await change(path, { accuracy: 'good' })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/accuracy', message: 'must be a finite number' }] },
    });
  });

  test('changes it and makes it the default in one append', async () => {
    const { model, path } = await aVersion();
    const changed = await change(path, { release_notes: 'new', is_default: true });
    expect(changed).toMatchObject({ status: 200, body: { number: 2, is_default: true } });
    expect(await happenedTo(model)).toEqual(['version.updated', 'default.changed']);
    expect(await change(path, { is_default: false })).toMatchObject({
      status: 422,
      body: { code: 'immutable', fields: ['is_default'] },
    });
  });

  test('says a version by its number as well as by its label', async () => {
    const { model, path } = await aVersion();
    for (const version of [2, '2', 'v2'])
      expect(await change(path, { version })).toMatchObject({ status: 200 });
    expect(await change(path, { version: 1 })).toMatchObject({
      status: 422,
      body: { code: 'immutable', fields: ['version'] },
    });
    expect(await happenedTo(model)).toEqual([]);
  });

  test('says which calls change what it may not', async () => {
    const { path } = await aVersion();
    expect(await change(path, { status: 'approved' })).toMatchObject({
      status: 422,
      body: { code: 'immutable', fields: ['status'], changed_by: { status: expect.any(Array) } },
    });
  });

  test('tells a metric without a split from metrics by split', async () => {
    const { path } = await aVersion();
    expect(
      await change(path, { metrics: { test: { accuracy: 0.9 } }, f1_score: 0.3 }),
    ).toMatchObject({
      status: 422,
      body: {
        errors: [
          {
            pointer: '/f1_score',
            message: 'has no split, so it is not changed beside metrics by split',
          },
        ],
      },
    });
  });

  test('of all that was read changes nothing, whatever splits its metrics have', async () => {
    const { model, path, body } = await aVersion({
      content_digest: { sha256: 'a'.repeat(64) },
      artifact_uri: 's3://models/one',
      metrics: { test: { accuracy: 0.9 }, training: { accuracy: 0.99, loss: 0.1 } },
      evaluated_at: '2026-01-01T00:00:00+02:00',
      signature: { input_shape: [1, 2] },
      lineage: { data_versions: ['d1'] },
      tags: { a: 'b' },
      metadata: { c: [] },
    });
    expect(await change(path, body)).toMatchObject({ status: 200, body });
    expect(await happenedTo(model)).toEqual([]);
  });

  test('refuses a stage, and names the steps that lead there', async () => {
    const { model, path } = await aVersion();
    const refused = await change(path, { stage: 'production', description: 'never' });
    expect(refused).toMatchObject({ status: 422, body: { code: 'immutable', fields: ['stage'] } });
    expect(bodyOf(refused)['changed_by']).toMatchObject({
      stage: expect.arrayContaining(['promote']) as unknown,
    });
    expect(await change(path, { stage: 'development' })).toMatchObject({ status: 200 });
    expect(await happenedTo(model)).toEqual([]);
  });

  test.each([
    [{ label: 'v3' }, 'label'],
    [{ version: 'v3' }, 'version'],
    [{ hash: 'b'.repeat(64) }, 'hash'],
    [{ content_digest: null }, 'content_digest'],
    [{ artifact_uri: 's3://elsewhere' }, 'artifact_uri'],
    [{ storage_uri: 's3://elsewhere' }, 'artifact_uri'],
    [{ data_version: 'other' }, 'data_version'],
    [{ code_version: 'other' }, 'code_version'],
    [{ model_id: 99_999 }, 'model_id'],
  ])('refuses %j', async (body, field) => {
    const { path } = await aVersion({ content_digest: { sha256: 'a'.repeat(64) } });
    expect(await change(path, body)).toMatchObject({
      status: 422,
      body: { code: 'immutable', fields: [field] },
    });
  });

  test('finds no version that is not there', async () => {
    const { model } = await aVersion();
    for (const path of [
      `/models/${model}/versions/7`,
      '/versions/999999',
      '/versions/01940000-0000-7000-8000-000000000000',
    ])
      expect(await change(path, {})).toMatchObject({
        status: 404,
        body: { code: 'version_not_found' },
      });
    expect((await change('/versions/v1', {})).status).toBe(422);
  });
});

describe('a deleted version', () => {
  test('is answered as its tombstone, again and again, and takes no command', async () => {
    const { model, path, body } = await aVersion();
    const deleted = await api.delete(path, { body: { reason: 'wrong data' } });
    expect(deleted).toMatchObject({ status: 200, body: { id: body['id'], number: 2 } });
    expect(bodyOf(deleted)['deleted_at']).toBe(bodyOf(deleted)['updated_at']);
    for (const again of [
      path,
      `/models/${model}/versions/2`,
      `/versions/${String(body['id'])}`,
      `/versions/${String(body['serial'])}`,
    ])
      expect(await api.delete(again)).toMatchObject({ status: 200, body: deleted.body });
    for (const asked of [
      api.patch(path, {}),
      api.post(`${path}/promote`, { to_stage: 'staging' }),
      api.patch(`/versions/${String(body['id'])}`, {}),
    ])
      expect(await asked).toMatchObject({ status: 404, body: { code: 'version_not_found' } });
    expect(await happenedTo(model)).toEqual(['version.deleted']);
  });

  test('gives number and label to no other', async () => {
    const { model, path } = await aVersion({ content_digest: { sha256: 'c'.repeat(64) } });
    await api.delete(path);
    expect(await api.post(`/models/${model}/versions`, { label: 'v2' })).toMatchObject({
      status: 409,
      body: { code: 'version_exists', by: 'label' },
    });
    const bytes = { content_digest: { sha256: 'c'.repeat(64) } };
    expect(await api.post(`/models/${model}/versions`, bytes)).toMatchObject({
      status: 201,
      body: { number: 3 },
    });
  });

  test('hands the default on, and is none that somebody uses', async () => {
    const { model, path } = await aVersion();
    await api.delete(`/models/${model}/versions/v1`);
    expect(bodyOf(await api.patch(`/models/${model}`, {}))).toMatchObject({
      default_version: 2,
      version_count: 1,
      latest_version: 2,
    });
    await api.post(`${path}/promote`, { to_stage: 'production' });
    expect(await api.delete(path)).toMatchObject({
      status: 409,
      body: { code: 'in_use', blocking: [{ kind: 'production' }] },
    });
  });
});

test('a digest may be written in capitals, and is the same', async () => {
  const sha256 = 'ab'.repeat(32);
  const { model, body } = await aVersion({ content_digest: { sha256: sha256.toUpperCase() } });
  expect(body).toMatchObject({ hash: sha256 });
  expect(await api.post(`/models/${model}/versions`, { label: 'v3', hash: sha256 })).toMatchObject({
    status: 409,
  });
});

test.each(['/models/{model}/versions', '/versions', '/models/register'])(
  'who may not set the default does not set it with a new version: POST %s',
  async (path) => {
    const { model } = await aVersion();
    const issued = await api.post('/api-keys', { subject: 'makes-versions', role: 'producer' });
    const key = String(issued.body['secret']);
    const asked = { ...(path.includes('{') ? {} : { model_name: model }), label: 'v3' };
    const to = path.replace('{model}', model);
    expect(await api.post(to, { ...asked, is_default: true }, { key })).toMatchObject({
      status: 403,
      body: {
        required_permission: 'stage:change',
        required_role: expect.arrayContaining(['deployer']),
      },
    });
    expect(await happenedTo(model)).toEqual([]);
    expect(await api.post(to, asked, { key })).toMatchObject({ status: 201 });
  },
);

test('a version is made with the status that document [3] gives it', async () => {
  const { model } = await aVersion();
  const made = await api.post(`/models/${model}/versions`, { label: 'v3', status: 'testing' });
  expect(made).toMatchObject({ status: 201, body: { readiness: 'testing', status: 'testing' } });
  expect(
    await api.post(`/models/${model}/versions`, { status: 'testing', readiness: 'training' }),
  ).toMatchObject({ status: 422, body: { errors: [{ pointer: '/status' }] } });
});
