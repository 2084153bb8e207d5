// Deployments over HTTP: document [3]'s /deploy, traffic and rollbacks, each as the next read says; lists, tenants, bad input.
import { afterAll, beforeAll, expect, test } from 'vitest';
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
const idOf = (answer: Answer): string => bodyOf(answer)['id'] as string;
const itemsOf = (answer: Answer): Body[] => bodyOf(answer)['items'] as Body[];
const pointers = (answer: Answer): string[] =>
  (bodyOf(answer)['errors'] as { pointer: string }[]).map(({ pointer }) => pointer).toSorted();

let names = 0;
async function aModel(versions: number): Promise<string> {
  const name = `deployed-${++names}`;
  await registry.post('/models', { name });
  for (let number = 1; number <= versions; number++)
    await registry.post(`/models/${name}/versions`, { label: `v${number}` });
  return name;
}
const deploy = async (name: string, version: string | number, said: object = {}) =>
  await registry.post('/deploy', {
    model_name: name,
    version,
    deployment_target: 'production',
    ...said,
  });

test('the deployment of document [3] is done at once, with and without a prefix', async () => {
  const model_name = await aModel(1);
  const asked = {
    model_name,
    version: 'v1',
    deployment_target: 'production',
    deployed_by: 'admin',
  };
  const version = bodyOf(await registry.get(`/models/${model_name}/versions/v1`));
  for (const ask of [registry.bare, registry.call]) {
    const told = await ask('POST', '/deploy', asked);
    expect(told.status).toBe(201);
    expect(told.body).toMatchObject({
      model_version_id: version['id'],
      deployment_target: 'production',
      deployed_by: 'admin',
      deployment_status: 'deployed',
      rollback_at: null,
      rollback_reason: null,
    });
    expect(told.body['deployed_at']).toEqual(expect.any(String));
    expect((await registry.get(`/deployments/${idOf(told)}`)).body).toEqual(told.body);
  }
  expect((await registry.get(`/models/${model_name}/versions/v1`)).body).toMatchObject({
    deployed_to: ['production'],
  });
});

test('the canonical names say the same, and two that differ are told', async () => {
  const model = await aModel(1);
  const canonical = { model, version: 1, environment: 'eu', declared_by: 'Ada' };
  expect(await registry.post('/deploy', canonical)).toMatchObject({
    status: 201,
    body: { deployment_target: 'eu', deployed_by: 'Ada' },
  });
  const both = { ...canonical, model_name: model, deployment_target: 'eu', deployed_by: 'Ada' };
  expect((await registry.post('/deploy', both)).status).toBe(201);
  const differing = { ...both, model_name: 'x', deployment_target: 'us', deployed_by: 'Bob' };
  const refused = await registry.post('/deploy', differing);
  expect(refused.status).toBe(422);
  expect(pointers(refused)).toEqual(['/deployed_by', '/deployment_target', '/model_name']);
});

test('a deployment that cannot be told of is refused, and nothing is recorded', async () => {
  const model_name = await aModel(1);
  const missing = await registry.post('/deploy', { colour: 'red' });
  expect(missing.status).toBe(422);
  expect(pointers(missing)).toEqual(['/colour', '/environment', '/model', '/version']);
  expect(await deploy('nobody', 1)).toMatchObject({
    status: 404,
    body: { code: 'model_not_found' },
  });
  expect(await deploy(model_name, 'v9')).toMatchObject({
    status: 404,
    body: { code: 'version_not_found' },
  });
  await registry.post(`/models/${model_name}/versions/1/deprecate`, {});
  expect(await deploy(model_name, 'v1')).toMatchObject({
    status: 409,
    body: { code: 'version_retired', stage: 'deprecated' },
  });
  expect((await registry.get(`/deployments?model=${model_name}`)).body).toMatchObject({
    total_count: 0,
  });
});

