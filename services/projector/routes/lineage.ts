// Reading what a version was made from, and what was made from it.
import { z } from 'zod';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { walkLineage } from '../lineage.ts';
import { openRelatives } from '../relatives.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { pathPart, sendJson, shown } from './reading.ts';
import type { Reading } from './reading.ts';

const depthMax = 10;
const depthDefault = 3;

const lineageQuery = z.strictObject({
  depth: z.coerce.number().int().min(0).max(depthMax).default(depthDefault),
  ...freshnessQuery,
});

export function lineageRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, share } = reading;
  const relatives = openRelatives(reader);

  server.get(
    '/models/:model/lineage/:version',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'What a version was made from, and what was made from it, as nodes and edges',
        description: `Walks \`depth\` steps (0 to ${depthMax}, default ${depthDefault}) to parents and to children, over models of the tenant that the caller may see, with data, code, runs and live deployments of each version. \`truncated\` names what lies beyond (docs/insight.md).`,
        tags: ['insight'],
        params: z.strictObject({ model: pathPart, version: pathPart }),
        querystring: lineageQuery,
      },
    },
    async (request, reply) => {
      const { principal, query, url } = request;
      const { model, version } = request.params;
      await waitUntilFresh(freshness, query, reply);
      const json = await share(principal, `lineage ${url}`, async () => {
        const found = await find.version(principal, model, version);
        if (found === null) throw new Problem('model_not_found', { model });
        if (found.version === null) throw new Problem('version_not_found', { version });
        const { model_id, name: model_name, position, stream_version } = found.model;
        const root = { model_id, model_name, version: found.version };
        const { facts } = found.version;
        const drawn = await walkLineage(relatives, principal, root, query.depth);
        return JSON.stringify(
          shown(reader, principal.tenant, model_id, {
            model_id,
            model_name,
            version_id: facts.version_id,
            number: facts.number,
            label: facts.label,
            version: facts.label ?? String(facts.number),
            lineage: facts.lineage,
            depth: query.depth,
            ...drawn,
            position,
            stream_version,
          }),
        );
      });
      return sendJson(reply, json);
    },
  );
}
