// What versions are listed by: the filters as conditions of SQL, and as the same questions to a version in memory.
import { z } from 'zod';
import { statusOf } from '#events/model/resource.ts';
import { stages } from '#events/model/shapes.ts';
import type { Version } from '#events/model/version-row.ts';
import { deletedModels } from '../lists.ts';
import type { ListOf } from '../lists.ts';
import type { Dimension } from '../views/stats.ts';
import { filterBoolean, isAsked, where } from './reading.ts';

/** What a status means on the two axes that it is derived from. */
const statusConditions = {
  training: `p.stage not in ('deprecated', 'archived') and p.readiness = 'training'`,
  testing: `p.stage not in ('deprecated', 'archived') and p.readiness in ('testing', 'rejected')`,
  approved: `p.stage not in ('deprecated', 'archived') and p.readiness = 'approved'`,
  deprecated: `p.stage = 'deprecated'`,
  archived: `p.stage = 'archived'`,
} as const;
const statuses = Object.keys(statusConditions) as (keyof typeof statusConditions)[];

/** What versions are listed by, those of a model and those of all. */
export const versionFilters = {
  status: z.enum(statuses).optional(),
  stage: z.enum(stages).optional(),
  is_default: filterBoolean,
};
export type VersionFilters = z.infer<z.ZodObject<typeof versionFilters>>;

/** The filters on a row `p` of the view. */
export const conditionsOf = ({
  status,
  stage,
  is_default,
}: VersionFilters): ListOf['conditions'] => [
  ...(status === undefined ? [] : where(statusConditions[status])),
  ...where('p.stage = ?', stage),
  ...where('p.is_default = ?', is_default),
];

/** The same on a version in memory. */
export const matchesVersion = (version: Version, asked: VersionFilters): boolean =>
  isAsked(asked.status, statusOf(version)) &&
  isAsked(asked.stage, version.stage) &&
  isAsked(asked.is_default, version.is_default);

/** What counters know of how many a tenant has; those of deleted models are counted on, are few, and are taken off. */
export function totalOf(
  tenant: string,
  { status, stage, is_default }: VersionFilters,
): ListOf['total'] {
  if (status !== undefined || is_default !== undefined) return null;
  const [dimension, key]: [Dimension, string] =
    stage === undefined ? ['versions', ''] : ['versions_by_stage', stage];
  const gone = [...where('not p.is_deleted'), ...conditionsOf({ stage })];
  return {
    sql: `select (select coalesce(sum(count), 0) from views.stats_gN where tenant = ? and dimension = ? and key = ?)
      - (select count(*) from ${deletedModels} m join views.versions_gN p using (model_id)
         where ${gone.map(({ sql }) => sql).join(' and ')})`,
    values: [tenant, dimension, key, tenant, ...gone.flatMap(({ values }) => values)],
  };
}
