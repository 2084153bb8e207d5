// Document [2], "AIVO Model Registry Service": its HTTP examples from an empty registry, where the first model and the first
// version have the serial 1.
import { expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { itemsOf, startEmptyRegistry } from './registry.ts';
import type { Body } from './registry.ts';

/** The columns that the document lists; `archive_uri`, times and the like may be null, but are there. */
const columns = {
  models: ['id', 'name', 'task', 'subject', 'description', 'created_at', 'updated_at'],
  versions: [
    'id',
    'model_id',
    'hash',
    'version',
    'region',
    'cost_per_1k',
    'eval_score',
    'slo_ok',
    'artifact_uri',
    'archive_uri',
    'size_bytes',
    'model_type',
    'framework',
    'created_at',
    'archived_at',
  ],
  bindings: [
    'id',
    'version_id',
    'provider',
    'provider_model_id',
    'status',
    'config',
    'endpoint_url',
    'avg_latency_ms',
    'success_rate',
    'last_used_at',
    'created_at',
    'updated_at',
  ],
} as const;

function has(kind: keyof typeof columns, body: Body): Body {
  expect(Object.keys(body)).toEqual(expect.arrayContaining([...columns[kind]]));
  return body;
}

test.each(['', '/api/v1'])('its examples work under "%s"', async (base) => {
  const { ask, make, missing } = await startEmptyRegistry();

  const modelExample = {
    name: 'gpt-4-turbo',
    task: 'generation',
    subject: 'general',
    description: 'GPT-4 Turbo model for general text generation',
  };
  const model = has('models', await make(`POST ${base}/models`, modelExample));
  expect(model).toMatchObject({ ...modelExample, serial: 1 });
  const versionExample = {
    model_id: 1,
    hash: 'a1b2c3d4e5f6789012345678901234567890123456789012345678901234abcd',
    version: '1.0.0',
    region: 'us-east-1',
    cost_per_1k: 0.01,
    eval_score: 0.92,
    artifact_uri: 's3://models/gpt-4-turbo/v1.0.0/model.bin',
  };
  const version = has('versions', await make(`POST ${base}/versions`, versionExample));
  expect(version).toMatchObject({ ...versionExample, model_id: model['id'], serial: 1 });
  const bindingExample = {
    version_id: 1,
    provider: 'openai',
    provider_model_id: 'gpt-4-0125-preview',
    status: 'active',
    config: { temperature: 0.7, max_tokens: 2000 },
  };
  const binding = has('bindings', await make(`POST ${base}/bindings`, bindingExample));
  expect(binding).toMatchObject({ ...bindingExample, version_id: version['id'] });
  const bindingPath = `${base}/bindings/${String(binding['id'])}`;

  // who had no version and no binding yet has them by now
  const modelNow = await ask(`GET ${base}/models/1`);
  expect(modelNow).toMatchObject({ ...modelExample, id: model['id'], version_count: 1 });
  expect(await ask(`GET ${base}/models/name/gpt-4-turbo`)).toEqual(modelNow);
  expect(itemsOf(await ask(`GET ${base}/models?task=generation`))).toEqual([modelNow]);
  expect(itemsOf(await ask(`GET ${base}/models?task=embedding`))).toEqual([]);
  const versionNow = await ask(`GET ${base}/versions/1`);
  expect(versionNow).toMatchObject({ id: version['id'], hash: versionExample.hash });
  expect(itemsOf(await ask(`GET ${base}/versions?model_id=1`))).toEqual([versionNow]);
  expect(await ask(`GET ${bindingPath}`)).toEqual(binding);
  expect(
    itemsOf(await ask(`GET ${base}/bindings?version_id=1&provider=openai&status=active`)),
  ).toEqual([binding]);

  const described = await ask(`PUT ${base}/models/1`, { description: 'GPT-4 Turbo' });
  expect(described).toMatchObject({ ...modelExample, description: 'GPT-4 Turbo' });
  expect(await ask(`GET ${base}/models/1`)).toEqual(described);
  const evaluated = await ask(`PUT ${base}/versions/1`, { eval_score: 0.95, slo_ok: true });
  expect(evaluated).toMatchObject({ eval_score: 0.95, slo_ok: true, cost_per_1k: 0.01 });
  expect(await ask(`GET ${base}/versions/1`)).toEqual(evaluated);
  const measured = {
    avg_latency_ms: 412.5,
    success_rate: 0.998,
    last_used_at: '2026-01-02T03:04:05.000Z',
  };
  expect(await ask(`PUT ${bindingPath}`, measured)).toMatchObject({
    ...bindingExample,
    version_id: version['id'],
    ...measured,
  });
  expect(await ask(`GET ${bindingPath}`)).toMatchObject(measured);

  expect(await ask('GET /health')).toMatchObject({ status: expect.any(String) as unknown });
  expect(await ask(`GET ${base}/stats`)).toMatchObject({ total_models: 1, total_versions: 1 });

  expect(await ask(`DELETE ${bindingPath}`)).toMatchObject({ id: binding['id'] });
  await missing(`GET ${bindingPath}`);
  expect(itemsOf(await ask(`GET ${base}/bindings`))).toEqual([]);
  const second = await make(`POST ${base}/versions`, { model_id: 1, version: '2.0.0' });
  expect(second).toMatchObject({ serial: 2, version: '2.0.0' });
  expect(await ask(`DELETE ${base}/versions/2`)).toMatchObject({
    id: second['id'],
    deleted_at: expect.any(String) as unknown,
  });
  expect(itemsOf(await ask(`GET ${base}/versions`))).toHaveLength(1);
  await missing(`GET ${base}/models/1/versions/2.0.0`);

  for (const number of [3, 4, 5, 6])
    await make(`POST ${base}/versions`, { model_id: 1, version: `${number}.0.0` });
  const applied = await ask(`POST ${base}/retention/apply`, { model_id: 1, retention_count: 3 });
  const versionsIn = (list: unknown) =>
    (list as Body[])
      .map(({ version: named }) => String(named))
      .toSorted((one, other) => one.localeCompare(other));
  expect(versionsIn(applied['archived'])).toEqual(['1.0.0', '3.0.0']);
  expect(versionsIn(applied['kept'])).toEqual(['4.0.0', '5.0.0', '6.0.0']);
  expect(await ask(`GET ${base}/versions/1`)).toMatchObject({
    stage: 'archived',
    archived_at: expect.any(String) as unknown,
  });
  expect(itemsOf(await ask(`GET ${base}/versions?model_id=1&stage=archived`))).toHaveLength(2);
  expect(await ask(`GET ${base}/stats`)).toMatchObject({
    versions_by_stage: { archived: 2, development: 3 },
  });

  // retention hears of a model within a second or two
  await eventually(async () => {
    expect(await ask(`GET ${base}/retention/stats`)).toMatchObject({
      total_models: 1,
      archived_versions: 2,
      active_versions: 3,
      default_retention_count: 3,
    });
  });

  expect(await ask(`DELETE ${base}/models/1`)).toMatchObject({ id: model['id'], state: 'deleted' });
  await missing(`GET ${base}/models/name/gpt-4-turbo`);
  expect(itemsOf(await ask(`GET ${base}/models`))).toEqual([]);
  expect(await ask(`GET ${base}/stats`)).toMatchObject({ total_models: 0, total_versions: 0 });
});
