// Document [3], "Model Version Registry": its HTTP examples from an empty registry, but for the bytes of a form. A version `v1` is
// made first, as most of them presuppose.
import { expect, test } from 'vitest';
import { itemsOf, startEmptyRegistry } from './registry.ts';
import type { Body } from './registry.ts';

/** The columns that the document lists. */
const columns = {
  models: ['id', 'name', 'description', 'model_type', 'created_at', 'updated_at', 'is_active'],
  versions: [
    'id',
    'model_id',
    'version',
    'format',
    'status',
    'file_path',
    'file_size',
    'checksum',
    'accuracy',
    'precision',
    'recall',
    'f1_score',
    'mAP',
    'input_shape',
    'output_shape',
    'deployed_to',
    'deployment_config',
    'is_default',
  ],
  deployments: [
    'id',
    'model_version_id',
    'deployment_target',
    'deployed_at',
    'deployed_by',
    'deployment_status',
    'rollback_at',
    'rollback_reason',
  ],
} as const;

function has(kind: keyof typeof columns, body: Body): Body {
  expect(Object.keys(body)).toEqual(expect.arrayContaining([...columns[kind]]));
  return body;
}

const modelExample = {
  name: 'image_classifier',
  description: 'ResNet-50 image classifier',
  model_type: 'classification',
};

test.each(['', '/api/v1'])('its examples work under "%s"', async (base) => {
  const { ask, make, send } = await startEmptyRegistry();
  const models = `${base}/models`;
  const versions = `${models}/image_classifier/versions`;

  expect(await ask('GET /health')).toMatchObject({ status: 'ok' });
  expect(itemsOf(await ask(`GET ${models}`))).toEqual([]);

  const model = has('models', await make(`POST ${models}`, modelExample));
  expect(model).toMatchObject({ ...modelExample, is_active: true });
  expect(await ask(`GET ${models}/image_classifier`)).toEqual(model);
  expect(itemsOf(await ask(`GET ${models}?model_type=classification&is_active=true`))).toEqual([
    model,
  ]);
  expect(itemsOf(await ask(`GET ${models}?model_type=segmentation`))).toEqual([]);
  expect(itemsOf(await ask(`GET ${models}?is_active=false`))).toEqual([]);

  const measured = { accuracy: 0.95, precision: 0.94, recall: 0.93, f1_score: 0.935, mAP: 0.9 };
  const facts = {
    format: 'tensorflow_saved_model',
    ...measured,
    input_shape: [1, 3, 224, 224],
    output_shape: [1, 1000],
  };
  const first = has(
    'versions',
    await make(`POST ${versions}`, {
      ...facts,
      version: 'v1',
      input_shape: '[1,3,224,224]',
      output_shape: '[1,1000]',
      release_notes: 'The first one',
    }),
  );
  expect(first).toMatchObject({
    ...facts,
    model_id: model['id'],
    version: 'v1',
    status: 'training',
    is_default: true,
    metrics: measured,
    release_notes: 'The first one',
  });
  const second = await make(`POST ${versions}`, { version: 'v2', ...facts, accuracy: 0.97 });
  expect(second).toMatchObject({ version: 'v2', accuracy: 0.97, is_default: false });

  const again = await send(`POST ${versions}`, { version: 'v2' });
  expect(again.status).toBe(409);
  expect(await again.json()).toMatchObject({ code: 'version_exists', value: 'v2' });
  const listed = itemsOf(await ask(`GET ${versions}`));
  expect(listed.map(({ version }) => version)).toEqual(['v2', 'v1']);

  const deployed = has(
    'deployments',
    await make(`POST ${base}/deploy`, {
      model_name: 'image_classifier',
      version: 'v1',
      deployment_target: 'production',
      deployed_by: 'admin',
    }),
  );
  expect(deployed).toMatchObject({
    model_version_id: first['id'],
    deployment_target: 'production',
    deployed_by: 'admin',
    deployment_status: 'deployed',
    rollback_at: null,
  });
  const running = await ask(`GET ${versions}/v1`);
  expect(running).toMatchObject({ ...facts, deployed_to: ['production'], deployment_config: {} });
  expect(await ask(`GET ${versions}/default`)).toEqual(running);
  expect(itemsOf(await ask(`GET ${versions}?is_default=true`))).toEqual([running]);

  await ask(`PUT ${models}/image_classifier/default`, { version: 'v2' });
  expect(await ask(`GET ${versions}/default`)).toMatchObject({ version: 'v2', is_default: true });
  expect(await ask(`GET ${versions}/v1`)).toMatchObject({ is_default: false });

  await make(`POST ${base}/deploy`, {
    model_name: 'image_classifier',
    version: 'v2',
    deployment_target: 'production',
    deployed_by: 'admin',
  });
  expect(await ask(`GET ${versions}/v1`)).toMatchObject({ deployed_to: [] });
  await ask(`PUT ${models}/image_classifier`, { is_active: false });
  expect(itemsOf(await ask(`GET ${models}?is_active=false`))).toMatchObject([{ is_active: false }]);
});

test('a version shows each status of the document, and is listed by it', async () => {
  const { ask, make } = await startEmptyRegistry();
  await make('POST /models', modelExample);
  const versions = '/models/image_classifier/versions';
  const isIn = async (status: string) => {
    expect(await ask(`GET ${versions}/v1`)).toMatchObject({ status });
    expect(itemsOf(await ask(`GET ${versions}?status=${status}`))).toMatchObject([
      { version: 'v1', status },
    ]);
  };
  await make(`POST ${versions}`, { version: 'v1' });
  await isIn('training');
  for (const [step, status] of [
    ['test', 'testing'],
    ['approve', 'approved'],
    ['deprecate', 'deprecated'],
    ['archive', 'archived'],
  ]) {
    await ask(`POST ${versions}/v1/${step}`, {});
    await isIn(status!);
  }
});

test('a deployment that is rolled back says when, and why', async () => {
  const { ask, make } = await startEmptyRegistry();
  await make('POST /models', modelExample);
  const deployments: Body[] = [];
  for (const version of ['v1', 'v2']) {
    await make('POST /models/image_classifier/versions', { version });
    deployments.push(
      await make('POST /deploy', {
        model_name: 'image_classifier',
        version,
        deployment_target: 'production',
        deployed_by: 'admin',
      }),
    );
  }
  const bad = String(deployments[1]!['id']);
  const rolledBack = await ask(`POST /api/v1/deployments/${bad}/rollback`, {
    reason: 'accuracy fell',
  });
  expect(rolledBack).toMatchObject({
    deployment_status: 'rolled_back',
    rollback_at: expect.any(String) as unknown,
    rollback_reason: 'accuracy fell',
  });
  expect(await ask(`GET /api/v1/deployments/${bad}`)).toEqual(rolledBack);
});

test('its clients make a model and go on with the name that was answered', async () => {
  const { ask, make } = await startEmptyRegistry();
  const model = await make('POST /models', {
    name: 'mobilenet_v3',
    description: 'MobileNet V3 for mobile devices',
    model_type: 'classification',
  });
  const path = `/models/${String(model['name'])}/versions`;
  await make(`POST ${path}`, {
    version: 'v1',
    format: 'onnx',
    accuracy: 0.85,
    input_shape: '[1,3,224,224]',
    output_shape: '[1,1000]',
  });
  expect(await ask(`GET ${path}/v1`)).toMatchObject({
    version: 'v1',
    format: 'onnx',
    accuracy: 0.85,
    input_shape: [1, 3, 224, 224],
    output_shape: [1, 1000],
  });
});
