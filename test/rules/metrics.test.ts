// Metrics: written as a flat map or by split, shown both ways.
import { describe, expect, test } from 'vitest';
import { flatMetrics, metricsBySplit } from '#events/model/metrics.ts';
import { versionFactsOf } from '#services/command-api/fields.ts';
import { newVersionBody } from '#services/command-api/version-body.ts';

const written = (metrics: unknown) => versionFactsOf(newVersionBody.parse({ metrics })).metrics;

describe('what is written', () => {
  test('as a flat map has no split', () =>
    expect(written({ accuracy: 0.95, mAP: -1 })).toEqual([
      { name: 'accuracy', split: null, value: 0.95 },
      { name: 'mAP', split: null, value: -1 },
    ]));

  test('as maps by split keeps them', () =>
    expect(written({ test: { accuracy: 0.9 }, training: { accuracy: 0.99, loss: 0.1 } })).toEqual([
      { name: 'accuracy', split: 'test', value: 0.9 },
      { name: 'accuracy', split: 'training', value: 0.99 },
      { name: 'loss', split: 'training', value: 0.1 },
    ]));

  test('as a number called like a split is a metric of that name', () =>
    expect(written({ test: 0.5 })).toEqual([{ name: 'test', split: null, value: 0.5 }]));

  test.each([undefined, null, {}])('as %j is nothing', (metrics) =>
    expect(written(metrics)).toEqual([]),
  );

  test.each([
    ['both ways at once', { accuracy: 1, test: { accuracy: 1 } }],
    ['by a split that there is not', { holdout: { accuracy: 1 } }],
    ['as a text', { accuracy: '0.9' }],
    ['as nothing', { accuracy: null }],
    ['as no number', { accuracy: Number.NaN }],
    ['without end', { accuracy: Number.POSITIVE_INFINITY }],
    ['without a name', { '': 1 }],
    ['as a list', [0.9]],
    ['in too great a number', Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [i, i]))],
  ])('%s is refused', (_, metrics) =>
    expect(newVersionBody.safeParse({ metrics }).success).toBe(false),
  );
});

describe('what is shown', () => {
  const metrics = [
    { name: 'accuracy', split: 'test' as const, value: 3 },
    { name: 'accuracy', split: null, value: 4 },
    { name: 'accuracy', split: 'training' as const, value: 1 },
    { name: 'accuracy', split: 'validation' as const, value: 2 },
    { name: 'loss', split: 'training' as const, value: 5 },
    { name: 'loss', split: 'validation' as const, value: 6 },
    { name: 'recall', split: 'training' as const, value: 7 },
  ];

  test('flat is the value without a split, else of the test, the validation, the training', () =>
    expect(flatMetrics(metrics)).toEqual({ accuracy: 4, loss: 6, recall: 7 }));

  test('by split is what was measured so', () =>
    expect(metricsBySplit(metrics)).toEqual({
      test: { accuracy: 3 },
      training: { accuracy: 1, loss: 5, recall: 7 },
      validation: { accuracy: 2, loss: 6 },
    }));
});
