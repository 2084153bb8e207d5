// Every way to say no is met by a test of the rules.
import { expect, test } from 'vitest';
import { allRefusalCodes } from '#test/rules/refusal-codes.ts';
import { sourceFiles } from './tree.ts';
import type { SourceFile } from './tree.ts';

const tests = sourceFiles('.test.ts').filter(({ path }) => path.startsWith('test/rules/'));

/** Codes that no test expects as a refusal. */
const unmet = (codes: readonly string[], files: readonly Pick<SourceFile, 'text'>[]): string[] =>
  codes.filter((code) => !files.some(({ text }) => text.includes(`code: '${code}'`)));

test('the law sees the codes and the tests', () => {
  expect(allRefusalCodes.length).toBeGreaterThan(40);
  expect(tests.length).toBeGreaterThan(20);
});

test('every refusal is met by a test of the rules', () =>
  expect(unmet(allRefusalCodes, tests)).toEqual([]));

test('a violation is found', () =>
  expect(unmet(['in_use', 'in_doubt'], [{ text: `{ code: 'in_use', number: 1 }` }])).toEqual([
    'in_doubt',
  ]));
