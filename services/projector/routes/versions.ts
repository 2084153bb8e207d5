// Reading a model's versions, one of them, and what has happened to the model.
import { z } from 'zod';
import { stages } from '#events/model/shapes.ts';
import { versionResource } from '#events/model/resource.ts';
import type { Version } from '#events/model/version-row.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Caller, KeptModel, ShownModel } from '../answers.ts';
import { pageQuery, readList } from '../lists.ts';
import type { ListOf, Order } from '../lists.ts';
import { asOfQuery, freshnessQuery, waitUntilFresh } from './freshly.ts';
import {
  answerAbout,
  encodedPage,
  filterBoolean,
  findModel,
  pageJson,
  pathPart,
  recallModel,
  sendJson,
  sendResourceJson,
  shown,
  where,
} from './reading.ts';
import type { Reading } from './reading.ts';
import { openThen } from './then.ts';

/** What a status means on the two axes that it is derived from. */
const statusConditions = {
  training: `v.stage not in ('deprecated', 'archived') and v.readiness = 'training'`,
  testing: `v.stage not in ('deprecated', 'archived') and v.readiness in ('testing', 'rejected')`,
  approved: `v.stage not in ('deprecated', 'archived') and v.readiness = 'approved'`,
  deprecated: `v.stage = 'deprecated'`,
  archived: `v.stage = 'archived'`,
} as const;
const statuses = Object.keys(statusConditions) as (keyof typeof statusConditions)[];

const versionFilters = {
  status: z.enum(statuses).optional(),
  stage: z.enum(stages).optional(),
  is_default: filterBoolean,
};
export type VersionFilters = z.infer<z.ZodObject<typeof versionFilters>>;

const versionsQuery = z.strictObject({
  ...versionFilters,
  ...pageQuery,
  ...freshnessQuery,
  ...asOfQuery,
});
const modelPath = z.strictObject({ model: pathPart });

const newestFirst: Order = { column: 'v.number', type: 'bigint', direction: 'desc' };

function versionsOf(model: ShownModel, query: z.infer<typeof versionsQuery>): ListOf {
  const filters = [
    ...(query.status === undefined ? [] : where(statusConditions[query.status])),
    ...where('v.stage = ?', query.stage),
    ...where('v.is_default = ?', query.is_default),
  ];
  return {
    from: 'views.versions_gN v',
    columns: 'v.state',
    conditions: [
      ...where('v.model_id = ?', model.model_id),
      ...where('not v.is_deleted'),
      ...filters,
    ],
    seen: [],
    order: newestFirst,
    total: filters.length === 0 ? { sql: 'select ?::bigint', values: [model.version_count] } : null,
  };
}

const timelineOf = (model: ShownModel): ListOf => ({
  from: 'views.timeline_gN t',
  columns: 't.state',
  conditions: where('t.model_id = ?', model.model_id),
  seen: [],
  order: { column: 't.stream_version', type: 'bigint', direction: 'asc' },
  total: { sql: 'select ?::bigint', values: [model.stream_version] },
});

export function versionReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, answers } = reading;
  const then = openThen(reading);

  async function demandModel(caller: Caller, model: string, position: number): Promise<KeptModel> {
    const found =
      recallModel(reading, caller, model, position) ?? (await findModel(reading, caller, model));
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
      const { query, principal, params } = request;
      const { as_of } = query;
      if (as_of !== undefined)
        return await then.versions(
          reply,
          principal,
          params.model,
          { ...query, as_of },
          newestFirst,
        );
      const position = await waitUntilFresh(freshness, query, reply);
      const model = await demandModel(principal, params.model, position);
      const json = await answerAbout(reading, principal, model, request.url, async () => {
        const { shown: place } = model;
        const page = await readList<{ state: string }>(reader, query, versionsOf(place, query));
        return encodedPage(page, ({ state }) => {
          const resource = versionResource(JSON.parse(state) as Version, place);
          return shown(reader, principal.tenant, place.model_id, resource);
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
        summary: 'One version, by number, label, id, default, latest or @alias',
        tags: ['versions'],
        params: z.strictObject({ model: pathPart, version: pathPart }),
        querystring: z.strictObject({ ...freshnessQuery, ...asOfQuery }),
      },
    },
    async (request, reply) => {
      const { principal, query } = request;
      const { model, version } = request.params;
      if (query.as_of !== undefined)
        return await then.version(reply, principal, request.params, query.as_of);
      const position = await waitUntilFresh(freshness, query, reply);
      const kept = recallModel(reading, principal, model, position);
      const known = kept && answers.recallAnswer(principal, kept, request.url);
      if (kept !== undefined && known !== undefined)
        return sendResourceJson(reply, kept.shown.stream_version, known, false);
      const found = await find.version(principal, model, version);
      if (found === null) throw new Problem('model_not_found', { model });
      if (found.version === null) throw new Problem('version_not_found', { version });
      const { model_id, stream_version } = found.model;
      const resource = versionResource(found.version, found.model);
      const answer = shown(reader, principal.tenant, model_id, resource);
      const isStale = 'stale' in answer;
      const json = JSON.stringify(answer);
      if (!isStale && kept?.shown.stream_version === stream_version)
        answers.keepAnswer(principal, kept, request.url, json);
      return sendResourceJson(reply, stream_version, json, isStale);
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
      const { query, principal } = request;
      const position = await waitUntilFresh(freshness, query, reply);
      const model = await demandModel(principal, request.params.model, position);
      const json = await answerAbout(reading, principal, model, request.url, async () => {
        const page = await readList<{ state: string }>(reader, query, timelineOf(model.shown));
        // Entries are stored as they are shown.
        return pageJson(page, ({ state }) => state);
      });
      return sendJson(reply, json);
    },
  );
}
