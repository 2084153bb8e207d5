// Shows that a benchmark judges as it says, never takes silence for zero, and keeps the rows that it did not measure.
import { describe, expect, test } from 'vitest';
import { lagFaults } from './load.ts';
import { lagOf, samplesOf } from './metrics.ts';
import { updatedDocument, type Measured } from './report.ts';
import {
  levelOf,
  median,
  percentile,
  verdictOf,
  verdictOfLeast,
  verdictOfMost,
} from './scenario.ts';

const shown = `# HELP modelog_projector_lag_seconds How far a view is behind
# TYPE modelog_projector_lag_seconds gauge
modelog_projector_lag_seconds{view="models",source="log"} 0.25
modelog_projector_lag_seconds{view="versions",source="log"} 1.5e0
modelog_projector_lag_seconds_total{view="models"} 9
modelog_projector_lag_events{view="models"} 12
modelog_relay_lag_events 7
`;

describe('the lag that the services show', () => {
  test('is read by view, from metrics of exactly that name', () => {
    expect(lagOf(shown)).toEqual({
      projectorSeconds: { models: 0.25, versions: 1.5 },
      projectorEvents: { models: 12 },
      relayEvents: 7,
    });
    expect(samplesOf(shown, 'modelog_projector_lag')).toEqual([]);
  });

  test('is a fault when no service shows it', () => {
    const nothing = { samples: 100, maxSeconds: null, slowestView: null, maxRelayEvents: null };
    expect(lagOf('').relayEvents).toBeNull();
    expect(lagFaults(nothing)).toHaveLength(1);
    expect(lagFaults({ ...nothing, maxSeconds: 1, slowestView: 'models' })).toEqual([]);
    expect(lagFaults({ ...nothing, maxSeconds: 1.1, slowestView: 'models' })).toHaveLength(1);
  });
});

describe('a verdict', () => {
  test('is met only without a fault, at the highest level that the load reaches', () => {
    expect(levelOf(5_999, 6_000, 10_000)).toBeNull();
    expect(levelOf(6_000, 6_000, 10_000)).toBe('must');
    expect(levelOf(10_000, 6_000, 10_000)).toBe('aim');
    expect(verdictOf('aim', [])).toBe('aim met');
    expect(verdictOf('must', ['3 failed'])).toContain('MISSED: 3 failed');
    expect(verdictOf(null, ['3 failed'])).toContain('3 failed');
  });

  test('of a figure compares it with both marks, and one that is absent is missed', () => {
    expect(verdictOfLeast(0.2, 0.12, 0.2)).toBe('aim met');
    expect(verdictOfLeast(0.12, 0.12, 0.2)).toBe('must met');
    expect(verdictOfLeast(0.11, 0.12, 0.2)).toContain('MISSED');
    expect(verdictOfMost(50, 100, 50)).toBe('aim met');
    expect(verdictOfMost(100, 100, 50)).toBe('must met');
    expect(verdictOfMost(101, 100, 50)).toContain('MISSED');
    expect(verdictOfMost(null, 100, 50)).toContain('MISSED');
  });

  test('rests on medians and percentiles of the values as they are', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(percentile([5, 1, 4, 2, 3], 0.99)).toBe(5);
    expect(percentile([5, 1, 4, 2, 3], 0.5)).toBe(3);
    expect(percentile([], 0.5)).toBeNull();
  });
});

test('the document keeps its notes and the rows of scenarios that did not run, and replaces those that did', () => {
  const rowOf = (scenario: string, measured: string): Measured => ({
    scenario,
    seconds: 60,
    rows: [{ what: 'a | b', measured, must: '1', aim: '2', verdict: 'must met' }],
  });
  const first = updatedDocument('', [rowOf('durable', 'old'), rowOf('long-log', 'kept')], 'one');
  const notes = '\n## What holds them\n\n| driver | 35 |\n\nThe disk.\n';
  const noted = `${first}${notes}`;
  const second = updatedDocument(noted, [rowOf('durable', 'new')], 'two');
  expect(second.endsWith(`\n${notes}`)).toBe(true);
  expect(second.split('| driver |')).toHaveLength(2);
  expect(second).toContain('| long-log | a \\| b (60 s) | kept |');
  expect(second).toContain('| durable | a \\| b (60 s) | new |');
  expect(second).not.toContain('| old |');
  expect(second).toContain('`two`');
});
