// A model is changed, deleted and restored: what a body may say, and what the answer shows.
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
async function aModel(facts: object = {}) {
  const name = `model-${++names}`;
  const made = await api.post('/models', { name, owner: 'ada', team: 'risk', ...facts });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const body = bodyOf(made);
  return { name, id: String(body['id']), body };
}

describe.each(['PATCH', 'PUT'])('%s of a model', (method) => {
  const change = (model: string, body: object): Promise<Answer> =>
    api.ask(method, `/api/v1/models/${model}`, { body });

  test('leaves what is absent, clears by null, and merges tags and metadata by key', async () => {
    const { name } = await aModel({
      tags: { a: '1', b: '2' },
      metadata: { deep: [1], gone: true },
    });
    const changed = await change(name, {
      description: 'better',
      team: null,
      tags: { b: null, c: '3' },
      metadata: { gone: null, more: { x: 1 } },
    });
    expect(changed).toMatchObject({
      status: 200,
      body: {
        description: 'better',
        owner: 'ada',
        team: null,
        tags: { a: '1', c: '3' },
        metadata: { deep: [1], more: { x: 1 } },
      },
    });
    expect(await change(name, { tags: null })).toMatchObject({ body: { tags: {} } });
  });

  test('renames, switches off and describes in one append', async () => {
    const { name, id } = await aModel();
    const to = `${name}-renamed`;
    const changed = await change(name, { name: to, is_active: false, description: 'old' });
    expect(changed).toMatchObject({
      status: 200,
      body: { id, name: to, is_active: false, state: 'inactive', stream_version: 4 },
    });
    expect(await typesOf(api, id)).toEqual([
      'model.registered',
      'model.renamed',
      'model.updated',
      'model.deactivated',
    ]);
    expect((await api.post(`/models/${name}/versions`, {})).status).toBe(404);
    expect((await api.post(`/models/${to}/versions`, {})).status).toBe(201);
    expect(await change(to, { is_active: true })).toMatchObject({ body: { state: 'active' } });
  });

  test('of all that was read changes nothing', async () => {
    const { id, body } = await aModel({ tags: { a: 'b' }, metadata: { c: [] } });
    const changed = await change(id, body);
    expect(changed).toMatchObject({ status: 200, body });
    expect(await typesOf(api, id)).toEqual(['model.registered']);
  });

  test('refuses what cannot be changed, and names all of it', async () => {
    const { id } = await aModel();
    const refused = await change(id, {
      description: 'never',
      serial: 99_999,
      created_at: '2020-01-01T00:00:00.000Z',
      stream_version: 7,
    });
    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'immutable', fields: ['serial', 'created_at', 'stream_version'] },
    });
    expect(await typesOf(api, id)).toEqual(['model.registered']);
  });

  test('takes the serial for the id, as a number and as text', async () => {
    const { id, body } = await aModel();
    const { serial } = body;
    expect((await change(id, { id: serial, model_id: String(serial) })).status).toBe(200);
    expect((await change(id, { id: Number(serial) + 1 })).status).toBe(422);
  });

  test.each([
    [{ name: null }, '/name'],
    [{ name: ' spaced' }, '/name'],
    [{ is_active: null }, '/is_active'],
    [{ colour: 'red' }, '/colour'],
  ])('refuses %j', async (body, pointer) => {
    const { id } = await aModel();
    expect(await change(id, body)).toMatchObject({ status: 422, body: { errors: [{ pointer }] } });
  });

  test('refuses a name that means something else in a path', async () => {
    const { id } = await aModel();
    expect(await change(id, { name: 'register' })).toMatchObject({
      status: 422,
      body: { code: 'reserved_name' },
    });
  });

  test('refuses a name that another model has', async () => {
    const { name } = await aModel();
    const { id } = await aModel();
    expect(await change(id, { name })).toMatchObject({
      status: 409,
      body: { code: 'name_taken', name },
    });
  });
});

describe('a deleted model', () => {
  test('is answered as its tombstone, and takes no command but to be restored', async () => {
    const { name, id } = await aModel();
    await api.post(`/models/${name}/versions`, { label: 'v1' });
    const deleted = await api.delete(`/models/${name}`, { body: { reason: 'never used' } });
    expect(deleted).toMatchObject({
      status: 200,
      body: { id, name, state: 'deleted', is_active: false },
    });
    expect(bodyOf(deleted)['deleted_at']).toBe(bodyOf(deleted)['updated_at']);
    expect(Number(deleted.headers['x-position'])).toBe(bodyOf(deleted)['position']);
    for (const asked of [
      api.patch(`/models/${id}`, { description: 'x' }),
      api.post(`/models/${id}/versions`, {}),
      api.post(`/models/${id}/versions/1/promote`, { to_stage: 'staging' }),
    ])
      expect(await asked).toMatchObject({ status: 404, body: { code: 'model_not_found' } });
    expect((await api.delete(`/models/${name}`)).status).toBe(404);
    const again = await api.delete(`/models/${id}`);
    expect(again).toMatchObject({ status: 200, body: deleted.body });
  });

  test('is not deleted while something uses it', async () => {
    const { name, id } = await aModel();
    await api.post(`/models/${name}/versions`, { label: 'v1', stage: 'production' });
    expect(await api.delete(`/models/${name}`)).toMatchObject({
      status: 409,
      body: { code: 'in_use', blocking: [{ kind: 'production', number: 1 }] },
    });
    expect(await typesOf(api, id)).not.toContain('model.deleted');
  });

  test('comes back under its name, or another where somebody has it by now', async () => {
    const { name, id } = await aModel();
    await api.delete(`/models/${name}`);
    expect((await api.post(`/models/${name}/restore`, {})).status).toBe(404);
    expect(await api.post(`/models/${id}/restore`, {})).toMatchObject({
      status: 200,
      body: { id, name, state: 'active', deleted_at: null },
    });
    expect((await api.patch(`/models/${name}`, {})).status).toBe(200);
    await api.delete(`/models/${name}`);
    await api.post('/models', { name });
    expect(await api.post(`/models/${id}/restore`, {})).toMatchObject({
      status: 409,
      body: { code: 'name_taken', name },
    });
    expect(await api.post(`/models/${id}/restore`, { name: `${name}-back` })).toMatchObject({
      status: 200,
      body: { id, name: `${name}-back`, state: 'active' },
    });
  });
});

test('a model is registered switched off, where its registration says so', async () => {
  const made = await api.post('/models', { name: 'made-inactive', is_active: false });
  expect(made).toMatchObject({ status: 201, body: { is_active: false, state: 'inactive' } });
  expect(await typesOf(api, 'made-inactive')).toEqual(['model.registered', 'model.deactivated']);
  expect(await api.post('/models', { name: 'made-active', is_active: true })).toMatchObject({
    status: 201,
    body: { is_active: true, stream_version: 1 },
  });
});
