// Shows that percentiles from buckets are those of the sorted values, within the width of a bucket and never below.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram } from './histogram.ts';

const anyDurationUs = fc.oneof(
  fc.integer({ min: 0, max: 1_000 }),
  fc.integer({ min: 0, max: 10_000_000 }),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);

test('every percentile is the sorted value at its rank, at most 1/128 too high and never too low', () => {
  fc.assert(
    fc.property(
      fc.array(anyDurationUs, { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (durationsUs, share) => {
        const histogram = new Histogram();
        for (const durationUs of durationsUs) histogram.record(durationUs);
        const sorted = durationsUs.toSorted((one, other) => one - other);
        const exactUs = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
        const foundUs = histogram.percentileUs(share);
        expect(foundUs).toBeGreaterThanOrEqual(exactUs);
        expect(foundUs).toBeLessThanOrEqual(exactUs * (1 + 1 / 128));
      },
    ),
  );
});

test('the summary counts everything and keeps the longest exactly', () => {
  const histogram = new Histogram();
  for (let durationUs = 1; durationUs <= 1_000; durationUs++) histogram.record(durationUs * 1_000);
  const summary = histogram.summaryMs();
  expect(summary.count).toBe(1_000);
  expect(summary.max).toBe(1_000);
  expect(summary.mean).toBeCloseTo(500.5);
  expect(summary.p999).toBeGreaterThanOrEqual(999);
});

test('a histogram without values has zeros', () => {
  expect(new Histogram().summaryMs()).toEqual({
    count: 0,
    mean: 0,
    p50: 0,
    p90: 0,
    p99: 0,
    p999: 0,
    max: 0,
  });
});
