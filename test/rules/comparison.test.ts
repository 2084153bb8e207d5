// Versions side by side: what is the same, what differs and by how much, and which is better.
import { describe, expect, test } from 'vitest';
import { compareVersions } from '#events/model/comparison.ts';
import type { Compared } from '#events/model/comparison.ts';
import { betterOf, higherIsBetter, lowerIsBetter } from '#events/model/metric-direction.ts';
import type { Metric } from '#events/model/metrics.ts';
import { noVersionFacts } from './history.ts';

const version = (number: number, facts: Partial<Compared> = {}): Compared => ({
  ...noVersionFacts,
  number,
  ...facts,
});
const measured = (values: Record<string, number>, split: Metric['split'] = null): Metric[] =>
  Object.entries(values).map(([name, value]) => ({ name, split, value }));
const withMetrics = (number: number, values: Record<string, number>): Compared =>
  version(number, { metrics: measured(values) });

describe('a metric', () => {
  test('of both is shown with the difference from the first, and the better one', () =>
    expect(
      compareVersions([withMetrics(2, { accuracy: 0.91 }), withMetrics(3, { accuracy: 0.95 })])
        .metrics,
    ).toEqual([
      {
        name: 'accuracy',
        change: 'changed',
        values: { 2: 0.91, 3: 0.95 },
        differences: { 3: 0.04 },
        better: 'higher',
        best: [3],
      },
    ]));

  test('that is an error is better where it is lower', () =>
    expect(
      compareVersions([withMetrics(1, { val_loss: 0.3 }), withMetrics(2, { val_loss: 0.5 })])
        .metrics,
    ).toMatchObject([{ better: 'lower', best: [1], differences: { 2: 0.2 } }]));

  test('that one lacks is only in some, with no difference and no better one', () =>
    expect(
      compareVersions([withMetrics(1, {}), withMetrics(2, { accuracy: 0.5 })]).metrics,
    ).toMatchObject([{ change: 'only_in_some', values: { 2: 0.5 }, differences: {}, best: [] }]));

  test('that two of three have is judged between them, and differs from the first only', () =>
    expect(
      compareVersions([
        withMetrics(1, {}),
        withMetrics(2, { recall: 0.5 }),
        withMetrics(3, { recall: 0.75 }),
      ]).metrics,
    ).toMatchObject([{ change: 'only_in_some', differences: {}, best: [3] }]));

  test('that is equal is the same, and best in all', () =>
    expect(
      compareVersions([withMetrics(1, { auc: 0.5 }), withMetrics(2, { auc: 0.5 })]).metrics,
    ).toMatchObject([{ change: 'same', differences: { 2: 0 }, best: [1, 2] }]));

  test('whose name tells nothing has no better one', () =>
    expect(
      compareVersions([withMetrics(1, { depth: 3 }), withMetrics(2, { depth: 4 })]).metrics,
    ).toMatchObject([{ better: null, best: [], differences: { 2: 1 } }]));

  test.each([
    ['lower', [1]],
    ['higher', [2]],
  ] as const)('is better when it is %s, if the caller says so', (better, best) =>
    expect(
      compareVersions(
        [withMetrics(1, { accuracy: 3 }), withMetrics(2, { accuracy: 4 })],
        [{ name: 'accuracy', better }],
      ).metrics,
    ).toMatchObject([{ better, best }]),
  );

  test('too far apart for a number has no difference', () => {
    const [row] = compareVersions([
      withMetrics(1, { accuracy: -Number.MAX_VALUE }),
      withMetrics(2, { accuracy: Number.MAX_VALUE }),
    ]).metrics;
    expect(row).toMatchObject({ change: 'changed', differences: {}, best: [2] });
  });

  test('by split is compared in its split, beside the flat view', () => {
    const found = compareVersions([
      version(1, {
        metrics: [...measured({ f1: 0.5 }, 'test'), ...measured({ f1: 0.9 }, 'training')],
      }),
      version(2, { metrics: measured({ f1: 0.75 }, 'test') }),
    ]);
    expect(found.metrics).toMatchObject([{ name: 'f1', values: { 1: 0.5, 2: 0.75 }, best: [2] }]);
    expect(found.metrics_by_split).toMatchObject({
      test: [{ name: 'f1', differences: { 2: 0.25 } }],
      training: [{ name: 'f1', change: 'only_in_some', values: { 1: 0.9 } }],
    });
    expect(Object.keys(found.metrics_by_split)).toEqual(['training', 'test']);
  });
});

