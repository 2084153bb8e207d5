// The table of who may what says what the code does.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { accessDocument, accessFile } from './access-table.ts';

test('docs/access.md is that of the code; `npm run docs:access` makes it anew', () =>
  expect(readFileSync(accessFile, 'utf8')).toBe(accessDocument()));

test('it has a row for every command', () => {
  const text = accessDocument();
  for (const command of ['Promote', 'CreateBinding', 'GrantRole', 'IssueApiKey', 'CreateTenant'])
    expect(text).toContain(`| ${command} (`);
});
