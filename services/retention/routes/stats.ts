// What retention has done and has before it, as far as the caller sees.
import { z } from 'zod';
import type { Retention } from '#events/policy/retention.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { CountVersions } from '../counts.ts';

/** What has changed since it was last counted is folded from events, of up to 500 models. */
const countingMs = 60_000;

export function retentionStatsRoutes(
  server: HttpServer,
  { countVersions, kept }: { countVersions: CountVersions; kept: Retention },
): void {
  server.get(
    '/retention/stats',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'How many versions are due, kept, in use and archived, by which rule',
        tags: ['retention'],
        querystring: z.strictObject({}),
      },
    },
    async (request, reply) => {
      request.mayTakeLonger(countingMs);
      const counted = await countVersions(request.principal);
      const { due, kept: keptVersions, in_use } = counted;
      const archived_by = {
        manual: counted.archived_manual,
        retention_age: counted.archived_by_age,
        retention_count: counted.archived_by_count,
        superseded: counted.archived_superseded,
      };
      const archived = Object.values(archived_by).reduce((sum, each) => sum + each);
      const living = due + keptVersions + in_use;
      return await reply.header('x-position', counted.position).send({
        total_models: counted.models,
        total_versions: living + archived,
        active_versions: living,
        due_versions: due,
        kept_versions: keptVersions,
        protected_versions: in_use,
        archived_versions: archived,
        archived_by,
        default_retention_count: kept.newest_kept,
        last_sweep: counted.last_sweep,
        models_not_counted: counted.not_counted,
      });
    },
  );
}