describe('hyperparameters', () => {
  const rows = (...all: Compared['hyperparameters'][]) =>
    compareVersions(all.map((hyperparameters, nth) => version(nth + 1, { hyperparameters })))
      .hyperparameters;

  test('are compared leaf by leaf, however deep', () =>
    expect(
      rows(
        { optimizer: { name: 'adam', 'learning/rate': 0.1 }, epochs: 3 },
        { optimizer: { name: 'adam', 'learning/rate': 0.2 }, seed: 1 },
      ),
    ).toEqual([
      { field: '/optimizer/name', change: 'same', values: { 1: 'adam', 2: 'adam' } },
      { field: '/optimizer/learning~1rate', change: 'changed', values: { 1: 0.1, 2: 0.2 } },
      { field: '/epochs', change: 'only_in_some', values: { 1: 3 } },
      { field: '/seed', change: 'only_in_some', values: { 2: 1 } },
    ]));

  test('that are lists are one value each', () =>
    expect(
      rows(
        { layers: [64, 32], kept: [{ a: 1, b: 2 }] },
        { layers: [32, 64], kept: [{ b: 2, a: 1 }] },
      ),
    ).toMatchObject([
      { field: '/layers', change: 'changed' },
      { field: '/kept', change: 'same' },
    ]));

  test('of null are said, as null means something to many a library', () =>
    expect(rows({ max_depth: null }, { max_depth: 3 })).toEqual([
      { field: '/max_depth', change: 'changed', values: { 1: null, 2: 3 } },
    ]));

  test('that are a value here and an object there stand in rows of their own', () =>
    expect(rows({ a: 1 }, { a: { b: 1 } }, { a: {} })).toMatchObject([
      { field: '/a', values: { 1: 1, 3: {} }, change: 'only_in_some' },
      { field: '/a/b', values: { 2: 1 } },
    ]));

  test('of none are no row', () => expect(rows({}, {})).toEqual([]));
});

test('signature, lineage, size and cost are compared by what is said of them', () => {
  const lineage = { ...noVersionFacts.lineage, code_version: 'abc' };
  const signature = {
    inputs: { age: 'int' },
    outputs: null,
    input_shape: [1, 3],
    output_shape: null,
    feature_schema: null,
  };
  const found = compareVersions([
    version(1, { lineage, signature, size_bytes: 100, cost_per_1k: 0.5 }),
    version(2, { lineage: { ...lineage, data_versions: ['d1'] }, size_bytes: 50 }),
  ]);
  expect(found.lineage).toEqual([
    { field: '/code_version', change: 'same', values: { 1: 'abc', 2: 'abc' } },
    { field: '/data_versions', change: 'only_in_some', values: { 2: ['d1'] } },
  ]);
  expect(found.signature).toEqual([
    { field: '/inputs/age', change: 'only_in_some', values: { 1: 'int' } },
    { field: '/input_shape', change: 'only_in_some', values: { 1: [1, 3] } },
  ]);
  expect(found.size_bytes).toMatchObject({ change: 'changed', differences: { 2: -50 }, best: [2] });
  expect(found.cost_per_1k).toMatchObject({ change: 'only_in_some', values: { 1: 0.5 }, best: [] });
  const nothing = compareVersions([version(1), version(2)]);
  expect(nothing.size_bytes).toMatchObject({ change: 'same', values: {}, best: [] });
});

describe('the champion', () => {
  const champion = (
    all: readonly Record<string, number>[],
    ...wanted: { name: string; better: 'higher' | 'lower' | null }[]
  ) =>
    compareVersions(
      all.map((values, nth) => withMetrics(nth + 1, values)),
      wanted,
    ).champion;

  test('is the best by the metric that was asked for first', () =>
    expect(
      champion(
        [
          { f1_score: 0.8, latency_ms: 10 },
          { f1_score: 0.9, latency_ms: 30 },
          { f1_score: 0.7, latency_ms: 20 },
        ],
        { name: 'f1_score', better: null },
        { name: 'latency_ms', better: null },
      ),
    ).toEqual({ by: 'f1_score', outcome: 'won', number: 2 }));

  test('by a name that tells nothing is who has more of it', () =>
    expect(champion([{ depth: 1 }, { depth: 2 }], { name: 'depth', better: null })).toEqual({
      by: 'depth',
      outcome: 'won',
      number: 2,
    }));

  test('is nobody where several are equal', () =>
    expect(champion([{ f1: 1 }, { f1: 1 }], { name: 'f1', better: null })).toEqual({
      by: 'f1',
      outcome: 'tie',
      number: null,
    }));

  test.each([[[{}, {}]], [[{ f1: 1 }, {}]]])(
    'of %j is nobody, as there is nothing to compare',
    (all) =>
      expect(champion(all, { name: 'f1', better: null })).toMatchObject({
        outcome: 'not_measured',
      }),
  );

  test('of no metric is who is nowhere worse and somewhere better', () =>
    expect(
      champion([
        { f1: 1, loss: 0.5, depth: 9 },
        { f1: 1, loss: 0.4, depth: 1 },
      ]),
    ).toEqual({ by: null, outcome: 'won', number: 2 }));

  test('of no metric is nobody where each has its own advantage', () =>
    expect(
      champion([
        { f1: 1, loss: 0.5 },
        { f1: 0.9, loss: 0.4 },
      ]),
    ).toEqual({ by: null, outcome: 'mixed', number: null }));
});

describe('a name', () => {
  test.each([
    ['accuracy', 'higher'],
    ['f1_score', 'higher'],
    ['mAP', 'higher'],
    ['mAP50', 'higher'],
    ['ROC-AUC', 'higher'],
    ['neg_mean_squared_error', 'higher'],
    ['brier_score', 'lower'],
    ['valLoss', 'lower'],
    ['RMSE', 'lower'],
    ['p99_latency_ms', 'lower'],
    ['log-loss', 'lower'],
    ['uptime', null],
    ['glossary_size', null],
    ['', null],
  ])('%j is better when it is %s', (name, better) => expect(betterOf(name)).toBe(better));

  test('has no word that tells both', () =>
    expect([...lowerIsBetter.intersection(higherIsBetter)]).toEqual([]));
});
