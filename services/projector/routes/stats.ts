// How much there is in the registry, as far as the caller's tenant goes.
import { z } from 'zod';
import type { HttpServer } from '#infra/http/server.ts';
import { countSeen, readTotals, totalOf } from '../totals.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { sendJson } from './reading.ts';
import type { Reading } from './reading.ts';

export function statsRoutes(server: HttpServer, { reader, freshness, share }: Reading): void {
  server.get(
    '/stats',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Counts of models, versions and deployments',
        tags: ['insight'],
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      const { principal } = request;
      await waitUntilFresh(freshness, request.query, reply);
      const json = await share(request.principal, 'stats', async () => {
        const totals = await (principal.sees === null
          ? readTotals(reader, principal.tenant)
          : countSeen(reader, principal.tenant, principal.sees));
        return JSON.stringify({
          total_models: totalOf(totals, 'models'),
          total_versions: totalOf(totals, 'versions'),
          active_deployments: totalOf(totals, 'deployments_active'),
          models_by_framework: totals.models_by_framework ?? {},
          models_by_team: totals.models_by_team ?? {},
          models_by_project: totals.models_by_project ?? {},
          versions_by_stage: totals.versions_by_stage ?? {},
          versions_by_readiness: totals.versions_by_readiness ?? {},
        });
      });
      return sendJson(reply, json);
    },
  );
}
