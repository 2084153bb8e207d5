// What every file says, and what none may: a first sentence, no promises for later, no skipped tests, no sleeping.
import { describe, expect, test } from 'vitest';
import { sourceFiles } from './tree.ts';
import type { SourceFile } from './tree.ts';

const files = sourceFiles('.ts', '.sql');
const tests = files.filter(({ path }) => path.startsWith('test/') && path.endsWith('.ts'));
const written = sourceFiles('.ts', '.sql', '.md', '.yml', '.yaml', '.json', '.xml');

/** The comment at the top of a file, as one text. */
function openingOf({ path, text }: SourceFile): string {
  const mark = path.endsWith('.sql') ? '--' : '//';
  const lines = text.replace(/^#!.*\n/, '').split('\n');
  const end = lines.findIndex((line) => !line.startsWith(mark));
  return lines
    .slice(0, end)
    .map((line) => line.slice(mark.length).trim())
    .join(' ');
}
/** A sentence begins with a capital or a name, and ends. */
const withoutSentence = (some: readonly SourceFile[]): string[] =>
  some
    .filter((file) => !/^["`(]?[\p{L}.].{12,}?[.:](\s|$)/u.test(openingOf(file)))
    .map(({ path }) => path);

const holding = (some: readonly SourceFile[], pattern: RegExp): string[] =>
  some.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  );

/** What a file that holds this law may spell only with dots in it. */
const spelled = (text: string): string => text.replaceAll('·', '');

const later = new RegExp(spelled(String.raw`\b(TO·DO|FIX·ME|XX·X|HA·CK)\b`));
const skipped = new RegExp(
  spelled(
    String.raw`\b(test|it|describe)\.(s·kip|t·odo|o·nly|f·ails|s·kipIf|r·unIf)\b|\bx(it|test|describe)\(`,
  ),
);
const sleeping = new RegExp(
  [
    String.raw`await\s+(delay|sleep|pause|wait|setTimeout|scheduler\.wait)\(`,
    String.raw`setTimeout\(\s*(resolve|done)\b`,
    String.raw`=>\s*setTimeout\(\w+,`,
    String.raw`pg_s[l]eep`,
  ].join('|'),
);

/** Where time itself is the matter: who waits for conditions, faults, load, and clients that come back as they were told. */
const maySleep = (path: string): boolean =>
  path === 'test/eventually.ts' ||
  path === 'test/crash/writers.ts' ||
  path.startsWith('test/faults/') ||
  path.startsWith('test/examples/') ||
  (path.startsWith('test/bench/') && !path.endsWith('.test.ts'));

test('the law sees the files', () => {
  expect(files.length).toBeGreaterThan(100);
  expect(tests.length).toBeGreaterThan(50);
  expect(files.filter(({ path }) => path.endsWith('.sql')).length).toBeGreaterThan(2);
  expect(written.length).toBeGreaterThan(files.length + 20);
});

test('every file opens with a sentence that says what it is for', () =>
  expect(withoutSentence(files)).toEqual([]));

test('nothing is put off', () => expect(holding(written, later)).toEqual([]));

test('no test is skipped', () => expect(holding(tests, skipped)).toEqual([]));

test('no test sleeps', () =>
  expect(
    holding(
      tests.filter(({ path }) => !maySleep(path)),
      sleeping,
    ),
  ).toEqual([]));

describe('a violation is found', () => {
  const file = (text: string, path = 'infra/a.ts'): SourceFile[] => [{ path, text }];

  test.each([
    ["import fs from 'node:fs';\n", 'infra/a.ts'],
    ['// helpers\nconst a = 1;\n', 'infra/a.ts'],
    ['\n// A sentence that comes too late.\n', 'infra/a.ts'],
    ['create table a (b int);\n', 'infra/a.sql'],
    ['// Not the comment of this language.\n', 'infra/a.sql'],
  ])('no sentence: %j', (text, path) => expect(withoutSentence(file(text, path))).toEqual([path]));

  test.each([
    '// What it is for, in one sentence.\nconst a = 1;\n',
    '#!/usr/bin/env node\n// Runs it, whatever it is.\nrun();\n',
  ])('a sentence: %j', (text) => expect(withoutSentence(file(text))).toEqual([]));

  test.each(['TO·DO: later', '// FIX·ME', 'XX·X'].map(spelled))('put off: %s', (text) =>
    expect(holding(file(`const a = 1;\n${text}\n`), later)).toEqual(['infra/a.ts:2']),
  );

  test.each(
    ['test.s·kip(', 'it.t·odo(', 'describe.o·nly(', 'test.s·kipIf(x)', 'x·it('].map(spelled),
  )('skipped: %s', (text) => expect(holding(file(text), skipped)).toEqual(['infra/a.ts:1']));

  test.each(
    [
      'await d·elay(100);',
      'await s·leep(5)',
      'await s·etTimeout(100);',
      'await new Promise((resolve) => s·etTimeout(resolve, 100));',
      'await new Promise((r) => s·etTimeout(r, 100));',
      "await client.query('select pg_s·leep(1)');",
    ].map(spelled),
  )('sleeping: %s', (text) =>
    expect(holding(file(text, 'test/a.test.ts'), sleeping)).toEqual(['test/a.test.ts:1']),
  );

  test.each([
    'const timer = setTimeout(() => end(), deadlineMs);',
    'await eventually(() => seen === 3);',
  ])('not sleeping: %s', (text) => expect(holding(file(text), sleeping)).toEqual([]));
});
