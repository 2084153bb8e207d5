// Every event type has its golden file, and every table of events knows every type.
import { expect, test } from 'vitest';
import { catalogue } from '#events/catalogue.ts';
import { goldenFiles } from '#test/golden/files.ts';
import type { GoldenFile } from '#test/golden/files.ts';

const types = Object.entries(catalogue).map(([type, { schema_version }]) => ({
  type,
  schemaVersion: schema_version as number,
}));

/** Types and schema versions without a file, and files without a type. */
function unmatched(
  known: readonly { type: string; schemaVersion: number }[],
  files: readonly Pick<GoldenFile, 'type' | 'schemaVersion'>[],
): string[] {
  const has = (type: string, schemaVersion: number): boolean =>
    files.some((file) => file.type === type && file.schemaVersion === schemaVersion);
  const missing = known.flatMap(({ type, schemaVersion }) =>
    Array.from({ length: schemaVersion }, (_, index) => index + 1)
      .filter((version) => !has(type, version))
      .map((version) => `${type} ${version} has no file`),
  );
  const foreign = files
    .filter(
      (file) =>
        !known.some(
          ({ type, schemaVersion }) => type === file.type && file.schemaVersion <= schemaVersion,
        ),
    )
    .map(({ type, schemaVersion }) => `${type} ${schemaVersion} is unknown`);
  return [...missing, ...foreign];
}

test('the law sees the types and the files', () => {
  expect(types.length).toBeGreaterThan(20);
  expect(goldenFiles().length).toBeGreaterThan(20);
});

test('every event type has its golden files, and every file its type', () =>
  expect(unmatched(types, goldenFiles())).toEqual([]));

test('an event is named by what it is of and what happened, in the past tense', () => {
  const wrong = types.filter(
    ({ type }) => !/^[a-z_]+\.[a-z_]*(ed|begun|sent|put|set|back|drawn)$/.test(type),
  );
  expect(wrong).toEqual([]);
});

test('a violation is found', () => {
  const known = [{ type: 'model.registered', schemaVersion: 2 }];
  expect(unmatched(known, [{ type: 'model.registered', schemaVersion: 2 }])).toEqual([
    'model.registered 1 has no file',
  ]);
  expect(
    unmatched(known, [
      { type: 'model.registered', schemaVersion: 1 },
      { type: 'model.registered', schemaVersion: 2 },
      { type: 'model.registered', schemaVersion: 3 },
      { type: 'model.exploded', schemaVersion: 1 },
    ]),
  ).toEqual(['model.registered 3 is unknown', 'model.exploded 1 is unknown']);
});
