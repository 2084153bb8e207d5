// What a version was made from, as its facts write it: what such a name means, and by which key parent and child are found.
import { isDigits, isUuid } from '../names.ts';
import type { ModelEventData } from './events.ts';

/**
 * A parent as it is written: a version's id; `model/version`, by the model's name; or a number or label of the same model.
 * Names are those of today. What none of these finds is a thing outside of the registry.
 */
export type ParentRef =
  | { by: 'id'; version_id: string }
  | { by: 'name'; model: string; version: string }
  | { by: 'own'; model_id: string; version: string };

/** Neither a model's name nor a label holds a slash. */
const namePattern = /^(?<model>[^/]+)\/(?<version>[^/]+)$/;

export function parentRef(written: string, model_id: string): ParentRef {
  if (isUuid(written)) return { by: 'id', version_id: written.toLowerCase() };
  const named = namePattern.exec(written)?.groups;
  return named === undefined
    ? { by: 'own', model_id, version: written }
    : { by: 'name', model: named['model']!, version: named['version']! };
}

/** A text for what a reference says, the same for all that say the same in a tenant. */
export function parentKey(tenant: string, ref: ParentRef): string {
  switch (ref.by) {
    case 'id':
      return `${tenant} id ${ref.version_id}`;
    case 'name':
      return `${tenant} name ${ref.model}/${withoutZeros(ref.version)}`;
    case 'own':
      return `${tenant} own ${ref.model_id}/${withoutZeros(ref.version)}`;
  }
}

/** `007` is number 7. */
const withoutZeros = (version: string): string =>
  isDigits(version) ? version.replace(/^0+(?=\d)/, '') : version;

type Facts = Pick<
  ModelEventData<'model.versioned'>,
  'model_id' | 'version_id' | 'number' | 'label' | 'lineage'
>;

/** The keys of what a version names as its parents. */
export const keysOfParents = (tenant: string, { model_id, lineage }: Facts): string[] => [
  ...new Set(
    lineage.parent_versions.map((written) => parentKey(tenant, parentRef(written, model_id))),
  ),
];

/** A parent as it is written, the same for all that say the same in another model than its own. */
export function namedParent(written: string): string {
  const ref = parentRef(written, '');
  if (ref.by === 'id') return ref.version_id;
  return ref.by === 'name' ? nameAsParent(ref.model, ref.version) : written;
}

const nameAsParent = (model: string, version: string): string =>
  `${model}/${withoutZeros(version)}`;

/** All that a version is named by, as `namedParent` says it, by children in other models. */
export const namesAsParent = (
  { version_id, number, label }: Omit<Facts, 'lineage'>,
  modelName: string,
): string[] => [
  version_id,
  nameAsParent(modelName, String(number)),
  ...(label === null ? [] : [nameAsParent(modelName, label)]),
];

/**
 * The keys by which a version is named by its children.
 * @param modelName null: its model was deleted, and has given its name up
 */
export function keysAsParent(
  tenant: string,
  { model_id, version_id, number, label }: Facts,
  modelName: string | null,
): string[] {
  const names = label === null ? [String(number)] : [String(number), label];
  return [
    parentKey(tenant, { by: 'id', version_id }),
    ...names.flatMap((version) => [
      ...(modelName === null ? [] : [parentKey(tenant, { by: 'name', model: modelName, version })]),
      parentKey(tenant, { by: 'own', model_id, version }),
    ]),
  ];
}
