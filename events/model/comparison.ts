// Versions side by side: what is the same, what differs, by how much, and which is better. The first named is what the others
// are measured against.
import { jsonPointer } from '../json-pointer.ts';
import type { ModelEventData } from './events.ts';
import { betterOf } from './metric-direction.ts';
import type { Better } from './metric-direction.ts';
import { flatMetrics, metricsBySplit } from './metrics.ts';
import { sameJson } from './same-json.ts';
import { splits } from './shapes.ts';

export type Compared = Pick<
  ModelEventData<'model.versioned'>,
  'number' | 'metrics' | 'hyperparameters' | 'signature' | 'lineage' | 'size_bytes' | 'cost_per_1k'
>;

/** A metric that the caller asks about; how it is better where the caller says so. */
export type WantedMetric = { name: string; better: Better | null };

/** `only_in_some`: a version has nothing there, so of two versions it is only in one. */
type Change = 'same' | 'changed' | 'only_in_some';
/** By the version's number; a version that has none is absent. */
type ByVersion<Value> = Record<number, Value>;

type FieldRow = { field: string; change: Change; values: ByVersion<unknown> };

type Measure = {
  change: Change;
  values: ByVersion<number>;
  /** Of each other version from the first, where both have one. */
  differences: ByVersion<number>;
  /** Null where nobody has said and the name does not tell. */
  better: Better | null;
  /** The versions with the best value; empty where fewer than two have one, or it is not known what is better. */
  best: readonly number[];
};
type MetricRow = { name: string } & Measure;

/**
 * Who wins: by the metric that was asked for first, else who is nowhere worse than another and somewhere better. `tie`: several
 * are equally good; `mixed`: one is better in this, another in that; `not_measured`: nothing can be compared.
 */
type Champion = {
  by: string | null;
  outcome: 'won' | 'tie' | 'mixed' | 'not_measured';
  number: number | null;
};

export type Comparison = {
  metrics: readonly MetricRow[];
  metrics_by_split: Readonly<Partial<Record<(typeof splits)[number], readonly MetricRow[]>>>;
  hyperparameters: readonly FieldRow[];
  signature: readonly FieldRow[];
  lineage: readonly FieldRow[];
  size_bytes: Measure;
  cost_per_1k: Measure;
  champion: Champion;
};

/** A difference of two decimal numbers is one too: what the last bits of binary add to it means nothing. */
const significantDigits = 12;
/** Null past what a number can hold. */
function difference(from: number, to: number): number | null {
  const exact = to - from;
  return Number.isFinite(exact) ? Number(exact.toPrecision(significantDigits)) : null;
}

type Cell<Value> = { number: number; value: Value | undefined };

function changeOf(cells: readonly Cell<unknown>[]): Change {
  const [first, ...others] = cells;
  if (cells.every(({ value }) => value === undefined)) return 'same';
  if (cells.some(({ value }) => value === undefined)) return 'only_in_some';
  return others.every(({ value }) => sameJson(value, first!.value)) ? 'same' : 'changed';
}

const isGiven = <Value>(cell: Cell<Value>): cell is { number: number; value: Value } =>
  cell.value !== undefined;

const valuesOf = <Value>(cells: readonly Cell<Value>[]): ByVersion<Value> =>
  Object.fromEntries(cells.filter(isGiven).map(({ number, value }) => [number, value]));

function measure(cells: readonly Cell<number>[], better: Better | null): Measure {
  const [first, ...others] = cells;
  const given = cells.filter(isGiven);
  const differences: ByVersion<number> = {};
  for (const { number, value } of others.filter(isGiven)) {
    const found = first!.value === undefined ? null : difference(first!.value, value);
    if (found !== null) differences[number] = found;
  }
  const values = given.map(({ value }) => value);
  const most = better === 'lower' ? Math.min(...values) : Math.max(...values);
  const isJudged = better !== null && given.length > 1;
  return {
    change: changeOf(cells),
    values: valuesOf(cells),
    differences,
    better,
    best: isJudged ? given.filter(({ value }) => value === most).map(({ number }) => number) : [],
  };
}

