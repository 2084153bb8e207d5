// The changelog begins with the version that this is.
import { expect, test } from 'vitest';
import { modelogVersion } from '#infra/version.ts';
import { sourceFiles } from './tree.ts';

const changelog = sourceFiles('CHANGELOG.md').find(({ path }) => path === 'CHANGELOG.md');

/** The versions that a changelog tells of, in its order. */
const versionsIn = (text: string): string[] =>
  [...text.matchAll(/^## (\d+\.\d+\.\d+)$/gm)].map(([, version]) => version!);

test('the law sees the changelog', () =>
  expect(versionsIn(changelog!.text).length).toBeGreaterThan(1));

test('the newest version in it is the one in package.json', () =>
  expect(versionsIn(changelog!.text)[0]).toBe(modelogVersion()));

test('a violation is found', () => {
  const planted = '# Changelog\n\n## 9.9.9\n\n- a\n\n## 0.1.0\n';
  expect(versionsIn(planted)).toEqual(['9.9.9', '0.1.0']);
  expect(versionsIn(planted)[0]).not.toBe(modelogVersion());
});
