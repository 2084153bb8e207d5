// Every setting is in the README's table, and nothing else is.
import { expect, test } from 'vitest';
import { allSettings, describeSettings } from '#infra/settings.ts';
import { sourceFiles } from './tree.ts';
import type { SourceFile } from './tree.ts';

const names = Object.keys(allSettings);
const rowPattern = /^\|\s*`(?<name>[A-Z][A-Z0-9_]+)`\s*\|/gm;

/** The settings that a text has a row for. */
const tabled = (text: string): string[] =>
  [...text.matchAll(rowPattern)].map((match) => match.groups!['name']!);

/** Environment variables that code reads by name. */
const readBy = ({ text }: SourceFile): string[] =>
  [...text.matchAll(/process\.env(?:\.|\[')(?<name>[A-Z][A-Z0-9_]+)/g)].map(
    (match) => match.groups!['name']!,
  );

const readme = sourceFiles('README.md').find(({ path }) => path === 'README.md');

test('the law sees the settings and the README', () => {
  expect(names.length).toBeGreaterThanOrEqual(14);
  expect(readme?.text.length).toBeGreaterThan(1_000);
});

test('every setting has its row, and every row its setting', () =>
  expect(tabled(readme!.text).toSorted()).toEqual(names.toSorted()));

/** What belongs to the machine, and is nobody's setting. */
const ofTheMachine = new Set(['XDG_CACHE_HOME']);

test('what runs reads no variable that is not a setting', () => {
  const running = sourceFiles('.ts').filter(({ path }) => !path.startsWith('test/'));
  expect(running.length).toBeGreaterThan(60);
  const read = running.flatMap((file) => readBy(file).map((name) => ({ path: file.path, name })));
  expect(read.length).toBeGreaterThan(1);
  expect(read.filter(({ name }) => !names.includes(name) && !ofTheMachine.has(name))).toEqual([]);
});

test('--help lists every setting with its default', () => {
  const help = describeSettings('usage', allSettings);
  for (const [name, { default: shown }] of Object.entries(allSettings))
    expect(help).toMatch(new RegExp(`^  ${name} .*${shown === '' ? '' : '\\['}`, 'm'));
});

test('a violation is found', () => {
  expect(tabled('| `HOST` | a |\n| `PORT`| b |\n| other | c |\n`DATA_DIR`')).toEqual([
    'HOST',
    'PORT',
  ]);
  const planted = (text: string) => readBy({ path: 'infra/a.ts', text });
  expect(planted("process.env['SECRET_SETTING']")).toEqual(['SECRET_SETTING']);
  expect(planted('process.env.OTHER')).toEqual(['OTHER']);
});
