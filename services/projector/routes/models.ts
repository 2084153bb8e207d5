// Reading models: the list with its filters, and one by name, id or serial.
import { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { stages } from '#events/model/shapes.ts';
import { modelResource } from '#events/model/resource.ts';
import type { Model } from '#events/model/model-row.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery, readList } from '../lists.ts';
import type { ListOf, Order } from '../lists.ts';
import type { Dimension } from '../views/stats.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import {
  encodedPage,
  filterBoolean,
  filterText,
  pathPart,
  seenBy,
  sendJson,
  sendResource,
  shown,
  where,
} from './reading.ts';
import type { Reading } from './reading.ts';

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
  framework: filterText.optional(),
  team: filterText.optional(),
  project: filterText.optional(),
  model_type: filterText.optional(),
  task: filterText.optional(),
  category: filterText.optional(),
  stage: z.enum(stages).optional(),
  tag: filterText.optional(),
  is_active: filterBoolean,
  sort,
  ...pageQuery,
  ...freshnessQuery,
});
type ModelsQuery = z.infer<typeof modelsQuery>;

function orderOf(asked: ModelsQuery['sort']): Order {
  const isDescending = asked.startsWith('-');
  const field = (isDescending ? asked.slice(1) : asked) as (typeof sortBy)[number];
  return { ...orders[field], direction: isDescending ? 'desc' : 'asc' };
}

/** `key`, or `key:value`. */
function tagCondition(tag: string | undefined): ReturnType<typeof where> {
  if (tag === undefined) return [];
  const colon = tag.indexOf(':');
  return colon === -1
    ? where('jsonb_exists(m.tags, ?)', tag)
    : where('m.tags ->> ? = ?', tag.slice(0, colon), tag.slice(colon + 1));
}

/** Where counters know how many models match, they are not counted. */
function totalOf(tenant: string, query: ModelsQuery, filters: number): ListOf['total'] {
  const counted = (dimension: Dimension, key: string): ListOf['total'] => ({
    sql: 'select coalesce(sum(count), 0) from views.stats_gN where tenant = ? and dimension = ? and key = ?',
    values: [tenant, dimension, key],
  });
  if (filters === 0) return counted('models', '');
  if (filters > 1) return null;
  if (query.framework !== undefined) return counted('models_by_framework', query.framework);
  if (query.team !== undefined) return counted('models_by_team', query.team);
  if (query.project !== undefined) return counted('models_by_project', query.project);
  return null;
}

function modelsOf(caller: Principal, query: ModelsQuery): ListOf {
  const { tenant } = caller;
  const filters = [
    ...where('m.framework = ?', query.framework),
    ...where('m.team = ?', query.team),
    ...where('m.project = ?', query.project),
    ...where('m.model_type = ?', query.model_type),
    ...where('m.task = ?', query.task),
    ...where('m.category = ?', query.category),
    ...where('? = any(m.stages)', query.stage),
    ...where('m.is_active = ?', query.is_active),
    ...tagCondition(query.tag),
  ];
  return {
    from: 'views.models_gN m',
    columns: 'm.state',
    conditions: [...where('m.tenant = ?', tenant), ...filters],
    seen: seenBy(caller),
    order: orderOf(query.sort),
    total: caller.sees === null ? totalOf(tenant, query, filters.length) : null,
  };
}

export function modelReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, share } = reading;

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
      const { query } = request;
      const { principal } = request;
      const { tenant } = principal;
      await waitUntilFresh(freshness, query, reply);
      const json = await share(request.principal, `models ${request.url}`, async () => {
        const list = modelsOf(principal, query);
        const page = await readList<{ state: string }>(reader, query, list);
        return encodedPage(page, ({ state }) => {
          const model = JSON.parse(state) as Model;
          return shown(reader, tenant, model.model_id, modelResource(model));
        });
      });
      return sendJson(reply, json);
    },
  );

  server.get(
    '/models/:model',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One model, by name, id or serial',
        tags: ['models'],
        params: z.strictObject({ model: pathPart }),
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      const { tenant } = request.principal;
      await waitUntilFresh(freshness, request.query, reply);
      const model = await find.model(request.principal, request.params.model);
      if (model === null) throw new Problem('model_not_found', { model: request.params.model });
      return sendResource(reply, shown(reader, tenant, model.model_id, modelResource(model)));
    },
  );
}
