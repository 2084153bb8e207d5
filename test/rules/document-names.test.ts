// The documents' names of fields: each is its canonical field, two names of one field agree, and all faults are told at once.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { faultsOfSchema } from '#infra/http/faults.ts';
import {
  deployBody,
  deploymentBody,
  newModelBody,
  versionFactsOf,
} from '#services/command-api/fields.ts';
import { newVersionBody } from '#services/command-api/version-body.ts';

const hash = 'a1b2c3d4e5f6789012345678901234567890123456789012345678901234abcd';
const facts = (body: object) => versionFactsOf(newVersionBody.parse(body));

/** What is wrong with a body, by the places where it is. */
function faults(schema: z.ZodType, body: unknown): Record<string, string> {
  const { error } = schema.safeParse(body);
  const told = error === undefined ? [] : faultsOfSchema(error, 'body');
  return Object.fromEntries(told.map(({ pointer, message }) => [pointer, message]));
}

describe('a name of a document is the canonical field', () => {
  test.each([
    [{ version: 'v1' }, { label: 'v1' }],
    [{ version: 3 }, { label: '3' }],
    [{ hash }, { content_digest: { sha256: hash, blake3: null, origin: 'declared' } }],
    [{ storage_uri: 's3://models/a.bin' }, { artifact_uri: 's3://models/a.bin' }],
    [{ accuracy: 0.95 }, { metrics: [{ name: 'accuracy', split: null, value: 0.95 }] }],
    [{ mAP: -1 }, { metrics: [{ name: 'mAP', split: null, value: -1 }] }],
    [
      { precision: 0.1, recall: 0.2, f1_score: 0.3 },
      {
        metrics: [
          { name: 'precision', split: null, value: 0.1 },
          { name: 'recall', split: null, value: 0.2 },
          { name: 'f1_score', split: null, value: 0.3 },
        ],
      },
    ],
    [
      { input_shape: [1, 3, 224, 224], output_shape: '[1,1000]' },
      {
        signature: {
          inputs: null,
          outputs: null,
          input_shape: [1, 3, 224, 224],
          output_shape: [1, 1000],
          feature_schema: null,
        },
      },
    ],
    [
      { data_version: 'v1.2.3', code_version: 'abc123' },
      {
        lineage: {
          data_versions: ['v1.2.3'],
          code_version: 'abc123',
          parent_versions: [],
          experiment_id: null,
          run_id: null,
        },
      },
    ],
  ])('%j', (body, expected) => expect(facts(body)).toMatchObject(expected));

  test('of a model', () =>
    expect(newModelBody.parse({ model_name: 'vision' })).toEqual({ name: 'vision' }));

  test('of a deployment', () =>
    expect(
      deployBody.parse({
        model_name: 'vision',
        version: 'v1',
        deployment_target: 'production',
        deployed_by: 'admin',
      }),
    ).toEqual({
      model: 'vision',
      version: 'v1',
      environment: 'production',
      declared_by: 'admin',
      strategy: 'all_at_once',
    }));
});

