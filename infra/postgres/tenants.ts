// The tenants that there are, page by page, for those who stand above them.
import type { Pool } from 'pg';
import { tenantStream } from '#events/names.ts';

export type TenantRow = { id: string; name: string; created_at: string };

/** Every tenant's stream begins so, and no other one. */
const from = tenantStream('');
const to = 'tenant;';

/** Tenants by id after one, and how many there are. */
export async function listTenants(
  pool: Pool,
  after: string,
  limit: number,
): Promise<{ rows: TenantRow[]; total: number }> {
  const { rows } = await pool.query<{ id: string | null; name: string; at: Date; total: string }>({
    name: 'list_tenants',
    text: `select p.*, (select count(*) from log.streams where stream >= $1 and stream < $2)::text as total
           from (values (1)) one left join lateral (
             select e.tenant as id, e.data ->> 'name' as name, e.recorded_at as at
             from log.streams s join log.events e on e.stream = s.stream and e.version = 1
             where s.stream > $3 and s.stream < $2 order by s.stream limit $4) p on true`,
    values: [from, to, tenantStream(after), limit],
  });
  return {
    rows: rows.flatMap(({ id, name, at }) =>
      id === null ? [] : [{ id, name, created_at: at.toISOString() }],
    ),
    total: Number(rows[0]!.total),
  };
}
