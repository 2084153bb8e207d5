// What of a model and of a version may be said anew: the changed fields with what they were, or nothing.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelPatch, ModelRefusal } from './commands.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import type { Model } from './model-row.ts';
import { setDefault, versionRef } from './release.ts';
import { flatMetrics } from './metrics.ts';
import type { Metric } from './metrics.ts';
import { modelResource, versionResource } from './resource.ts';
import { sameJson } from './same-json.ts';
import { otherThanStored } from './stated.ts';
import type { Stated } from './stated.ts';
import type { ModelState } from './state.ts';
import { evidenceFields } from './version-row.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
type Changes = Pick<ModelEventData<'model.updated'>, 'changed' | 'previous'>;

/** Objects merge by key, null removes one; null for the whole clears it. */
function merged<Value>(
  before: Record<string, Value>,
  patch: Record<string, Value | null> | null,
): Record<string, Value> {
  if (patch === null) return {};
  const after = new Map(Object.entries(before));
  for (const [key, value] of Object.entries(patch))
    if (value === null) after.delete(key);
    else after.set(key, value);
  return Object.fromEntries(after);
}

type Described = Pick<Model, 'tags' | 'metadata'>;

/** @returns null where everything is as it was */
function changesOf(
  before: Described,
  { tags, metadata, ...fields }: Pick<ModelPatch, 'tags' | 'metadata'>,
): Changes | null {
  const wanted: Record<string, Changes['changed'][string] | undefined> = { ...fields };
  if (tags !== undefined) wanted['tags'] = merged(before.tags, tags);
  if (metadata !== undefined) wanted['metadata'] = merged(before.metadata, metadata);
  const stored = before as Described & Changes['previous'];
  const changed: Changes['changed'] = {};
  const previous: Changes['previous'] = {};
  for (const [field, value] of Object.entries(wanted)) {
    const was = stored[field]!;
    if (value === undefined || sameJson(was, value)) continue;
    changed[field] = value;
    previous[field] = was;
  }
  return Object.keys(changed).length === 0 ? null : { changed, previous };
}

/** What was stated of a model and is not so. */
export function againstModel(model: Model, stated: Stated): { refusal: ModelRefusal } | null {
  const { serial } = model;
  const fields = otherThanStored(stated, modelResource(model), { id: serial, model_id: serial });
  return fields.length === 0 ? null : { refusal: { code: 'immutable', fields } };
}

export function updateModel(
  model: Model,
  { patch, name, is_active, stated, reason }: Extract<ModelCommand, { type: 'UpdateModel' }>,
): Outcome {
  const { model_id } = model;
  const against = againstModel(model, stated ?? {});
  if (against !== null) return against;
  const events: ModelEvent[] = [];
  if (name !== undefined && name !== model.name)
    events.push({ type: 'model.renamed', data: { model_id, name, previous_name: model.name } });
  const changes = changesOf(model, patch);
  if (changes !== null) events.push({ type: 'model.updated', data: { model_id, ...changes } });
  if (is_active !== undefined && is_active !== (model.state === 'active'))
    events.push({
      type: is_active ? 'model.reactivated' : 'model.deactivated',
      data: { model_id, reason },
    });
  return { events };
}

/** The steps of a version's life, for who would write their outcome instead. */
const stepsBy: Readonly<Record<string, readonly string[]>> = {
  stage: ['promote', 'demote', 'deprecate', 'archive', 'restore'],
  readiness: ['test', 'approve', 'reject', 'revoke-approval'],
  status: ['test', 'approve', 'reject', 'revoke-approval'],
  activation: ['activate', 'deactivate'],
  is_active: ['activate', 'deactivate'],
};

/** What was stated of a version and is not so, with the steps that would change it. */
function againstStated(
  { model }: ModelState,
  version: Version,
  stated: Stated,
): { refusal: ModelRefusal } | null {
  const { serial } = version.facts;
  const fields = otherThanStored(stated, versionResource(version, model!), {
    id: serial,
    version_id: serial,
    model_id: model!.serial,
    // a number in a body is the number, whatever the label
    version: version.facts.number,
  });
  if (fields.length === 0) return null;
  const changed_by = Object.fromEntries(
    Object.entries(stepsBy).filter(([field]) => fields.includes(field)),
  );
  return { refusal: { code: 'immutable', fields, changed_by } };
}

/** Answers show metrics flat, whatever their splits are; who writes that back changes none of them. */
function withoutFlatView<Patch extends { metrics?: Metric[] | undefined }>(
  { facts }: Version,
  patch: Patch,
): Patch {
  const { metrics } = patch;
  const isFlatView =
    metrics !== undefined &&
    metrics.every(({ split }) => split === null) &&
    sameJson(flatMetrics(metrics), flatMetrics(facts.metrics));
  return isFlatView ? { ...patch, metrics: undefined } : patch;
}

/** Values of single metrics, as the flat view shows them; the others stay, in their splits too. */
function withMetricValues<Patch extends { metrics?: Metric[] | undefined }>(
  { facts }: Version,
  patch: Patch,
  values: Readonly<Record<string, number | null>>,
): Patch {
  const flat = flatMetrics(facts.metrics);
  const changed = Object.entries(values).filter(([name, value]) => value !== (flat[name] ?? null));
  if (changed.length === 0) return patch;
  let metrics = facts.metrics;
  for (const [name, value] of changed)
    metrics =
      value === null
        ? metrics.filter((metric) => metric.name !== name)
        : [
            ...metrics.filter((metric) => metric.name !== name || metric.split !== null),
            { name, split: null, value },
          ];
  return { ...patch, metrics };
}

/** New evidence about a rejected version opens its judgement again. */
export function updateVersion(
  state: ModelState,
  version: Version,
  command: Extract<ModelCommand, { type: 'UpdateVersion' }>,
): Outcome {
  const { is_default, patch, metric_values = {}, stated, reason } = command;
  if (is_default === false && version.is_default)
    return { refusal: { code: 'immutable', fields: ['is_default'] } };
  const against = againstStated(state, version, stated ?? {});
  if (against !== null) return against;
  const wanted = withMetricValues(version, withoutFlatView(version, patch), metric_values);
  const changes = changesOf(version.facts, wanted);
  const events: ModelEvent[] = [];
  if (changes !== null) {
    events.push({ type: 'version.updated', data: { ...versionRef(version), ...changes } });
    const isEvidence = Object.keys(changes.changed).some((field) => evidenceFields.has(field));
    if (isEvidence && version.readiness === 'rejected')
      events.push({
        type: 'version.testing_started',
        data: {
          ...versionRef(version),
          from_readiness: 'rejected',
          to_readiness: 'testing',
          reason,
        },
      });
  }
  // who writes back what was read has not set a default, where the registry had
  const isEcho = version.is_default && Object.keys(stated ?? {}).length > 0;
  if (is_default !== true || isEcho) return { events };
  const pointed = setDefault(state, version, command);
  return pointed.refusal === undefined ? { events: [...events, ...pointed.events] } : pointed;
}
