// How a version names its parents, and how a parent and its children are found by that.
import { expect, test } from 'vitest';
import { keysAsParent, keysOfParents, parentRef } from '#events/model/lineage.ts';
import { modelId, noVersionFacts, versionId } from './history.ts';

const facts = (number: number, parent_versions: string[] = [], label: string | null = null) => ({
  ...noVersionFacts,
  model_id: modelId,
  version_id: versionId(number),
  number,
  label,
  lineage: { ...noVersionFacts.lineage, parent_versions },
});

test.each([
  ['an id', versionId(7).toUpperCase(), { by: 'id', version_id: versionId(7) }],
  ['a model and a version', 'churn/1.0', { by: 'name', model: 'churn', version: '1.0' }],
  ['a version of the same model', '1.0', { by: 'own', model_id: modelId, version: '1.0' }],
  ['free text', 'hf://bert/base', { by: 'own', model_id: modelId, version: 'hf://bert/base' }],
  ['half a name', 'churn/', { by: 'own', model_id: modelId, version: 'churn/' }],
])('%s is read as such', (_, written, ref) => expect(parentRef(written, modelId)).toEqual(ref));

test.each([
  ['its id', versionId(3)],
  ['its number', '3'],
  ['its number with zeros', '003'],
  ['its label', 'v3'],
  ['its model and number', 'churn/3'],
  ['its model and label', 'churn/v3'],
])('a child that names a version by %s is found', (_, written) => {
  const parent = new Set(keysAsParent('acme', facts(3, [], 'v3'), 'churn'));
  expect(keysOfParents('acme', facts(4, [written])).filter((key) => parent.has(key))).toHaveLength(
    1,
  );
});

test('a child of another tenant, another model or another version is not found', () => {
  const parent = new Set(keysAsParent('acme', facts(3, [], 'v3'), 'churn'));
  const others = [
    ...keysOfParents('other', facts(4, ['churn/3', '3', versionId(3)])),
    ...keysOfParents('acme', { ...facts(4, ['3', 'v3']), model_id: versionId(9) }),
    ...keysOfParents('acme', facts(4, ['churn/30', 'v33', 'other/3', versionId(4)])),
  ];
  expect(others.filter((key) => parent.has(key))).toEqual([]);
});

test('a version without a label is not found by any', () =>
  expect(keysAsParent('acme', facts(3), 'churn')).toHaveLength(3));

test('a parent that is named twice has one key', () =>
  expect(keysOfParents('acme', facts(4, ['3', '03', '3']))).toHaveLength(1));