test('traffic is shifted, and what the others have is what the next read says', async () => {
  const name = await aModel(2);
  const stable = idOf(await deploy(name, 1));
  const canary = idOf(await deploy(name, 2, { strategy: 'canary', traffic_percent: 10 }));
  const percents = async () =>
    itemsOf(await registry.get(`/deployments?model=${name}&status=deployed`)).map((item) => [
      item['id'],
      item['traffic_percent'],
    ]);
  expect(await percents()).toEqual([
    [canary, 10],
    [stable, 90],
  ]);
  const shifted = await registry.post(`/deployments/${canary}/traffic`, { traffic_percent: 50 });
  expect(shifted).toMatchObject({ status: 200, body: { id: canary, traffic_percent: 50 } });
  expect((await registry.get(`/deployments/${canary}`)).body).toEqual(shifted.body);
  expect(await percents()).toEqual([
    [canary, 50],
    [stable, 50],
  ]);
  await registry.post(`/deployments/${canary}/traffic`, { traffic_percent: 100 });
  expect(await percents()).toEqual([[canary, 100]]);
  expect((await registry.get(`/deployments/${stable}`)).body).toMatchObject({
    status: 'superseded',
  });
  expect(
    await registry.post(`/deployments/${stable}/traffic`, { traffic_percent: 10 }),
  ).toMatchObject({ status: 409, body: { code: 'not_deployed' } });
  for (const body of [{}, { traffic_percent: 101 }, { traffic_percent: '10' }, { percent: 10 }])
    expect((await registry.post(`/deployments/${canary}/traffic`, body)).status).toBe(422);
});

test('a deployment is rolled back to what ran there before, and the stages stay', async () => {
  const name = await aModel(2);
  const first = idOf(await deploy(name, 'v1', { config: { replicas: 3 } }));
  const second = idOf(await deploy(name, 'v2'));
  const stages = async () =>
    itemsOf(await registry.get(`/models/${name}/versions`)).map((item) => item['stage']);
  const before = await stages();
  const rolledBack = await registry.post(`/deployments/${second}/rollback`, { reason: 'errors' });
  expect(rolledBack).toMatchObject({
    status: 200,
    body: {
      id: second,
      deployment_status: 'rolled_back',
      rollback_reason: 'errors',
      rollback_at: expect.any(String) as string,
    },
  });
  expect((await registry.get(`/deployments/${second}`)).body).toEqual(rolledBack.body);
  const next = `/deployments/${String(rolledBack.body['rollback_to_deployment_id'])}`;
  expect((await registry.get(next)).body).toMatchObject({
    version: 'v1',
    status: 'requested',
    config: { replicas: 3 },
    environment: 'production',
    replaces_deployment_id: second,
  });
  expect((await registry.post(`${next}/status`, { status: 'deployed' })).status).toBe(200);
  expect(await stages()).toEqual(before);
  expect(await registry.post(`${next}/rollback`, {})).toMatchObject({
    status: 409,
    body: { code: 'nothing_to_roll_back_to', environment: 'production' },
  });
  expect(await registry.post(`/deployments/${first}/rollback`, {})).toMatchObject({
    status: 409,
    body: { code: 'illegal_transition', from: 'superseded' },
  });
  expect((await registry.post(`${next}/rollback`, { to: 0 })).status).toBe(422);
});

test('only the registry itself says that a deployment timed out', async () => {
  const name = await aModel(1);
  const asked = await registry.post(`/models/${name}/versions/1/deployments`, {
    environment: 'eu',
  });
  expect(
    await registry.post(`/deployments/${idOf(asked)}/status`, {
      status: 'failed',
      cause: 'timed_out',
    }),
  ).toMatchObject({ status: 403, body: { required_permission: 'retention:attribute' } });
});

test('another tenant neither sees nor moves a deployment', async () => {
  const name = await aModel(2);
  await deploy(name, 1);
  const id = idOf(await deploy(name, 2));
  const key = await otherTenantKey(registry, `stranger-${names}`, 'admin');
  const asStranger = (method: string, path: string, body?: object) =>
    registry.call(method, path, body, key);
  for (const answer of [
    await asStranger('GET', `/deployments/${id}`),
    await asStranger('POST', `/deployments/${id}/traffic`, { traffic_percent: 1 }),
    await asStranger('POST', `/deployments/${id}/rollback`, {}),
  ])
    expect(answer).toMatchObject({ status: 404, body: { code: 'deployment_not_found' } });
  expect((await asStranger('GET', '/deployments')).body).toMatchObject({
    items: [],
    total_count: 0,
  });
  expect(
    await asStranger('POST', '/deploy', {
      model_name: name,
      version: 1,
      deployment_target: 'production',
    }),
  ).toMatchObject({ status: 404, body: { code: 'model_not_found' } });
  expect((await registry.get(`/deployments/${id}`)).body).toMatchObject({ status: 'deployed' });
});
