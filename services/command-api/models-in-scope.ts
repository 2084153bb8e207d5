// The models that somebody sees who holds roles in teams and projects only, so that a walk over a tenant meets no others.
import type { Pool } from 'pg';
import type { Scope } from '#events/access.ts';

export type ModelsInScope = (
  tenant: string,
  scopes: readonly Scope[],
  afterModelId: string,
  limit: number,
) => Promise<{ stream: string; version: number }[]>;

/** A page of them in the order of their ids: each stream with its version. */
export const openModelsInScope =
  (pool: Pool): ModelsInScope =>
  async (tenant, scopes, afterModelId, limit) => {
    const { rows } = await pool.query<{ stream: string; version: number }>({
      name: 'models_in_scope',
      text: `select stream, version from log.streams
             where stream in (select stream from log.model_scopes where tenant = $1 and scope = any($2) and stream > $3)
             order by stream limit $4`,
      values: [tenant, scopes, `model:${tenant}:${afterModelId}`, limit],
    });
    return rows;
  };
