// Plans of retention: kept so that what somebody has looked at is what is carried out, with a bound and an end.
import type { Pool } from 'pg';
import type { Scope } from '#events/access.ts';
import { Problem } from '#infra/http/problems.ts';

/** Long enough to ask a colleague; what changes meanwhile is decided again when the plan is carried out. */
const planHours = 24;
/** Of each who makes them, their oldest go when there are more: nobody's go for those of somebody else. */
const plansOfMakerMax = 20;

/** How a version is named in plans and in what orders answer. */
export type NamedVersion = {
  version_id: string;
  number: number;
  label: string | null;
  version: string;
};

/** What goes, as it was judged, model by model, the oldest first. */
export type RetentionPlan = {
  /** The order that was planned: all beyond so many of the newest, or null: what is due. */
  retention_count: number | null;
  models: readonly { model_id: string; versions: readonly NamedVersion[] }[];
};

export type RetentionPlans = {
  save: (planned: {
    plan_id: string;
    tenant: string;
    made_by: string;
    made_at: Date;
    plan: RetentionPlan;
  }) => Promise<{ plan_id: string; expires_at: string }>;
  /** @throws Problem `plan_not_found`, also of another tenant; `plan_expired` */
  find: (tenant: string, planId: string, now: Date) => Promise<RetentionPlan>;
  /**
   * The models of a tenant, a page of them in one order: each stream with its version.
   * @param sees of those who see some teams and projects only, so that they meet no others; null: all
   */
  models: (
    tenant: string,
    sees: readonly Scope[] | null,
    afterModelId: string,
    limit: number,
  ) => Promise<{ stream: string; version: number }[]>;
};

export const openRetentionPlans = (pool: Pool): RetentionPlans => ({
  async save({ plan_id, tenant, made_by, made_at, plan }) {
    const expires_at = new Date(made_at.getTime() + planHours * 60 * 60 * 1_000);
    await pool.query({
      name: 'save_retention_plan',
      text: saveStatement,
      values: [
        plan_id,
        tenant,
        made_by,
        made_at,
        expires_at,
        JSON.stringify(plan),
        plansOfMakerMax,
      ],
    });
    return { plan_id, expires_at: expires_at.toISOString() };
  },

  async find(tenant, planId, now) {
    const { rows } = await pool.query<{ plan: RetentionPlan; expires_at: Date }>({
      name: 'find_retention_plan',
      text: 'select plan, expires_at from log.retention_plans where plan_id = $1 and tenant = $2',
      values: [planId, tenant],
    });
    const [found] = rows;
    if (found === undefined) throw new Problem('plan_not_found', { plan_id: planId });
    if (found.expires_at <= now)
      throw new Problem('plan_expired', {
        plan_id: planId,
        expires_at: found.expires_at.toISOString(),
      });
    return found.plan;
  },

  async models(tenant, sees, afterModelId, limit) {
    const after = `model:${tenant}:${afterModelId}`;
    const { rows } = await pool.query<{ stream: string; version: number }>(
      sees === null
        ? {
            name: 'models_to_plan_for',
            text: `select stream, version from log.streams
                   where stream > $1 and stream < $2 order by stream limit $3`,
            values: [after, `model:${tenant};`, limit],
          }
        : {
            name: 'models_in_scope_to_plan_for',
            text: `select stream, version from log.streams
                   where stream in (select stream from log.model_scopes where tenant = $1 and scope = any($2) and stream > $3)
                   order by stream limit $4`,
            values: [tenant, sees, after, limit],
          },
    );
    return rows;
  },
});

// What is over, or one too many, goes as a new one comes.
const saveStatement = `
with over as (
  delete from log.retention_plans p
  where p.tenant = $2 and (p.expires_at <= $4 or p.plan_id in (
    select o.plan_id from log.retention_plans o where o.tenant = $2 and o.made_by = $3 order by o.made_at desc offset $7 - 1
  ))
)
insert into log.retention_plans (plan_id, tenant, made_by, made_at, expires_at, plan)
values ($1, $2, $3, $4, $5, $6)`;
