// What models are listed by: the filters as conditions of SQL, and as the same questions to a model in memory.
import { z } from 'zod';
import { stages } from '#events/model/shapes.ts';
import { tagAsked } from '../listed-model.ts';
import type { ListedModel } from '../listed-model.ts';
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

/** What is looked for is made once, and not for each row. */
function tagCondition(tag: string | undefined): ReturnType<typeof where> {
  if (tag === undefined) return [];
  const { key, value } = tagAsked(tag);
  return value === null
    ? where(`m.tags @@ (select format('exists($.%s)', to_json(?::text))::jsonpath)`, key)
    : where('m.tags @> (select jsonb_build_object(?::text, ?::text))', key, value);
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
    model: ListedModel,
    asked: NonNullable<ModelFilters[Filter]>,
  ) => boolean;
} = {
  framework: (model, framework) => model.framework === framework,
  team: (model, team) => model.team === team,
  project: (model, project) => model.project === project,
  model_type: (model, type) => model.model_type === type,
  task: (model, task) => model.task === task,
  category: (model, category) => model.category === category,
  stage: (model, stage) => model.stages.includes(stage),
  is_active: (model, isActive) => model.is_active === isActive,
  tag(model, tag) {
    const { key, value } = tagAsked(tag);
    return Object.hasOwn(model.tags, key) && (value === null || model.tags[key] === value);
  },
};

export const matchesModel = (model: ListedModel, asked: ModelFilters): boolean =>
  Object.entries(holds).every(([filter, holdsOf]) => {
    const value = asked[filter as keyof ModelFilters];
    return value === undefined || holdsOf(model, value as never);
  });
