// Document [1], "Model Registry 2.0": its HTTP examples, from an empty registry.
import { expect, test } from 'vitest';
import { itemsOf, startEmptyRegistry } from './registry.ts';

test.each(['/api/v1', ''])(
  'models are registered, listed, read, changed and deleted under "%s"',
  async (base) => {
    const { ask, make, missing } = await startEmptyRegistry();
    const example = {
      name: 'fraud-detection-v1',
      framework: 'sklearn',
      model_type: 'classification',
      description: 'Credit card fraud detection model',
      team: 'risk-ml',
      project: 'fraud-prevention',
    };
    const registered = await make(`POST ${base}/models`, example);
    expect(registered).toMatchObject(example);
    const id = String(registered['id']);

    const query = 'framework=sklearn&team=risk-ml&page=1&size=20';
    expect(itemsOf(await ask(`GET ${base}/models?${query}`))).toEqual([registered]);
    expect(
      itemsOf(await ask(`GET ${base}/models?framework=pytorch&team=risk-ml&page=1&size=20`)),
    ).toEqual([]);
    expect(await ask(`GET ${base}/models/${id}`)).toEqual(registered);

    const update = { description: 'Detects fraud with cards', team: 'risk' };
    const updated = await ask(`PUT ${base}/models/${id}`, update);
    expect(updated).toMatchObject({ ...example, ...update, id });
    expect(await ask(`GET ${base}/models/${id}`)).toEqual(updated);
    expect(itemsOf(await ask(`GET ${base}/models?${query}`))).toEqual([]);

    const deleted = await ask(`DELETE ${base}/models/${id}`);
    expect(deleted).toMatchObject({
      id,
      state: 'deleted',
      position: expect.any(Number) as unknown,
    });
    expect(itemsOf(await ask(`GET ${base}/models`))).toEqual([]);
    await missing(`GET ${base}/models/fraud-detection-v1`);
    expect(await ask(`GET ${base}/models/${id}`)).toEqual(deleted);
    expect(await make(`POST ${base}/models`, example)).toMatchObject({
      ...example,
      state: 'active',
    });
  },
);

test('the workflows upload a version by the names of the document and promote it step by step', async () => {
  const { ask, make } = await startEmptyRegistry();
  const model = await make('POST /api/v1/models', {
    name: 'customer-churn-v1',
    framework: 'tensorflow',
    model_type: 'classification',
  });
  const path = `/api/v1/models/${String(model['id'])}`;
  const version = await make(`POST ${path}/versions`, {
    version: '1.0.0',
    storage_uri: 's3://models/churn/v1.0.0/',
    metrics: { accuracy: 0.95, auc: 0.92 },
  });
  expect(version).toMatchObject({
    version: '1.0.0',
    artifact_uri: 's3://models/churn/v1.0.0/',
    metrics: { accuracy: 0.95, auc: 0.92 },
    stage: 'development',
  });
  for (const to_stage of ['staging', 'production']) {
    await ask(`POST ${path}/versions/1.0.0/promote`, { to_stage });
    expect(await ask(`GET ${path}/versions/1.0.0`)).toMatchObject({ stage: to_stage });
  }
});

test('its health and its metrics are served', async () => {
  const { ask, send, make } = await startEmptyRegistry();
  expect(await ask('GET /health')).toMatchObject({ status: expect.any(String) as unknown });
  await make('POST /api/v1/models', { name: 'counted', framework: 'onnx' });
  await make('POST /api/v1/models/counted/versions', { stage: 'staging' });
  for (const path of ['/metrics', '/metrics/prometheus']) {
    const answer = await send(`GET ${path}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/plain');
    const text = await answer.text();
    expect(text).toContain('# TYPE registry_request_duration_seconds histogram');
    expect(text).toContain('\nregistry_promotions_total{to_stage="staging"} 1\n');
    expect(text).toMatch(/^modelog_database_connections{state="idle"} [1-9]/m);
  }
});
