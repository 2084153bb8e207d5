// Reading what a version was made from, and what was made from it.
import { z } from 'zod';
import type { Version } from '#events/model/version-row.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { isDeleted } from '../listed-model.ts';
import { walkLineage } from '../lineage.ts';
import type { Lineage } from '../lineage.ts';
import { relativesThen } from '../relatives-then.ts';
import { openRelatives } from '../relatives.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { pathPart, sendJson, shown } from './reading.ts';
import type { Reading } from './reading.ts';
import { openThen } from './then.ts';

const depthMax = 10;
const depthDefault = 3;

const lineageQuery = z.strictObject({
  depth: z.coerce.number().int().min(0).max(depthMax).default(depthDefault),
  ...freshnessQuery,
  ...asOfQuery,
});

/** Whose lineage is asked for. */
type Root = {
  model: {
    model_id: string;
    name: string;
    is_deleted: boolean;
    position: number;
    stream_version: number;
  };
  version: Version;
};

const relativeOf = ({ model: { model_id, name, is_deleted }, version }: Root) => ({
  model_id,
  model_name: name,
  is_deleted,
  version,
});

const lineageResource = ({ model, version: { facts } }: Root, depth: number, drawn: Lineage) => ({
  model_id: model.model_id,
  model_name: model.name,
  version_id: facts.version_id,
  number: facts.number,
  label: facts.label,
  version: facts.label ?? String(facts.number),
  lineage: facts.lineage,
  depth,
  ...drawn,
  position: model.position,
  stream_version: model.stream_version,
});

export function lineageRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, asOf, share } = reading;
  const relatives = openRelatives(reader);
  const then = openThen(reading);

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
      const { principal, url } = request;
      const { model, version } = request.params;
      const { depth, as_of } = request.query;
      if (as_of !== undefined) {
        const asked = { model, versions: [version] };
        const found = await then.named(reply, principal, asked, as_of);
        const { place, versions } = found;
        const root = {
          model: { ...place, is_deleted: isDeleted(place) },
          version: versions[0]!,
        };
        const json = await share(principal, `lineage ${url} at ${found.position}`, async () => {
          const all = relativesThen(await asOf.models(principal, found.position));
          const drawn = await walkLineage(all, principal, relativeOf(root), depth);
          return JSON.stringify(lineageResource(root, depth, drawn));
        });
        return sendJson(reply, json);
      }
      await waitUntilFresh(freshness, request.query, reply);
      const json = await share(principal, `lineage ${url}`, async () => {
        const found = await find.version(principal, model, version);
        if (found === null) throw new Problem('model_not_found', { model });
        if (found.version === null) throw new Problem('version_not_found', { version });
        const root = { model: found.model, version: found.version };
        const drawn = await walkLineage(relatives, principal, relativeOf(root), depth);
        const resource = lineageResource(root, depth, drawn);
        return JSON.stringify(shown(reader, principal.tenant, root.model.model_id, resource));
      });
      return sendJson(reply, json);
    },
  );
}
