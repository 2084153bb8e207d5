// Pointers and the rollback of a model over HTTP: each write's answer is what the next read says.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

type Body = Record<string, unknown>;
const bodyOf = ({ body }: Answer): Body => body;

let names = 0;
/** The path of a new model with so many versions. */
async function aModel(versions: number): Promise<string> {
  const name = `pointed-${++names}`;
  await registry.post('/models', { name });
  for (let number = 1; number <= versions; number++)
    await registry.post(`/models/${name}/versions`, { label: `v${number}` });
  return `/models/${name}`;
}

/** How many versions the registry counts in a stage, once it knows of what was answered. */
async function countedIn(stage: string, { body }: Answer): Promise<number> {
  const stats = await registry.get(`/stats?min_position=${String(body['position'])}`);
  return (bodyOf(stats)['versions_by_stage'] as Record<string, number>)[stage]!;
}

test('an alias names a version in a path, moves to another, and is removed', async () => {
  const model = await aModel(2);
  const first = await registry.call('PUT', `${model}/aliases/champion`, { version: 1 });
  expect(first).toMatchObject({ status: 200, body: { number: 1, aliases: ['champion'] } });
  expect(await registry.get(`${model}/versions/@champion`)).toMatchObject({ body: first.body });
  await registry.call('PUT', `${model}/aliases/champion`, { version: 'v2' });
  expect(bodyOf(await registry.get(`${model}/versions/@champion`))).toMatchObject({ number: 2 });
  expect(bodyOf(await registry.get(`${model}/versions/1`))).toMatchObject({ aliases: [] });
  expect(bodyOf(await registry.get(model))).toMatchObject({ aliases: { champion: 2 } });
  const promoted = await registry.post(`${model}/versions/@champion/promote`, {
    to_stage: 'production',
  });
  expect(bodyOf(promoted)).toMatchObject({ number: 2, stage: 'production' });
  const removed = await registry.call('DELETE', `${model}/aliases/champion`);
  expect(removed).toMatchObject({ status: 200, body: { aliases: {} } });
  expect((await registry.get(`${model}/versions/@champion`)).status).toBe(404);
  expect(await registry.call('DELETE', `${model}/aliases/champion`)).toMatchObject({
    status: 404,
    body: { code: 'alias_not_found' },
  });
});

test.each(['1', '-x', 'a b', 'x'.repeat(65)])('%j is no alias', async (alias) => {
  const model = await aModel(1);
  const path = `${model}/aliases/${encodeURIComponent(alias)}`;
  expect((await registry.call('PUT', path, { version: 1 })).status).toBe(422);
});

test('one version is active at a time', async () => {
  const model = await aModel(2);
  await registry.post(`${model}/versions/1/activate`, {});
  const second = await registry.post(`${model}/versions/2/activate`, {});
  expect(bodyOf(second)).toMatchObject({ number: 2, activation: 'active', is_active: true });
  expect(await registry.get(`${model}/versions/2`)).toMatchObject({ body: second.body });
  expect(bodyOf(await registry.get(`${model}/versions/1`))).toMatchObject({ is_active: false });
  expect(bodyOf(await registry.get(model))).toMatchObject({ active_versions: [2] });
  const off = await registry.post(`${model}/versions/2/deactivate`, {});
  expect(bodyOf(off)).toMatchObject({ number: 2, activation: 'inactive' });
});

test('an approval is revoked', async () => {
  const model = await aModel(1);
  await registry.post(`${model}/versions/1/approve`, {});
  const revoked = await registry.post(`${model}/versions/1/revoke-approval`, { reason: 'drift' });
  expect(bodyOf(revoked)).toMatchObject({ number: 1, readiness: 'testing' });
});

test('a rollback brings the last incumbent back, also where the bad version runs', async () => {
  const model = await aModel(2);
  for (const number of [1, 2]) {
    await registry.post(`${model}/versions/${number}/promote`, { to_stage: 'production' });
    await registry.post(`${model}/versions/${number}/deployments`, {
      environment: 'eu-prod',
      status: 'deployed',
    });
  }
  const back = await registry.post(`${model}/rollback`, { reason: 'too slow' });
  expect(back).toMatchObject({ status: 200, body: { number: 1, stage: 'production' } });
  expect(await registry.get(`${model}/versions/1`)).toMatchObject({ body: back.body });
  expect(bodyOf(await registry.get(model))).toMatchObject({ production_version: 1 });
  const { items } = bodyOf(
    await registry.get(`/deployments?model=${model.slice('/models/'.length)}`),
  ) as { items: Body[] };
  const there = items.map(({ number, status }) => `${String(number)} ${String(status)}`);
  expect(there).toContain('2 rolled_back');
  expect(there).toContain('1 requested');
  expect(await registry.post(`${model}/rollback`, {})).toMatchObject({
    status: 409,
    body: { code: 'nothing_to_roll_back_to' },
  });
  expect(bodyOf(await registry.post(`${model}/rollback`, { to: 2 }))).toMatchObject({
    number: 2,
    stage: 'production',
  });
});

test('a rollback goes to a version in production beside the bad one, which is the current one then', async () => {
  const model = await aModel(2);
  await registry.call('PUT', '/policies/tenant', {
    multi_production: true,
    on_superseded: 'keep',
  });
  await registry.post(`${model}/versions/1/promote`, { to_stage: 'production' });
  const beside = await registry.post(`${model}/versions/2/promote`, { to_stage: 'production' });
  const before = await countedIn('production', beside);
  const back = await registry.post(`${model}/rollback`, { to: 1, reason: 'too slow' });
  expect(back).toMatchObject({ status: 200, body: { number: 1, stage: 'production' } });
  expect(bodyOf(await registry.get(model))).toMatchObject({ production_version: 1 });
  expect(bodyOf(await registry.get(`${model}/versions/2`))).toMatchObject({ stage: 'archived' });
  expect(await countedIn('production', back)).toBe(before - 1);
  await registry.call('PUT', '/policies/tenant', { preset: 'open' });
});

test('an announced end that is moved deprecates nothing again', async () => {
  const version = `${await aModel(2)}/versions/1`;
  const first = await registry.post(`${version}/deprecate`, { sunset_at: '2036-01-01T00:00:00Z' });
  const before = await countedIn('deprecated', first);
  const later = await registry.post(`${version}/deprecate`, { sunset_at: '2037-01-01T00:00:00Z' });
  expect(later).toMatchObject({ status: 200, body: { sunset_at: '2037-01-01T00:00:00.000Z' } });
  expect(await countedIn('deprecated', later)).toBe(before);
});