describe('both names of a field', () => {
  test('beside each other are one where they say the same', () =>
    expect(
      facts({
        version: 'v1',
        label: 'v1',
        hash,
        content_digest: { sha256: hash, blake3: hash },
        accuracy: 0.9,
        metrics: { accuracy: 0.9, loss: 0.1 },
        input_shape: '[1, 3]',
        signature: { input_shape: [1, 3] },
        data_version: 'a',
        lineage: { data_versions: ['a'], run_id: 'r' },
      }),
    ).toMatchObject({
      label: 'v1',
      content_digest: { sha256: hash, blake3: hash },
      metrics: [
        { name: 'accuracy', value: 0.9 },
        { name: 'loss', value: 0.1 },
      ],
      signature: { input_shape: [1, 3] },
      lineage: { data_versions: ['a'], run_id: 'r' },
    }));

  test('join what else the field holds', () =>
    expect(
      facts({ accuracy: 0.9, metrics: { loss: 0.1 }, code_version: 'c', lineage: { run_id: 'r' } }),
    ).toMatchObject({
      metrics: [
        { name: 'loss', value: 0.1 },
        { name: 'accuracy', value: 0.9 },
      ],
      lineage: { code_version: 'c', run_id: 'r' },
    }));

  test.each([
    [{ version: 'v1', label: 'v2' }, '/version'],
    [{ version: 1, label: 'v1' }, '/version'],
    [{ hash, content_digest: { sha256: hash.replace('a', 'b') } }, '/hash'],
    [{ storage_uri: 's3://a/b', artifact_uri: 's3://a/c' }, '/storage_uri'],
    [{ accuracy: 0.9, metrics: { accuracy: 0.91 } }, '/accuracy'],
    [{ output_shape: '[1]', signature: { output_shape: [2] } }, '/output_shape'],
    [{ data_version: 'a', lineage: { data_versions: ['a', 'b'] } }, '/data_version'],
  ])('must not differ: %j', (body, pointer) =>
    expect(faults(newVersionBody, body)).toEqual({
      [pointer]: expect.stringMatching(/ are one field, and must not differ$/) as string,
    }),
  );

  test('are not both there where one is null', () =>
    expect(facts({ version: null, label: 'v1', hash: null })).toMatchObject({
      label: 'v1',
      content_digest: null,
    }));
});

describe('every fault is told at once, where it is', () => {
  test('of either names, of what differs and of what nobody knows', () =>
    expect(
      faults(newVersionBody, {
        version: 'v1',
        label: 'v2',
        hash: 'abc',
        input_shape: '1x3',
        output_shape: [1, 'x'],
        accuracy: 'good',
        metrics: { recall: 'better', test: { recall: null } },
        colour: 'red',
      }),
    ).toEqual({
      '/version': 'and label are one field, and must not differ',
      '/hash': 'must be 64 hex digits',
      '/input_shape': 'must be an array of numbers, or its JSON text',
      '/accuracy': 'must be a finite number',
      '/output_shape/1': 'Invalid input: expected number, received string',
      '/metrics/recall': 'must be a finite number, or a map of such',
      '/metrics/test/recall': 'must be a finite number',
      '/colour': 'is not known here',
    }));

  test('of what is needed and given by no name', () => {
    expect(faults(deploymentBody, { region: 'eu', colour: 'red' })).toEqual({
      '/environment': 'is needed',
      '/colour': 'is not known here',
    });
    expect(faults(deployBody, { version: 1 })).toEqual({
      '/model': 'is needed',
      '/environment': 'is needed',
    });
  });

  test('of metrics that are both flat and by split, through whichever name', () => {
    for (const body of [
      { metrics: { accuracy: 1, test: { accuracy: 1 } } },
      { accuracy: 1, metrics: { test: { accuracy: 1 } } },
    ])
      expect(faults(newVersionBody, body)).toEqual({
        '/metrics': 'must be flat or by split, not both at once',
      });
  });

  test('of metrics by what is no split', () =>
    expect(faults(newVersionBody, { metrics: { holdout: { accuracy: 1 } } })).toEqual({
      '/metrics/holdout': expect.stringContaining('training, validation, test') as string,
    }));
});

test('the reference of the API shows the documents’ names with what they stand for', () => {
  const { properties } = z.toJSONSchema(newVersionBody, { io: 'input', unrepresentable: 'any' });
  expect(properties).toMatchObject({
    label: { type: ['string', 'null'] },
    hash: { description: "A document's name of `content_digest.sha256`" },
    mAP: { description: "A document's name of `metrics.mAP`" },
    input_shape: { description: "A document's name of `signature.input_shape`" },
  });
});

test('the reference says what is needed, under any of its names', () => {
  const { allOf } = z.toJSONSchema(deploymentBody, { io: 'input', unrepresentable: 'any' });
  expect(allOf).toEqual([
    { anyOf: [{ required: ['environment'] }, { required: ['deployment_target'] }] },
  ]);
});
