// How much there is in the registry, as far as the caller's tenant goes.
import { z } from 'zod';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { countSeen, countThen, readTotals, totalOf } from '../totals.ts';
import type { Totals } from '../totals.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { sendJson } from './reading.ts';
import type { Reading } from './reading.ts';

const statsJson = (totals: Totals): string =>
  JSON.stringify({
    total_models: totalOf(totals, 'models'),
    total_versions: totalOf(totals, 'versions'),
    active_deployments: totalOf(totals, 'deployments_active'),
    models_by_framework: totals.models_by_framework ?? {},
    models_by_team: totals.models_by_team ?? {},
    models_by_project: totals.models_by_project ?? {},
    versions_by_stage: totals.versions_by_stage ?? {},
    versions_by_readiness: totals.versions_by_readiness ?? {},
  });

export function statsRoutes(server: HttpServer, { reader, freshness, asOf, share }: Reading): void {
  server.get(
    '/stats',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Counts of models, versions and deployments',
        tags: ['insight'],
        querystring: z.strictObject({ ...freshnessQuery, ...asOfQuery }),
      },
    },
    async ({ principal, query }, reply) => {
      if (query.as_of !== undefined) {
        const { position } = await asOf.moment(query.as_of);
        const json = await share(principal, `stats as of ${position}`, async () =>
          statsJson(countThen(await asOf.models(principal, position))),
        );
        return sendJson(reply.header('x-position', position), json);
      }
      await waitUntilFresh(freshness, query, reply);
      const json = await share(principal, 'stats', async () =>
        statsJson(
          await (principal.sees === null
            ? readTotals(reader, principal.tenant)
            : countSeen(reader, principal.tenant, principal.sees)),
        ),
      );
      return sendJson(reply, json);
    },
  );
}
