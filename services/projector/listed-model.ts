// What a model is listed by: the columns of its row in the view, which are also kept in memory.
import { stages } from '#events/model/shapes.ts';
import type { Stage } from '#events/model/shapes.ts';
import type { Model } from '#events/model/model-row.ts';

export type ListedModel = Pick<
  Model,
  | 'category'
  | 'framework'
  | 'model_id'
  | 'model_type'
  | 'name'
  | 'position'
  | 'project'
  | 'serial'
  | 'stream_version'
  | 'tags'
  | 'task'
  | 'team'
  | 'tenant'
> & {
  is_active: boolean;
  is_deleted: boolean;
  /** Those in which it has a version. */
  stages: readonly Stage[];
};

export const isActive = ({ state }: Model): boolean => state === 'active';
export const isDeleted = ({ state }: Model): boolean => state === 'deleted';
export const stagesOf = ({ versions_by_stage }: Model): Stage[] =>
  stages.filter((stage) => versions_by_stage[stage] > 0);

export const listedModel = (model: Model): ListedModel => ({
  model_id: model.model_id,
  tenant: model.tenant,
  serial: model.serial,
  name: model.name,
  framework: model.framework,
  team: model.team,
  project: model.project,
  model_type: model.model_type,
  task: model.task,
  category: model.category,
  tags: model.tags,
  is_active: isActive(model),
  is_deleted: isDeleted(model),
  stages: stagesOf(model),
  stream_version: model.stream_version,
  position: model.position,
});

/** What the filter `tag` asks for: `key` with whatever value, or `key:value`. */
export function tagAsked(tag: string): { key: string; value: string | null } {
  const colon = tag.indexOf(':');
  return colon === -1
    ? { key: tag, value: null }
    : { key: tag.slice(0, colon), value: tag.slice(colon + 1) };
}
