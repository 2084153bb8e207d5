// Holds rows that were packed and unpacked equal to what they were.
import { array, assert, constantFrom, dictionary, jsonValue, property, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import type { SnapshotPart } from '#events/log.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelKind } from '#services/command-api/kinds.ts';
import { packRows, unpackRows } from '#services/command-api/packed-rows.ts';
import { history } from '#test/retention/history.ts';

const key = constantFrom('a', 'b', 'row', '__proto__', 'constructor');
const anyRow = dictionary(key, jsonValue({ maxDepth: 3 }));
const again = (rows: readonly object[]): object[] =>
  unpackRows(JSON.parse(JSON.stringify(packRows(rows))) as ReturnType<typeof packRows>);

test('rows come back as they were, however they differ', () => {
  assert(
    property(array(tuple(anyRow, anyRow), { maxLength: 10 }), (pairs) => {
      // Rows that say much of the same again, as real ones do.
      const rows = pairs.flatMap(([one, other]) => [one, { ...one, ...other }, one]);
      expect(JSON.stringify(again(rows))).toBe(JSON.stringify(rows));
    }),
    { numRuns: 1_000 },
  );
});

test('a value that a row has no more does not come back from the first', () => {
  expect(again([{ a: 1, b: 2 }, { a: 1 }, { b: undefined, a: 2 }, { a: 1, b: { a: 1 } }])).toEqual([
    { a: 1, b: 2 },
    { a: 1 },
    { a: 2 },
    { a: 1, b: { a: 1 } },
  ]);
});

test('the snapshot of a model folds on as the model itself, at a fraction of its rows', () => {
  const { state } = history().createSeveral(50).move(3, 'staging').deploy(3, 'a').setDefault(7);
  const { newEncoder, decode } = modelKind.snapshot!;
  const parts = newEncoder().encode(state);
  const decoded = decode(parts).state;
  const wholly = (late: ModelState): ModelState => ({
    ...late,
    versions: new Map(late.versions),
    numberByVersionId: new Map(late.numberByVersionId),
    numberByLabel: new Map(late.numberByLabel),
    numberBySha256: new Map(late.numberBySha256),
  });
  expect(wholly(decoded)).toEqual(state);
  expect(parts.map((part) => part()).join('').length).toBeLessThan(
    JSON.stringify([...state.versions.values()]).length / 4,
  );
});

test('of the snapshot of a long model only that part is unpacked in which a version is', () => {
  const { state } = history().createSeveral(600);
  const { newEncoder, decode } = modelKind.snapshot!;
  const unpacked: number[] = [];
  const { versions } = decode(
    newEncoder()
      .encode(state)
      .map((part, nth) => () => {
        unpacked.push(nth);
        return part();
      }),
  ).state;
  expect(versions.size).toBe(600);
  for (const number of [600, 250, 251, 300, 1])
    expect(versions.get(number)).toEqual(state.versions.get(number));
  expect(unpacked).toEqual([0, 3, 1, 2, 1]);
  expect(new Map(versions)).toEqual(state.versions);
});

test('the next snapshot of a long model has new parts only where a version has changed or come', () => {
  const { newEncoder, decode } = modelKind.snapshot!;
  const long = history().createSeveral(600);
  const written = newEncoder().encode(long.state);
  const { state, encoder } = decode(written);
  // asked for, and left as it was
  expect(state.versions.get(1)).toBeDefined();
  const changed = long.move(300, 'staging').createSeveral(1).state;
  for (const number of [300, 601]) state.versions.set(number, changed.versions.get(number)!);
  const next = encoder.encode(state);
  const isNew = (part: SnapshotPart): boolean => !written.includes(part);
  expect(next.map(isNew)).toEqual([true, false, true, true]);
  expect(encoder.encode(state).slice(1)).toEqual(next.slice(1));
  expect(new Map(decode(next).state.versions)).toEqual(changed.versions);
});