/** Keys of all maps, in the order in which they are met. */
const keysOf = (maps: readonly ReadonlyMap<string, unknown>[]): string[] => [
  ...new Set(maps.flatMap((map) => [...map.keys()])),
];

/** The leaves of a JSON value by their pointers. A list is one value: its places say nothing about what stands in them. */
function leavesOf(
  value: unknown,
  path: readonly string[] = [],
  leaves = new Map<string, unknown>(),
): Map<string, unknown> {
  const isInner =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    (path.length === 0 || Object.keys(value).length > 0);
  if (!isInner) leaves.set(jsonPointer(path), value);
  else for (const [key, inner] of Object.entries(value)) leavesOf(inner, [...path, key], leaves);
  return leaves;
}

/** Of a record of the registry's own fields: null, or an empty list, says nothing. */
const said = (record: object | null): object =>
  Object.fromEntries(
    Object.entries(record ?? {}).filter(
      ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
    ),
  );

export function compareVersions(
  versions: readonly Compared[],
  wanted: readonly WantedMetric[] = [],
): Comparison {
  const cellsOf = <Value>(
    valueOf: (version: Compared, nth: number) => Value | undefined,
  ): Cell<Value>[] =>
    versions.map((version, nth) => ({ number: version.number, value: valueOf(version, nth) }));

  function fields(of: (version: Compared) => object): FieldRow[] {
    const leaves = versions.map((version) => leavesOf(of(version)));
    return keysOf(leaves).map((field) => {
      const cells = cellsOf((_, nth) => leaves[nth]!.get(field));
      return { field, change: changeOf(cells), values: valuesOf(cells) };
    });
  }

  /** A metric that was asked for is better when it is higher where neither the caller nor its name says otherwise, as for gates. */
  function better(name: string): Better | null {
    const asked = wanted.find((metric) => metric.name === name);
    return asked === undefined ? betterOf(name) : (asked.better ?? betterOf(name) ?? 'higher');
  }

  function metrics(of: (version: Compared) => Readonly<Record<string, number>>): MetricRow[] {
    const measured = versions.map((version) => new Map(Object.entries(of(version))));
    return keysOf(measured).map((name) => ({
      name,
      ...measure(
        cellsOf((_, nth) => measured[nth]!.get(name)),
        better(name),
      ),
    }));
  }

  const flat = metrics((version) => flatMetrics(version.metrics));
  const bySplit = splits
    .map((split) => [split, metrics((one) => metricsBySplit(one.metrics)[split] ?? {})] as const)
    .filter(([, rows]) => rows.length > 0);
  return {
    metrics: flat,
    metrics_by_split: Object.fromEntries(bySplit),
    hyperparameters: fields((version) => version.hyperparameters),
    signature: fields((version) => said(version.signature)),
    lineage: fields((version) => said(version.lineage)),
    size_bytes: measure(
      cellsOf(({ size_bytes }) => size_bytes ?? undefined),
      'lower',
    ),
    cost_per_1k: measure(
      cellsOf(({ cost_per_1k }) => cost_per_1k ?? undefined),
      'lower',
    ),
    champion: championOf(flat, wanted[0]?.name ?? null),
  };
}

function championOf(rows: readonly MetricRow[], by: string | null): Champion {
  const judged = rows.filter(({ name, best }) => best.length > 0 && (by === null || name === by));
  if (judged.length === 0) return { by, outcome: 'not_measured', number: null };
  const everywhere = judged
    .map(({ best }) => new Set(best))
    .reduce((left, right) => left.intersection(right));
  const [first] = everywhere;
  if (first === undefined) return { by, outcome: 'mixed', number: null };
  return everywhere.size > 1
    ? { by, outcome: 'tie', number: null }
    : { by, outcome: 'won', number: first };
}
