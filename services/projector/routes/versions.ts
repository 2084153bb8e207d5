// Reading a model's versions, one of them, and what has happened to the model.
import { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { stages } from '#events/model/shapes.ts';
import { versionResource } from '#events/model/resource.ts';
import type { Model } from '#events/model/model-row.ts';
import type { Version } from '#events/model/version-row.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery, readList } from '../lists.ts';
import type { ListOf } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import {
  encodedPage,
  filterBoolean,
  pathPart,
  sendJson,
  sendResource,
  shown,
  where,
} from './reading.ts';
import type { Reading } from './reading.ts';

/** What a status means on the two axes that it is derived from. */
const statusConditions = {
  training: `v.stage not in ('deprecated', 'archived') and v.readiness = 'training'`,
  testing: `v.stage not in ('deprecated', 'archived') and v.readiness in ('testing', 'rejected')`,
  approved: `v.stage not in ('deprecated', 'archived') and v.readiness = 'approved'`,
  deprecated: `v.stage = 'deprecated'`,
  archived: `v.stage = 'archived'`,
} as const;
const statuses = Object.keys(statusConditions) as (keyof typeof statusConditions)[];

const versionsQuery = z.strictObject({
  status: z.enum(statuses).optional(),
  stage: z.enum(stages).optional(),
  is_default: filterBoolean,
  ...pageQuery,
  ...freshnessQuery,
});
const modelPath = z.strictObject({ model: pathPart });

function versionsOf(model: Model, query: z.infer<typeof versionsQuery>): ListOf {
  const filters = [
    ...(query.status === undefined ? [] : where(statusConditions[query.status])),
    ...where('v.stage = ?', query.stage),
    ...where('v.is_default = ?', query.is_default),
  ];
  return {
    from: 'views.versions_gN v',
    columns: 'v.state',
    conditions: [...where('v.model_id = ?', model.model_id), ...filters],
    seen: [],
    order: { column: 'v.number', type: 'bigint', direction: 'desc' },
    // Numbers are given without a gap, and no version is ever removed.
    total: filters.length === 0 ? { sql: 'select ?::bigint', values: [model.last_number] } : null,
  };
}

const timelineOf = (model: Model): ListOf => ({
  from: 'views.timeline_gN t',
  columns: 't.state',
  conditions: where('t.model_id = ?', model.model_id),
  seen: [],
  order: { column: 't.stream_version', type: 'bigint', direction: 'asc' },
  total: { sql: 'select ?::bigint', values: [model.stream_version] },
});

export function versionReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, share } = reading;

  async function findModel(caller: Principal, model: string): Promise<Model> {
    const found = await find.model(caller, model);
    if (found === null) throw new Problem('model_not_found', { model });
    return found;
  }

  server.get(
    '/models/:model/versions',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: "A model's versions, the newest first",
        tags: ['versions'],
        params: modelPath,
        querystring: versionsQuery,
      },
    },
    async (request, reply) => {
      const { query } = request;
      const { principal } = request;
      const { tenant } = principal;
      await waitUntilFresh(freshness, query, reply);
      const json = await share(request.principal, `versions ${request.url}`, async () => {
        const model = await findModel(principal, request.params.model);
        const page = await readList<{ state: string }>(reader, query, versionsOf(model, query));
        return encodedPage(page, ({ state }) => {
          const resource = versionResource(JSON.parse(state) as Version, model);
          return shown(reader, tenant, model.model_id, resource);
        });
      });
      return sendJson(reply, json);
    },
  );

  server.get(
    '/models/:model/versions/:version',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One version, by number, label, id, default or latest',
        tags: ['versions'],
        params: z.strictObject({ model: pathPart, version: pathPart }),
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      const { tenant } = request.principal;
      const { model, version } = request.params;
      await waitUntilFresh(freshness, request.query, reply);
      const found = await find.version(request.principal, model, version);
      if (found === null) throw new Problem('model_not_found', { model });
      if (found.version === null) throw new Problem('version_not_found', { version });
      const resource = versionResource(found.version, found.model);
      return sendResource(reply, shown(reader, tenant, found.model.model_id, resource));
    },
  );

  server.get(
    '/models/:model/timeline',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'What has happened to a model, from the beginning',
        tags: ['models'],
        params: modelPath,
        querystring: z.strictObject({ ...pageQuery, ...freshnessQuery }),
      },
    },
    async (request, reply) => {
      const { query } = request;
      await waitUntilFresh(freshness, query, reply);
      const model = await findModel(request.principal, request.params.model);
      const page = await readList<{ state: string }>(reader, query, timelineOf(model));
      // Entries are stored as they are shown.
      const items = page.rows.map(({ state }) => state).join(',');
      const rest = JSON.stringify({
        next_page_token: page.nextPageToken,
        total_count: page.totalCount,
      });
      return sendJson(reply, `{"items":[${items}],${rest.slice(1)}`);
    },
  );
}
