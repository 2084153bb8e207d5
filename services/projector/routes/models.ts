// Reading models: the list with its filters, and one by name, id or serial.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { stages } from '#events/model/shapes.ts';
import type { Model } from '#events/model/model-row.ts';
import { modelInStageResource } from '#events/model/resource.ts';
import { isDigits, isUuid, parseStream } from '#events/names.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { shownModel } from '../answers.ts';
import type { ShownModel } from '../answers.ts';
import { deletedModels, pageQuery, readList } from '../lists.ts';
import type { ListOf, Order } from '../lists.ts';
import type { ModelPlace } from '../model-index.ts';
import type { Dimension } from '../views/stats.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { conditionsOf, matchesModel, modelFilters } from './model-filters.ts';
import {
  findModel,
  isParked,
  pageJson,
  pathPart,
  recallFresh,
  seenBy,
  sendAbout,
  sendJson,
  sendResourceJson,
  shownJson,
  where,
} from './reading.ts';
import type { Reading } from './reading.ts';
import { openThen } from './then.ts';

/** A model's creation gives its serial and every change raises its position, so these order by time. */
const orders = {
  name: { column: 'm.name', type: 'text' },
  created_at: { column: 'm.serial', type: 'bigint' },
  updated_at: { column: 'm.position', type: 'bigint' },
} as const;
const sortBy = ['name', 'created_at', 'updated_at'] as const;
const sort = z
  .enum(sortBy.flatMap((field) => [field, `-${field}`] as const))
  .default('-created_at');

const modelsQuery = z.strictObject({
  ...modelFilters,
  sort,
  ...pageQuery,
  ...freshnessQuery,
  ...asOfQuery,
});
type ModelsQuery = z.infer<typeof modelsQuery>;

function orderOf(asked: ModelsQuery['sort']): Order {
  const isDescending = asked.startsWith('-');
  const field = (isDescending ? asked.slice(1) : asked) as (typeof sortBy)[number];
  return { ...orders[field], direction: isDescending ? 'desc' : 'asc' };
}

/** Where counters know how many models match, they are not counted; but for the deleted ones, which are few. */
function totalOf(tenant: string, query: ModelsQuery, filters: number): ListOf['total'] {
  const counted = (
    dimension: Dimension,
    key: string,
    ofDeleted: ReturnType<typeof where>[number] = { sql: 'true', values: [] },
  ): ListOf['total'] => ({
    sql: `select (select coalesce(sum(count), 0) from views.stats_gN where tenant = ? and dimension = ? and key = ?)
      - (select count(*) from ${deletedModels} m where ${ofDeleted.sql})`,
    values: [tenant, dimension, key, tenant, ...ofDeleted.values],
  });
  if (filters === 0) return counted('models', '');
  if (filters > 1) return null;
  for (const field of ['framework', 'team', 'project'] as const) {
    const value = query[field];
    if (value !== undefined)
      return counted(`models_by_${field}`, value, { sql: `m.${field} = ?`, values: [value] });
  }
  return null;
}

function modelsOf(caller: Principal, query: ModelsQuery): ListOf {
  const { tenant } = caller;
  const filters = conditionsOf(query);
  return {
    from: 'views.models_gN m',
    columns: 'm.state',
    conditions: [...where('m.tenant = ?', tenant), ...where('not m.is_deleted'), ...filters],
    seen: seenBy(caller),
    order: orderOf(query.sort),
    total: caller.sees === null ? totalOf(tenant, query, filters.length) : null,
  };
}

const modelQuery = z.strictObject({
  stage: z.enum(stages).optional(),
  ...freshnessQuery,
  ...asOfQuery,
});
type ModelRequest = FastifyRequest<{ Querystring: z.infer<typeof modelQuery> }>;

