// A scanned map is a map, whatever is asked of it before and after it is made.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ScannedMap } from '#services/command-api/scanned-map.ts';

type Row = readonly [number: number, name: string | null];

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ call: fc.constantFrom('get', 'has'), key }) },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('set'), key, value: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      call: fc.constantFrom('delete', 'size', 'keys', 'values', 'entries', 'each', 'clear'),
      key,
    }),
  },
);
type Step = { call: string; key: string; value?: number };

function answerOf(map: Map<string, number>, { call, key: asked, value = 0 }: Step): unknown {
  switch (call) {
    case 'get':
      return map.get(asked);
    case 'has':
      return map.has(asked);
    case 'set':
      return map.set(asked, value).get(asked);
    case 'delete':
      return map.delete(asked);
    case 'size':
      return map.size;
    case 'keys':
      return [...map.keys()];
    case 'values':
      return [...map.values()];
    case 'entries':
      return [...map];
    case 'each': {
      const seen: unknown[] = [];
      map.forEach((held, name) => seen.push([name, held]));
      return seen;
    }
    default:
      return map.clear();
  }
}

test('it answers as a map of the same entries, in the same order', () => {
  const rows = fc.uniqueArray(key).map((names) =>
    names.flatMap((name, nth): Row[] => [
      [nth, name],
      [100 + nth, null],
    ]),
  );
  fc.assert(
    fc.property(rows, fc.array(step, { maxLength: 40 }), (given, steps) => {
      const scanned = new ScannedMap<Row, number>(
        given,
        ([, name]) => name,
        ([number]) => number,
      );
      const map = new Map(
        given.flatMap(([number, name]) => (name === null ? [] : [[name, number] as const])),
      );
      for (const asked of steps) expect(answerOf(scanned, asked)).toEqual(answerOf(map, asked));
      expect([...scanned]).toEqual([...map]);
    }),
    { numRuns: 500 },
  );
});
