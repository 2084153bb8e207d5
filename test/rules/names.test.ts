// What models, labels, tenants and streams may be called.
import { describe, expect, test } from 'vitest';
import {
  isStorableText,
  labelCharactersMax,
  labelFault,
  modelNameCharactersMax,
  modelNameFault,
  modelStream,
  parseStream,
  tenantSchema,
  tenantStream,
} from '#events/names.ts';

const uuid = '01940000-0000-7000-8000-00000000ABCD';
const control = String.fromCharCode(7);
const lone = String.fromCharCode(0xd800);
const decomposed = 'schön'.normalize('NFD');

describe('a model is not called', () => {
  test.each([
    ['nothing', '', false],
    ['something too long', 'ü'.repeat(modelNameCharactersMax + 1), false],
    ['half a character', `a${lone}`, false],
    ['something not in the composed form', decomposed, false],
    ['something with a control character', `a${control}b`, false],
    ['something with a NUL', 'a\u0000b', false],
    ['something with a slash', 'a/b', false],
    ['something with a space before', ' a', false],
    ['something with a space after', 'a ', false],
    ['a number', '42', true],
    ['an id', uuid, true],
    ['name', 'name', true],
    ['register', 'register', true],
    ['transition', 'transition', true],
    ['archive', 'archive', true],
  ])('%s', (_, name, reserved) => expect(modelNameFault(name)).toMatchObject({ reserved }));
});

describe('a model may be called', () => {
  test.each([
    'churn',
    'Churn 2.0 (EU)',
    '模型',
    'schön',
    '😀'.repeat(modelNameCharactersMax),
    'Archive',
    '4 2',
    'a..b',
    '%2F',
    'default',
  ])('%s', (name) => expect(modelNameFault(name)).toBeNull());
});

describe('a version is not labelled', () => {
  test.each([
    ['nothing', ''],
    ['something too long', 'v'.repeat(labelCharactersMax + 1)],
    ['half a character', lone],
    ['something with a control character', `v${control}`],
    ['something with a slash', 'v/1'],
    ['something with a space around', ' v1'],
    ['an alias', '@champion'],
    ['an id', uuid],
    ['default', 'default'],
    ['latest', 'latest'],
  ])('%s', (_, label) => expect(labelFault(label)).not.toBeNull());
});

test.each(['v1', '1.0.0-rc.1+build', '7', 'stable', 'größer'])(
  'a version may be labelled %s',
  (label) => expect(labelFault(label)).toBeNull(),
);

test.each(['default', 'a', '0-9', 'a'.repeat(63)])('a tenant may be called %s', (tenant) =>
  expect(tenantSchema.safeParse(tenant).success).toBe(true),
);
test.each(['', '-a', 'A', 'a_b', 'a:b', 'ä', 'a'.repeat(64), 'a\n'])(
  'a tenant is not called "%s"',
  (tenant) => expect(tenantSchema.safeParse(tenant).success).toBe(false),
);

test.each([
  ['a\u0000', false],
  [lone, false],
  [`${lone}a`, false],
  ['😀', true],
  [decomposed, true],
])('text that PostgreSQL can hold: %j %s', (text, storable) =>
  expect(isStorableText(text)).toBe(storable),
);

test('a stream tells whose it is', () => {
  expect(parseStream(modelStream('acme', uuid))).toEqual({
    category: 'model',
    tenant: 'acme',
    id: uuid,
  });
  expect(parseStream(tenantStream('acme'))).toEqual({
    category: 'tenant',
    tenant: 'acme',
    id: 'acme',
  });
  for (const stream of [
    '',
    'model',
    'model:',
    'model:acme',
    'model:acme:a:b',
    'tenant:a:b',
    'x:a:b',
    'model:acme:a\u0000b',
    'model:acme:\ud800',
    `policy:acme:project:${'p'.repeat(2_000)}`,
  ])
    expect(parseStream(stream), stream).toBeNull();
});
