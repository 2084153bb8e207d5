// A model and its version registered in one call, and a version moved to whatever stage: the calls of document [4].
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApis } from './api.ts';
import type { Answer, Api } from './api.ts';
import { typesOf } from './history.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let apis: Api[];
let api: Api;
beforeAll(async () => {
  opened = await openApis(2);
  apis = opened.apis;
  api = apis[0]!;
});
afterAll(() => opened.close());

let names = 0;
const newName = () => `vision-${++names}`;
const pointers = ({ body }: Answer) => (body.errors ?? []).map(({ pointer }) => pointer);
const keyWith = async (role: string) => {
  const { body } = await api.post('/api-keys', { subject: `a ${role}`, role });
  return body['secret'] as unknown as string;
};

describe('a registration', () => {
  test('says of a new model what no version has, and of a known one only what is so', async () => {
    const model_name = newName();
    const ofModel = { owner: 'ana', team: 'risk', project: 'cards', category: 'forecasting' };
    const register = (said: object) => api.post('/models/register', { model_name, ...said });
    expect((await register({ ...ofModel, task: 'scoring', subject: 'fraud' })).status).toBe(201);
    expect((await register({ ...ofModel, owner: null })).status).toBe(201);
    expect(await register({ team: 'other', category: 'forecasting' })).toMatchObject({
      status: 422,
      body: { code: 'immutable', fields: ['team'] },
    });
    expect((await api.patch(`/models/${model_name}`, {})).body).toMatchObject({
      ...ofModel,
      task: 'scoring',
      subject: 'fraud',
      version_count: 2,
    });
  });

  test('of a new name makes the model and its first version, which say the same', async () => {
    const model_name = newName();
    const said = { description: 'Vision', model_type: 'sklearn', tags: { team: 'vision' } };
    const { status, body } = await api.post('/models/register', {
      model_name,
      ...said,
      metrics: { accuracy: 0.95 },
      hyperparameters: { max_depth: 10 },
      data_version: 'v1.2.3',
      code_version: 'abc123',
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      model_name,
      number: 1,
      label: null,
      version: '1',
      stage: 'development',
      ...said,
      metrics: { accuracy: 0.95 },
      accuracy: 0.95,
      hyperparameters: { max_depth: 10 },
      lineage: { data_versions: ['v1.2.3'], code_version: 'abc123' },
    });
    expect((await api.patch(`/models/${model_name}`, {})).body).toMatchObject(said);
  });

  test('of a known name makes the next version, and leaves the model as it was', async () => {
    const name = newName();
    await api.post('/models/register', {
      model_name: name,
      description: 'first',
      tags: { a: '1' },
    });
    const { status, body } = await api.post('/models/register', {
      name,
      description: 'second',
      tags: { b: '2' },
      version: 'v2',
    });
    expect({ status, body }).toMatchObject({
      status: 201,
      body: { number: 2, label: 'v2', description: 'second', tags: { b: '2' } },
    });
    expect((await api.patch(`/models/${name}`, {})).body).toMatchObject({
      description: 'first',
      tags: { a: '1' },
    });
  });

  test('of one new name by several at once succeeds for all, with one model', async () => {
    const model_name = newName();
    const answers = await Promise.all(
      [0, 1, 2, 3].map((nth) =>
        apis[nth % 2]!.post('/models/register', { model_name, metrics: { nth } }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    const numbers = answers.map(({ body }) => body['number'] as unknown as number);
    expect(numbers.toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4]);
    const types = await typesOf(api, model_name);
    expect(types.filter((type) => type === 'model.registered')).toHaveLength(1);
  });

  test('asked again under its key is answered as before', async () => {
    const body = { model_name: newName(), version: 'v1' };
    const headers = { 'idempotency-key': 'train-1' };
    const first = await api.post('/models/register', body, { headers });
    const again = await apis[1]!.post('/models/register', body, { headers });
    expect(again).toMatchObject({ status: 201, body: first.body });
  });

  test('into a higher stage promotes in the same append, for whoever may', async () => {
    const model_name = newName();
    const { body } = await api.post('/models/register', { model_name, stage: 'production' });
    expect(body).toMatchObject({ number: 1, stage: 'production' });
    expect(await typesOf(api, model_name)).toContain('model.promoted');
    const key = await keyWith('producer');
    expect(
      await api.post('/models/register', { model_name, stage: 'staging' }, { key }),
    ).toMatchObject({ status: 403, body: { required_permission: 'stage:change' } });
    expect((await api.post('/models/register', { model_name }, { key })).status).toBe(201);
  });

  test.each(['deprecated', 'archived'])('does not begin %s', async (stage) =>
    expect(await api.post('/models/register', { model_name: newName(), stage })).toMatchObject({
      status: 409,
      body: {
        code: 'illegal_transition',
        legal_transitions: ['development', 'staging', 'production'],
      },
    }),
  );

  test('names every fault at once, with what is valid', async () => {
    const answer = await api.post('/models/register', {
      model_type: 'abacus',
      stage: 'live',
      metrics: { accuracy: 'good', recall: 0.9 },
      colour: 'red',
    });
    expect(answer.status).toBe(422);
    expect(pointers(answer).toSorted()).toEqual([
      '/colour',
      '/metrics/accuracy',
      '/model_name',
      '/model_type',
      '/stage',
    ]);
    const told = Object.fromEntries(
      answer.body.errors!.map(({ pointer, message }) => [pointer, message]),
    );
    for (const stage of ['development', 'staging', 'production', 'deprecated', 'archived'])
      expect(told['/stage']).toContain(stage);
    for (const type of ['sklearn', 'audio', 'anomaly-detection', 'llm', 'ranking'])
      expect(told['/model_type']).toContain(type);
    expect(told['/metrics/accuracy']).toContain('finite number');
  });

  test('takes a type that the settings add', async () =>
    expect(
      (await api.post('/models/register', { model_name: newName(), model_type: 'ranking' })).status,
    ).toBe(201));

  test('under a name that its caller may not see says no more than that it is taken', async () => {
    const name = newName();
    await api.post('/models', { name, team: 'unseen' });
    const key = await keyWith('member');
    await api.put('/role-bindings', { subject: 'a member', role: 'producer', scope: 'team:seen' });
    await api.post('/models', { name: `${name} seen`, team: 'seen' });
    expect(
      await api.post('/models/register', { model_name: `${name} seen` }, { key }),
    ).toMatchObject({ status: 201 });
    expect(await api.post('/models/register', { model_name: name }, { key })).toMatchObject({
      status: 409,
      body: { code: 'name_taken', name },
    });
  });
});

describe('a transition', () => {
  const transition = (model_name: string, version: number | string, new_stage: string) =>
    api.post('/models/transition', { model_name, version, new_stage, description: 'because' });

  test('goes by the step that leads to the stage, with the description as its reason', async () => {
    const name = newName();
    for (let made = 0; made < 2; made++) await api.post('/models/register', { model_name: name });
    for (const stage of ['staging', 'production', 'staging', 'development', 'deprecated'])
      expect(await transition(name, 1, stage)).toMatchObject({ status: 200, body: { stage } });
    expect((await transition(name, 1, 'deprecated')).status).toBe(200);
    await transition(name, 2, 'archived');
    expect((await transition(name, 2, 'development')).body).toMatchObject({ stage: 'development' });
    const { body } = await api.get(`/events?model=${name}`);
    const moves = (body['items'] as unknown as { type: string; reason: string | null }[]).filter(
      ({ reason }) => reason === 'because',
    );
    expect(moves.map(({ type }) => type)).toEqual([
      'model.promoted',
      'model.promoted',
      'version.demoted',
      'version.demoted',
      'version.deprecated',
      'model.archived',
      'version.restored',
    ]);
  });

  test('is refused where no step leads there, or what is in the way is in use', async () => {
    const model_name = newName();
    await api.post('/models/register', { model_name, stage: 'production', version: 'v1' });
    expect(await transition(model_name, 'v1', 'development')).toMatchObject({
      status: 409,
      body: {
        code: 'illegal_transition',
        legal_transitions: ['staging', 'deprecated', 'archived'],
      },
    });
    expect(await transition(model_name, 1, 'archived')).toMatchObject({
      status: 409,
      body: { code: 'in_use' },
    });
    expect(await transition(model_name, 7, 'staging')).toMatchObject({
      status: 404,
      body: { code: 'version_not_found', version: '7' },
    });
  });

  test('to a stage that there is not says which there are', async () => {
    const answer = await transition('nobody', 1, 'live');
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid' } });
    expect(pointers(answer)).toEqual(['/new_stage']);
    for (const stage of ['development', 'staging', 'production', 'deprecated', 'archived'])
      expect(answer.body.errors![0]!.message).toContain(stage);
    expect(pointers(await api.post('/models/transition', { colour: 'red' })).toSorted()).toEqual([
      '/colour',
      '/model',
      '/to_stage',
      '/version',
    ]);
  });

  test('asks for the right to the step that it is', async () => {
    const model_name = newName();
    await api.post('/models/register', { model_name });
    await api.post('/models/register', { model_name });
    const key = await keyWith('deployer');
    const asked = { model_name, version: 2 };
    const to = (new_stage: string, as: string) =>
      api.post('/models/transition', { ...asked, new_stage }, { key: as });
    expect((await to('staging', key)).status).toBe(200);
    expect(await to('archived', key)).toMatchObject({
      status: 403,
      body: { required_permission: 'version:archive' },
    });
    expect((await to('archived', await keyWith('approver'))).status).toBe(200);
    expect((await to('staging', await keyWith('producer'))).status).toBe(403);
  });

  test('the steps themselves take the names of the document too', async () => {
    const model_name = newName();
    await api.post('/models/register', { model_name });
    const step = (verb: string, body: object) =>
      api.post(`/models/${model_name}/versions/1/${verb}`, body);
    expect(
      (await step('promote', { new_stage: 'staging', description: 'fit' })).body,
    ).toMatchObject({ stage: 'staging' });
    expect((await step('demote', { stage: 'development' })).body).toMatchObject({
      stage: 'development',
    });
    expect((await step('promotion-requests', { new_stage: 'staging' })).body).toMatchObject({
      to_stage: 'staging',
    });
    expect((await step('deprecate', { description: 'sunset' })).status).toBe(200);
    expect((await step('archive', { description: 'a', reason: 'b' })).status).toBe(422);
    expect(
      pointers(await step('promote', { new_stage: 'staging', to_stage: 'production' })),
    ).toEqual(['/new_stage']);
  });
});

test('the reference of the API shows the names of the documents, with what they stand for', async () => {
  const { body } = await api.ask('GET', '/openapi.json');
  type Schema = { properties: Record<string, { description?: string; enum?: string[] }> };
  const bodyOf = (path: string) => {
    const paths = body['paths'] as unknown as Record<
      string,
      { post: { requestBody: { content: { 'application/json': { schema: Schema } } } } }
    >;
    return paths[`/api/v1${path}`]!.post.requestBody.content['application/json'].schema.properties;
  };
  for (const path of ['/models/register', '/versions', '/models/{model}/versions'])
    expect(bodyOf(path), path).toMatchObject({
      hash: { description: "A document's name of `content_digest.sha256`" },
      storage_uri: { description: "A document's name of `artifact_uri`" },
      f1_score: { description: "A document's name of `metrics.f1_score`" },
    });
  expect(bodyOf('/deploy')).toHaveProperty('deployment_target');
  expect(bodyOf('/models/transition')).toHaveProperty('new_stage');
});
