// Counts durations in buckets whose width grows with the value, so that a percentile costs no memory per request.

// 128 buckets for each doubling: a bucket is at most 1/128 of its value wide, so a percentile is at most 0.8 % too high.
const bucketsPerDoublingLog2 = 7;
const bucketsPerDoubling = 2 ** bucketsPerDoublingLog2;
/** The longest duration told apart, about 71 minutes: bit operations work on 32 bits. */
const durationUsMax = 2 ** 32 - 1;
const bucketCount = (32 - bucketsPerDoublingLog2 + 1) * bucketsPerDoubling;

/** Percentiles of some durations, in milliseconds. */
export type LatencySummary = {
  count: number;
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
};

/** Durations in microseconds. A percentile is the upper end of its bucket: never better than the truth. */
export class Histogram {
  private readonly buckets = new Uint32Array(bucketCount);
  private count = 0;
  private sumUs = 0;
  private maxUs = 0;

  /** Counts one duration; a fraction of a microsecond counts as a whole one, a negative duration as 0. */
  record(durationUs: number): void {
    const value = Math.min(Math.max(Math.ceil(durationUs), 0), durationUsMax);
    this.buckets[bucketOf(value)]! += 1;
    this.count += 1;
    this.sumUs += value;
    if (value > this.maxUs) this.maxUs = value;
  }

  /** The least duration, in µs, that at least `share` (0 to 1) of all durations do not exceed; 0 when there are none. */
  percentileUs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += this.buckets[bucket]!;
      if (seen >= rank) return Math.min(upperEndOf(bucket), this.maxUs);
    }
    return 0;
  }

  summaryMs(): LatencySummary {
    return {
      count: this.count,
      mean: this.count === 0 ? 0 : this.sumUs / this.count / 1000,
      p50: this.percentileUs(0.5) / 1000,
      p90: this.percentileUs(0.9) / 1000,
      p99: this.percentileUs(0.99) / 1000,
      p999: this.percentileUs(0.999) / 1000,
      max: this.maxUs / 1000,
    };
  }
}

/** Up to 255 a bucket each; then each doubling has 128 buckets, found by the 8 highest bits of the value. */
function bucketOf(value: number): number {
  const shift = Math.max(0, 31 - Math.clz32(value) - bucketsPerDoublingLog2);
  return shift * bucketsPerDoubling + (value >>> shift);
}

function upperEndOf(bucket: number): number {
  const shift = Math.max(0, (bucket >>> bucketsPerDoublingLog2) - 1);
  return (bucket - shift * bucketsPerDoubling + 1) * 2 ** shift - 1;
}
