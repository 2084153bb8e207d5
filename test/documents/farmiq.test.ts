// Document [4], "FarmIQ Cloud MLflow Model Registry Service": its HTTP examples from an empty registry, after `register` was asked
// three times, as a transition of version 3 presupposes.
import { expect, test } from 'vitest';
import { itemsOf, startEmptyRegistry } from './registry.ts';
import type { Body } from './registry.ts';

const example = {
  model_name: 'vision-classification',
  model_type: 'sklearn',
  description: 'Vision model for poultry classification',
  metrics: { accuracy: 0.95, precision: 0.93, recall: 0.94 },
  hyperparameters: { n_estimators: 100, max_depth: 10 },
  stage: 'development',
  data_version: 'v1.2.3',
  code_version: 'abc123',
  tags: { team: 'vision', priority: 'high' },
};

test.each(['/api/v1', ''])('its examples work under "%s"', async (base) => {
  const { ask, make, missing, send } = await startEmptyRegistry();
  const models = `${base}/models`;
  const model = `${models}/vision-classification`;

  expect(await ask('GET /health')).toMatchObject({ status: 'ok' });
  expect(await ask('GET /ready')).toEqual({ ready: true });

  for (const number of [1, 2, 3])
    expect(
      await make(`POST ${models}/register`, {
        ...example,
        metrics: { ...example.metrics, accuracy: 0.9 + number / 100 },
      }),
    ).toMatchObject({
      model_name: 'vision-classification',
      number,
      version: String(number),
      model_type: 'sklearn',
      description: example.description,
      stage: 'development',
      metrics: { accuracy: 0.9 + number / 100, precision: 0.93, recall: 0.94 },
      hyperparameters: example.hyperparameters,
      data_version: 'v1.2.3',
      code_version: 'abc123',
      tags: example.tags,
    });
  expect(await ask(`GET ${model}`)).toMatchObject({
    name: 'vision-classification',
    model_type: 'sklearn',
    description: example.description,
    tags: example.tags,
    version_count: 3,
  });
  const numbersOf = (list: Body[]) => list.map(({ number }) => number);
  expect(numbersOf(itemsOf(await ask(`GET ${model}/versions`)))).toEqual([3, 2, 1]);

  expect(await missing(`GET ${model}?stage=production`)).toMatchObject({
    code: 'no_version_in_stage',
  });
  const transition = { model_name: 'vision-classification', version: 3 };
  expect(
    await ask(`POST ${models}/transition`, {
      ...transition,
      new_stage: 'production',
      description: 'Passed all validation tests',
    }),
  ).toMatchObject({ number: 3, stage: 'production' });
  const third = await ask(`GET ${model}/versions/3`);
  expect(third).toMatchObject({ stage: 'production' });
  expect(await ask(`GET ${model}?stage=production`)).toMatchObject({
    name: 'vision-classification',
    stage: 'production',
    number: 3,
    version: '3',
    model_version: third,
  });
  const { items } = await ask('GET /api/v1/events?model=vision-classification&type=model.promoted');
  expect(items).toMatchObject([{ reason: 'Passed all validation tests' }]);

  expect(await ask(`GET ${model}/compare?version1=2&version2=3`)).toMatchObject({
    versions: [{ number: 2 }, { number: 3 }],
  });
  const { nodes } = await ask(`GET ${model}/lineage/3`);
  expect(nodes).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ type: 'version', number: 3 }),
      expect.objectContaining({ type: 'data', name: 'v1.2.3' }),
      expect.objectContaining({ type: 'code', name: 'abc123' }),
    ]),
  );
  expect(itemsOf(await ask(`GET ${models}`))).toMatchObject([{ name: 'vision-classification' }]);

  const illegal = await send(`POST ${models}/transition`, {
    ...transition,
    new_stage: 'development',
  });
  expect(illegal.status).toBe(409);
  expect(await illegal.json()).toMatchObject({
    code: 'illegal_transition',
    legal_transitions: ['staging', 'deprecated', 'archived'],
  });

  await make(`POST ${models}/register`, example);
  await make(`POST ${models}/register`, example);
  const archived = await ask(`POST ${models}/archive`, { model_name: 'vision-classification' });
  expect(new Set(numbersOf(archived['archived'] as Body[]))).toEqual(new Set([1, 2]));
  expect(archived['kept']).toHaveLength(3);
  expect(numbersOf(itemsOf(await ask(`GET ${model}/versions?stage=archived`)))).toEqual([2, 1]);
});

test('a registration that cannot be says what can, as its troubleshooting asks', async () => {
  const { send } = await startEmptyRegistry();
  const refused = await send('POST /api/v1/models/register', {
    ...example,
    model_type: 'abacus',
    metrics: { accuracy: 'good' },
    stage: 'live',
  });
  expect(refused.status).toBe(422);
  const { errors } = (await refused.json()) as { errors: { pointer: string; message: string }[] };
  const told = new Map(errors.map(({ pointer, message }) => [pointer, message]));
  expect([...told.keys()].toSorted()).toEqual(['/metrics/accuracy', '/model_type', '/stage']);
  expect(told.get('/model_type')).toContain('sklearn');
  expect(told.get('/metrics/accuracy')).toContain('number');
  for (const stage of ['development', 'staging', 'production', 'archived', 'deprecated'])
    expect(told.get('/stage')).toContain(stage);
});
