// What is deleted may have children in other models: they do not hinder it, and the answer warns of them.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from '#test/projector/served.ts';
import type { Answer, ServedRegistry } from '#test/projector/served.ts';

type Warning = { code: string; children: object[]; count: number; more: boolean };

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

let models = 0;
async function aModel(facts: object = {}): Promise<string> {
  const name = `family-${++models}`;
  expect((await registry.post('/models', { name, ...facts })).status).toBe(201);
  return name;
}

async function aVersion(model: string, label: string, ...parent_versions: string[]) {
  const lineage = { parent_versions };
  const { status, body } = await registry.post(`/models/${model}/versions`, { label, lineage });
  expect(status, JSON.stringify(body)).toBe(201);
  return body['id'] as unknown as string;
}

function warningsOf({ status, body }: Answer): Warning[] | undefined {
  expect(status, JSON.stringify(body)).toBe(200);
  const { resource = body } = body as { resource?: object };
  return (resource as { warnings?: Warning[] }).warnings;
}

/** The children by the names that a person would call them. */
const namesIn = (warnings: Warning[] | undefined): string[] =>
  warnings![0]!.children.map((child) => {
    const { model_name, version } = child as { model_name: string; version: string };
    return `${model_name}/${version}`;
  });

test('a deleted version names its children in other models, and a dry run names them before', async () => {
  const { get, call } = registry;
  const [base, tuned, other] = [await aModel(), await aModel(), await aModel()];
  const id = await aVersion(base, 'v1');
  const child = await aVersion(tuned, 'a', `${base}/v1`);
  await aVersion(tuned, 'b', id.toUpperCase());
  await aVersion(other, 'c', 'hf://bert', `${base}/001`);
  await aVersion(other, 'd', `${base}/v10`, '1');
  const foreseen = warningsOf(await call('DELETE', `/models/${base}/versions/v1?dry_run=true`));
  expect(namesIn(foreseen)).toEqual([`${tuned}/a`, `${tuned}/b`, `${other}/c`]);
  expect(foreseen).toMatchObject([{ code: 'children_in_other_models', count: 3, more: false }]);
  expect(foreseen![0]!.children[0]).toEqual({
    model_id: (await get(`/models/${tuned}`)).body['id'],
    model_name: tuned,
    version_id: child,
    number: 1,
    label: 'a',
    version: 'a',
  });
  expect((await get(`/versions/${id}`)).body['deleted_at']).toBeNull();
  const deleted = await call('DELETE', `/versions/${id}`);
  expect(warningsOf(deleted)).toEqual(foreseen);
  expect(deleted.body['deleted_at']).not.toBeNull();
  expect((await get(`/versions/${id}`)).body).not.toHaveProperty('warnings');
});

test('a deleted model names the children of all its versions', async () => {
  const [base, tuned] = [await aModel(), await aModel()];
  await aVersion(base, 'v1');
  const second = await aVersion(base, 'v2');
  await aVersion(tuned, 'a', `${base}/1`, second);
  await aVersion(tuned, 'b', second);
  const foreseen = warningsOf(await registry.call('DELETE', `/models/${base}?dry_run=true`));
  expect(namesIn(foreseen)).toEqual([`${tuned}/a`, `${tuned}/b`]);
  expect(warningsOf(await registry.call('DELETE', `/models/${base}`))).toEqual(foreseen);
});

test('nothing is said where there is no child, or only such as are deleted themselves', async () => {
  const { call } = registry;
  const [base, tuned, gone] = [await aModel(), await aModel(), await aModel()];
  await aVersion(base, 'v1');
  await aVersion(tuned, 'a', `${base}/v1`);
  await aVersion(gone, 'a', `${base}/v1`);
  const removed = [
    await call('DELETE', `/models/${tuned}/versions/a`),
    await call('DELETE', `/models/${gone}`),
    await call('DELETE', `/models/${base}`),
  ];
  expect(removed.map(({ body }) => 'warnings' in body)).toEqual([false, false, false]);
});

test('a name means who has it now', async () => {
  const { call } = registry;
  const [base, tuned] = [await aModel(), await aModel()];
  await aVersion(base, 'v1');
  await aVersion(tuned, 'a', `${base}/v1`);
  await call('PATCH', `/models/${base}`, { name: `${base}-since` });
  await call('POST', '/models', { name: base });
  await aVersion(base, 'v1');
  const dry = (name: string) => call('DELETE', `/models/${name}/versions/v1?dry_run=true`);
  expect(warningsOf(await dry(`${base}-since`))).toBeUndefined();
  expect(namesIn(warningsOf(await dry(base)))).toEqual([`${tuned}/a`]);
});

test('children that the caller may not see are only counted', async () => {
  const { get, post, call } = registry;
  const base = await aModel({ team: 'open' });
  const [seen, secret] = [await aModel({ team: 'open' }), await aModel({ team: 'hidden' })];
  await aVersion(base, 'v1');
  await aVersion(secret, 'a', `${base}/v1`);
  await aVersion(seen, 'a', `${base}/v1`);
  const made = await post('/api-keys', { subject: 'tess', role: 'member' });
  const key = made.body['secret'] as unknown as string;
  await call('PUT', '/role-bindings', { subject: 'tess', role: 'admin', scope: 'team:open' });
  await eventually(async () => (await get(`/models/${base}`, key)).status === 200);
  const path = `/models/${base}/versions/v1`;
  const warned = warningsOf(await call('DELETE', `${path}?dry_run=true`, undefined, key));
  expect(namesIn(warned)).toEqual([`${seen}/a`]);
  expect(warned).toMatchObject([{ count: 2 }]);
  const deleted = await call('DELETE', path, undefined, key);
  expect(warningsOf(deleted)).toEqual(warned);
  expect(JSON.stringify(deleted.body)).not.toContain(secret);
});

test('children of another tenant are not counted', async () => {
  const { call, post } = registry;
  const base = await aModel();
  await aVersion(base, 'v1');
  const { body } = await post('/tenants', { id: 'abroad', admin_subject: 'abel' });
  const key = (body as unknown as { admin_key: { secret: string } }).admin_key.secret;
  await call('POST', '/models', { name: 'theirs' }, key);
  const lineage = { parent_versions: [`${base}/v1`] };
  expect((await call('POST', '/models/theirs/versions', { lineage }, key)).status).toBe(201);
  expect(warningsOf(await call('DELETE', `/models/${base}`))).toBeUndefined();
});

test('of more children than are looked at the answer says that there are more', async () => {
  const [base, tuned] = [await aModel(), await aModel()];
  await aVersion(base, 'v1');
  for (let n = 0; n < 200; n++) await aVersion(tuned, `v${n}`, `${base}/v1`);
  const dry = () => registry.call('DELETE', `/models/${base}?dry_run=true`);
  expect(warningsOf(await dry())).toMatchObject([{ count: 200, more: false }]);
  await aVersion(tuned, 'last', `${base}/v1`);
  const warned = warningsOf(await dry());
  expect(warned).toMatchObject([{ children: { length: 200 }, count: 200, more: true }]);
});
