// What tells the last message that was read from another one is written down, whoever chose its id.
import { expect, test } from 'vitest';
import { isStorableText } from '#events/names.ts';
import { markOf } from '#infra/kafka/reading-on.ts';

test.each([['a\u0000b'], [`${'a'.repeat(63)}😀`]])('the mark of %j can be stored', (id) => {
  const headers = { ce_id: Buffer.from(id) };
  const mark = markOf({ offset: 1, key: null, value: null, headers, timestampMs: 7 });
  expect(isStorableText(mark)).toBe(true);
  expect(mark).toMatch(/^7 a/);
});
