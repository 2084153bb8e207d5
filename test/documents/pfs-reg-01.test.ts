// Document [0], "PFS-REG-01": what of it is HTTP, and what its calls ask of a model, a version and a deployment.
import { expect, test } from 'vitest';
import { itemsOf, startEmptyRegistry } from './registry.ts';

test('its health names what it depends on, and its metrics have their names', async () => {
  const { ask, make, send } = await startEmptyRegistry();
  await make('POST /models', { name: 'handover-predictor', category: 'predictive-optimization' });
  await make('POST /models/handover-predictor/versions', { size_bytes: 4_096 });
  await make('POST /deploy', {
    model_name: 'handover-predictor',
    version: 1,
    deployment_target: 'ran-north',
  });
  expect(await ask('GET /stats')).toMatchObject({
    total_models: 1,
    total_versions: 1,
    active_deployments: 1,
  });
  expect(await ask('GET /health')).toMatchObject({
    status: 'ok',
    dependencies: { postgres: { status: 'up' }, projector: { status: 'up' } },
  });
  const metrics = await (await send('GET /metrics')).text();
  for (const [name, type] of [
    ['registry_total_models', 'gauge'],
    ['registry_total_versions', 'gauge'],
    ['registry_active_deployments', 'gauge'],
    ['registry_request_duration_seconds', 'histogram'],
    ['registry_errors_total', 'counter'],
    ['registry_artifact_sizes_bytes', 'histogram'],
  ])
    expect(metrics).toContain(`# TYPE ${name} ${type}\n`);
  expect(metrics).toMatch(/^registry_active_deployments\S* 1$/m);
});

test('a model is registered, found by its category, versioned, activated and deployed', async () => {
  const { ask, make } = await startEmptyRegistry();
  const said = {
    name: 'handover-predictor',
    description: 'ML model for predictive handover optimization',
    category: 'predictive-optimization',
  };
  const { id } = await make('POST /api/v1/models', said);
  expect(await ask(`GET /api/v1/models/${String(id)}`)).toMatchObject(said);
  expect(itemsOf(await ask('GET /api/v1/models?category=predictive-optimization'))).toMatchObject([
    said,
  ]);
  const versions = '/api/v1/models/handover-predictor/versions';
  for (const label of ['1.0.0', '1.1.0']) await make(`POST ${versions}`, { label });
  await ask(`POST ${versions}/1.0.0/activate`, {});
  await ask(`POST ${versions}/1.1.0/activate`, {});
  expect(await ask(`GET ${versions}/1.1.0`)).toMatchObject({ is_active: true });
  expect(await ask(`GET ${versions}/1.0.0`)).toMatchObject({ is_active: false });
  await ask(`POST ${versions}/1.1.0/deactivate`, {});
  expect(await ask(`GET ${versions}/1.1.0`)).toMatchObject({ activation: 'inactive' });
  await make(`POST ${versions}/1.1.0/deployments`, {
    environment: 'ran-north',
    status: 'deployed',
  });
  expect(itemsOf(await ask('GET /api/v1/deployments?environment=ran-north'))).toMatchObject([
    { version: '1.1.0', status: 'deployed' },
  ]);
});
