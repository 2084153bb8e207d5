// What a benchmark scenario is given, and the rows of the table that it gives back.

/** One line of the table: what was measured against what the project asks for. */
export type Row = {
  what: string;
  measured: string;
  must: string;
  aim: string;
  verdict: string;
};

export type Bench = {
  /** Aborted on Ctrl-C: every wait and every child ends with it. */
  signal: AbortSignal;
  /** Ends what the scenario started, the last thing first, whether it succeeded or not. */
  endings: AsyncDisposableStack;
  /** How long each load lasts. */
  seconds: number;
  /** Rates to use instead of the scenario's own, in requests per second; empty for its own. */
  rates: readonly number[];
  /** How many events a long log has. */
  events: number;
  /** Tells a person at the terminal what goes on. */
  say(text: string): void;
};

export type Scenario = {
  name: string;
  /** One line for `--help`. */
  purpose: string;
  run(bench: Bench): Promise<Row[]>;
};

/** What a figure must be (the project's floor) and should be. */
export type Level = 'must' | 'aim';

/** `must met`, or why it is not: one short text a fault. */
export function verdictOf(level: Level | null, faults: readonly string[]): string {
  if (level === null)
    return faults.length === 0 ? 'below the asked load' : `fails: ${faults.join('; ')}`;
  return faults.length === 0 ? `${level} met` : `${level} MISSED: ${faults.join('; ')}`;
}

/** The level that `value` reaches where more is better (`must` and `aim` are the least allowed). */
export function verdictOfLeast(value: number, must: number, aim: number): string {
  if (value >= aim) return 'aim met';
  return verdictOf('must', value >= must ? [] : [`${format(value)} < ${format(must)}`]);
}

/** The level that `value` reaches where less is better; null means that it could not be measured. */
export function verdictOfMost(value: number | null, must: number, aim: number): string {
  if (value === null) return verdictOf('must', ['not measured']);
  if (value <= aim) return 'aim met';
  return verdictOf('must', value <= must ? [] : [`${format(value)} > ${format(must)}`]);
}

/** The level that a load at `rate` is judged by: the highest one that it reaches. */
export function levelOf(rate: number, must: number, aim: number): Level | null {
  if (rate >= aim) return 'aim';
  return rate >= must ? 'must' : null;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The least of the values that at least `share` of them do not exceed; null if there are none. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

/** Three digits are more than such a measurement is worth. */
export function format(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}