export function modelReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, share } = reading;
  const then = openThen(reading);

  /** The model, or with a stage the model with the version that came there last. */
  async function sendModel(
    request: ModelRequest,
    reply: FastifyReply,
    asked: string,
  ): Promise<FastifyReply> {
    const { principal, query } = request;
    const { stage, as_of } = query;
    if (as_of !== undefined) return await then.model(reply, principal, asked, { as_of, stage });
    const kept = await recallFresh(reading, request, reply, asked);
    if (stage !== undefined)
      return await sendAbout(reading, request, reply, kept, async () => {
        const found = await find.inStage(principal, asked, stage);
        if (found === null) throw new Problem('model_not_found', { model: asked });
        const { model, version } = found;
        if (version === null) throw new Problem('no_version_in_stage', { model: asked, stage });
        return { place: model, resource: modelInStageResource(model, version) };
      });
    const model = kept ?? (await findModel(reading, principal, asked));
    if (model === null) throw new Problem('model_not_found', { model: asked });
    const { stream, stream_version } = model.shown;
    const json = shownJson(reader, model.shown);
    return sendResourceJson(reply, stream_version, json, isParked(reader, stream));
  }

  server.get(
    '/models',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Models, the newest first unless sorted otherwise',
        tags: ['models'],
        querystring: modelsQuery,
      },
    },
    async (request, reply) => {
      const { query, principal, url } = request;
      const { as_of } = query;
      const question = `models ${url}`;
      if (as_of !== undefined)
        return await then.models(
          reply,
          principal,
          question,
          { ...query, as_of },
          orderOf(query.sort),
        );
      await waitUntilFresh(freshness, query, reply);
      const json = await share(
        principal,
        question,
        async () =>
          (await listKnownModels(reading, principal, query)) ??
          (await listModels(reading, query, modelsOf(principal, query))),
      );
      return sendJson(reply, json);
    },
  );

  server.get(
    '/models/:model',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One model, by name, id or serial; with a stage also its version there',
        tags: ['models'],
        params: z.strictObject({ model: pathPart }),
        querystring: modelQuery,
      },
    },
    async (request, reply) => await sendModel(request, reply, request.params.model),
  );

  server.get(
    '/models/name/:name',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One model, by its name and nothing else',
        tags: ['models'],
        params: z.strictObject({ name: pathPart }),
        querystring: modelQuery,
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      if (isDigits(name) || isUuid(name)) throw new Problem('model_not_found', { model: name });
      return await sendModel(request, reply, name);
    },
  );
}

/**
 * A page of models from memory, where it is vouched for that nothing has changed up to what the views are known to hold, which
 * is what anybody has waited for who asks at this moment; else null. Answers that are not in memory are looked up.
 */
async function listKnownModels(
  reading: Reading,
  caller: Principal,
  query: ModelsQuery,
): Promise<string | null> {
  const { answers, freshness, index, reader } = reading;
  if (!reader.isCurrent()) await reader.becomeCurrent();
  if (!answers.covers(freshness.known()) || reader.parked().size > 0) return null;
  const order = orderOf(query.sort);
  const page = index.page(caller, query, order);
  if (page === null) return null;
  const rows: (ShownModel | null)[] = page.rows.map(({ stream, stream_version }) => {
    const kept = answers.ofStream(stream);
    return kept?.shown.stream_version === stream_version ? kept.shown : null;
  });
  // nearly every page is in memory whole, and costs no promise a row
  if (rows.includes(null))
    await Promise.all(
      page.rows.map(async (place, nth) => {
        if (rows[nth] !== null) return;
        const found = await findModel(reading, caller, parseStream(place.stream)!.id);
        if (found !== null && isStillAt(place, found.shown, query, order)) rows[nth] = found.shown;
      }),
    );
  const isFound = (row: ShownModel | null): row is ShownModel => row !== null;
  return rows.every(isFound) ? pageJson({ ...page, rows }, ({ json }) => json) : null;
}

/** Whether a model that has changed since the page was made is still on it, and in the same place. */
const isStillAt = (
  place: ModelPlace,
  model: ShownModel,
  query: ModelsQuery,
  order: Order,
): boolean =>
  model.stream_version === place.stream_version ||
  (model.stream_version > place.stream_version &&
    order.column === 'm.serial' &&
    !model.is_deleted &&
    matchesModel(model, query));

/** A page of models from the database. */
async function listModels(
  { reader, answers }: Reading,
  query: ModelsQuery,
  list: ListOf,
): Promise<string> {
  const read = answers.reading();
  const page = await readList<{ state: string }>(reader, query, list);
  return pageJson(page, ({ state }) => {
    const model = shownModel(JSON.parse(state) as Model);
    answers.keep(read, model);
    return shownJson(reader, model);
  });
}
