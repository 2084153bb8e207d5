// The words by which a metric's name tells what is better are those that docs/insight.md lists.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { higherIsBetter, lowerIsBetter } from '#events/model/metric-direction.ts';

const page = readFileSync(new URL('../../docs/insight.md', import.meta.url), 'utf8');
/** The words of the paragraph that is nothing but words, after the one that ends so. */
const wordsAfter = (end: string): string[] => {
  const paragraph = page.slice(page.indexOf(`${end}\n\n`)).split('\n\n')[1] ?? '';
  return [...paragraph.matchAll(/`(\w+)`/g)].map(([, word]) => word!);
};

test.each([
  ['is better with one of', lowerIsBetter],
  ['else higher with one of', higherIsBetter],
] as const)('after "%s" stands every word, and no other', (end, words) =>
  expect(wordsAfter(end)).toEqual([...words]),
);
