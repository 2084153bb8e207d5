// What models are listed by: the filters as conditions of SQL, and as the same questions to a model in memory.
import { z } from 'zod';
import type { Model } from '#events/model/model-row.ts';
import { stages } from '#events/model/shapes.ts';
import type { ListOf } from '../lists.ts';
import { filterBoolean, filterText, where } from './reading.ts';

export const modelFilters = {
  framework: filterText.optional(),
  team: filterText.optional(),
  project: filterText.optional(),
  model_type: filterText.optional(),
  task: filterText.optional(),
  category: filterText.optional(),
  stage: z.enum(stages).optional(),
  tag: filterText.optional(),
  is_active: filterBoolean,
};
export type ModelFilters = z.infer<z.ZodObject<typeof modelFilters>>;

/** `key`, or `key:value`. What is looked for is made once, and not for each row. */
function tagCondition(tag: string | undefined): ReturnType<typeof where> {
  if (tag === undefined) return [];
  const colon = tag.indexOf(':');
  return colon === -1
    ? where(`m.tags @@ (select format('exists($.%s)', to_json(?::text))::jsonpath)`, tag)
    : where(
        'm.tags @> (select jsonb_build_object(?::text, ?::text))',
        tag.slice(0, colon),
        tag.slice(colon + 1),
      );
}

/** The filters on a row `m` of the view. */
export const conditionsOf = (asked: ModelFilters): ListOf['conditions'] => [
  ...where('m.framework = ?', asked.framework),
  ...where('m.team = ?', asked.team),
  ...where('m.project = ?', asked.project),
  ...where('m.model_type = ?', asked.model_type),
  ...where('m.task = ?', asked.task),
  ...where('m.category = ?', asked.category),
  ...where('? = any(m.stages)', asked.stage),
  ...where('m.is_active = ?', asked.is_active),
  ...tagCondition(asked.tag),
];

/** The same on a model in memory, filter by filter; one that is added does not compile without its like here. */
const holds: {
  [Filter in keyof Required<ModelFilters>]: (
    model: Model,
    asked: NonNullable<ModelFilters[Filter]>,
  ) => boolean;
} = {
  framework: (model, framework) => model.framework === framework,
  team: (model, team) => model.team === team,
  project: (model, project) => model.project === project,
  model_type: (model, type) => model.model_type === type,
  task: (model, task) => model.task === task,
  category: (model, category) => model.category === category,
  stage: (model, stage) => model.versions_by_stage[stage] > 0,
  is_active: (model, isActive) => (model.state === 'active') === isActive,
  tag(model, tag) {
    const colon = tag.indexOf(':');
    if (colon === -1) return Object.hasOwn(model.tags, tag);
    return model.tags[tag.slice(0, colon)] === tag.slice(colon + 1);
  },
};

export const matchesModel = (model: Model, asked: ModelFilters): boolean =>
  Object.entries(holds).every(([filter, holdsOf]) => {
    const value = asked[filter as keyof ModelFilters];
    return value === undefined || holdsOf(model, value as never);
  });
