// New ids: UUIDv7 by the letter, never twice, and in the order of time.
import { version } from 'uuid';
import { expect, test } from 'vitest';
import { newId } from '#infra/ids.ts';

/** More than one filling of random bytes is good for. */
const some = 2_000;

test('every new id is a UUID of version 7, and none comes twice', () => {
  const ids = Array.from({ length: some }, newId);
  expect(new Set(ids.map(version))).toEqual(new Set([7]));
  expect(new Set(ids).size).toBe(some);
});

test('an id begins with the time in milliseconds, so that ids sort by it', () => {
  const before = Date.now();
  const ids = Array.from({ length: some }, newId);
  const after = Date.now();
  const times = ids.map((id) => Number.parseInt(id.slice(0, 13).replace('-', ''), 16));
  expect(times.every((time) => time >= before && time <= after)).toBe(true);
  expect(times).toEqual(times.toSorted((one, other) => one - other));
});
