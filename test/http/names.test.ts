// Names move: by two processes, of which the one does not know what the other has done until it looks.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkLog } from '#test/checker/log.ts';
import { bodyOf, openApis } from './api.ts';
import type { Answer, Api } from './api.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
let other: Api;
beforeAll(async () => {
  opened = await openApis(2);
  [api, other] = opened.apis as [Api, Api];
});
afterAll(() => opened.close());

const idOf = (answer: Answer): string => String(bodyOf(answer)['id']);

let names = 0;
/** A model with a version, which both processes have in memory by its name. */
async function known(): Promise<{ name: string; id: string }> {
  const name = `named-${++names}`;
  const id = idOf(await api.post('/models', { name }));
  await api.post(`/models/${name}/versions`, { label: 'v1' });
  for (const process of [api, other])
    expect((await process.patch(`/models/${name}`, {})).status).toBe(200);
  return { name, id };
}

describe('a name that was given up', () => {
  test.each([
    ['by a rename', (name: string) => api.patch(`/models/${name}`, { name: `${name}-renamed` })],
    ['by a deletion', (name: string) => api.delete(`/models/${name}`)],
  ])('%s leads every process to whoever has it now', async (_, giveUp) => {
    const { name, id } = await known();
    expect((await giveUp(name)).status).toBe(200);
    const successor = idOf(await api.post('/models', { name }));
    const made = await other.post(`/models/${name}/versions`, { label: 'v2' });
    expect(made).toMatchObject({ status: 201, body: { model_id: successor, number: 1 } });
    const changed = await other.patch(`/models/${name}`, { description: 'the new one' });
    expect(changed).toMatchObject({ status: 200, body: { id: successor } });
    const before = await opened.apis[0]!.get(`/events?model=${id}`);
    expect(JSON.stringify(before.body)).not.toContain('the new one');
  });

  test.each([
    ['that would be refused', 'versions/7/promote', { to_stage: 'staging' }, 404],
    ['that is so already', 'versions/1/demote', { to_stage: 'development' }, 404],
    ['that would be recorded', 'versions', { label: 'v2' }, 404],
  ])('leads to nothing where nobody has it, for a command %s', async (_, path, body, status) => {
    const { name } = await known();
    await api.patch(`/models/${name}`, { name: `${name}-gone` });
    expect(await other.post(`/models/${name}/${path}`, body)).toMatchObject({
      status,
      body: { code: 'model_not_found', model: name },
    });
    expect((await other.post(`/models/${name}-gone/versions`, { label: 'v2' })).status).toBe(201);
  });

  test('is not the name that a policy, the trail or the log is asked by', async () => {
    const { name } = await known();
    for (const path of [`/models/${name}/policy`, `/events?model=${name}`, `/audit?model=${name}`])
      expect((await other.get(path)).status).toBe(200);
    await api.patch(`/models/${name}`, { name: `${name}-gone` });
    for (const path of [`/models/${name}/policy`, `/events?model=${name}`, `/audit?model=${name}`])
      expect((await other.get(path)).status).toBe(404);
  });

  test('is where a finished training makes a new model', async () => {
    const { name, id } = await known();
    await api.patch(`/models/${name}`, { name: `${name}-gone` });
    const trained = await other.post(
      '/training-completed',
      { model_name: name },
      {
        headers: {
          'ce-id': `training of ${name}`,
          'ce-source': 'test',
          'ce-type': 'training.completed',
          'ce-specversion': '1.0',
        },
      },
    );
    expect(trained.status, JSON.stringify(trained.body)).toBe(201);
    expect(bodyOf(trained)['model_id']).not.toBe(id);
  });
});

describe('a request that is repeated with its key', () => {
  const withKey = (key: string) => ({ headers: { 'idempotency-key': key } });

  test.each([
    [
      'a rename',
      (by: Api, name: string, key: string) =>
        by.patch(`/models/${name}`, { name: `${name}-renamed` }, withKey(key)),
    ],
    [
      'a deletion',
      (by: Api, name: string, key: string) => by.delete(`/models/${name}`, withKey(key)),
    ],
  ])('answers the same after %s, in every process', async (_, ask) => {
    const { name } = await known();
    const key = `give up ${name}`;
    const first = await ask(api, name, key);
    expect(first.status).toBe(200);
    for (const process of [api, other])
      expect(await ask(process, name, key)).toMatchObject({ status: 200, body: first.body });
    await api.post('/models', { name });
    for (const process of [api, other])
      expect(await ask(process, name, key)).toMatchObject({ status: 200, body: first.body });
    expect((await api.patch(`/models/${name}`, {})).status).toBe(200);
  });

  test('answers the same after the model has got another name', async () => {
    const { name, id } = await known();
    const make = (by: Api) =>
      by.post(`/models/${name}/versions`, { label: 'v2' }, withKey(`v2 of ${name}`));
    const first = await make(api);
    expect(first.status).toBe(201);
    await api.patch(`/models/${id}`, { name: `${name}-renamed` });
    for (const process of [api, other])
      expect(await make(process)).toMatchObject({ status: 201, body: first.body });
  });

  test('is another request where its body is another, also where nobody has the name', async () => {
    const { name } = await known();
    const asked = (body: object) => ({ ...withKey(`delete ${name}`), body });
    await api.delete(`/models/${name}`, asked({}));
    for (const process of [api, other])
      expect(await process.delete(`/models/${name}`, asked({ reason: 'x' }))).toMatchObject({
        status: 422,
        body: { code: 'key_reused' },
      });
  });
});

describe('names that move at once', () => {
  test('are free as soon as they are given up, also where one model has many in a row', async () => {
    const { name, id } = await known();
    const all = Array.from({ length: 20 }, (_, nth) => `${name}-${nth}`);
    const moved = await Promise.all(all.map((to) => api.patch(`/models/${id}`, { name: to })));
    expect(new Set(moved.map(({ status }) => status))).toEqual(new Set([200]));
    const last = String(bodyOf(await api.patch(`/models/${id}`, {}))['name']);
    for (const free of [name, ...all].filter((one) => one !== last))
      expect((await api.post('/models', { name: free })).status).toBe(201);
    expect(await api.post('/models', { name: last })).toMatchObject({
      status: 409,
      body: { code: 'name_taken', name: last },
    });
  });

  test('go to one of those who want them', async () => {
    const { name, id } = await known();
    const answers = await Promise.all([
      api.patch(`/models/${id}`, { name: `${name}-gone` }),
      ...[api, other, api, other].map((process) => process.post('/models', { name })),
    ]);
    expect(answers[0].status).toBe(200);
    const statuses = answers.slice(1).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201).length).toBeLessThanOrEqual(1);
    expect(statuses.every((status) => status === 201 || status === 409)).toBe(true);
    expect([201, 409]).toContain((await other.post('/models', { name })).status);
    expect((await other.patch(`/models/${name}`, {})).status).toBe(200);
  });
});

test('after all of it the log is whole', async () =>
  expect(await checkLog(opened.databaseUrl, [])).toEqual([]));
