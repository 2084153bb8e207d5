// Reading a model's versions, one of them, and what has happened to the model.
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { versionResource } from '#events/model/resource.ts';
import type { Version } from '#events/model/version-row.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { KeptModel, ShownModel } from '../answers.ts';
import { firstPageOf, firstPageRows, pageQuery, readList } from '../lists.ts';
import type { ListOf, ListPage, Order, PageQuery } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import type { FreshnessQuery } from './freshly.ts';
import { partsOf } from './parts-of-models.ts';
import {
  answerAbout,
  encodedPage,
  findModel,
  pathPart,
  recallFresh,
  sendAbout,
  sendJson,
  shown,
  where,
} from './reading.ts';
import type { Reading } from './reading.ts';
import { openThen } from './then.ts';
import { seesRefusals, timelinePage, timelinePageWithRefusals } from './timeline.ts';
import { conditionsOf, matchesVersion, totalOf, versionFilters } from './version-filters.ts';
import type { VersionFilters } from './version-filters.ts';
import { idOrSerial, versionIdOf } from './version-ids.ts';

const versionsQuery = z.strictObject({
  ...versionFilters,
  ...pageQuery,
  ...freshnessQuery,
  ...asOfQuery,
});
const allVersionsQuery = versionsQuery.extend({ model_id: idOrSerial('model').optional() });
const modelPath = z.strictObject({ model: pathPart });

const newestFirst: Order = { column: 'p.number', type: 'bigint', direction: 'desc' };

function versionsOf(model: ShownModel, query: VersionFilters): ListOf {
  const filters = conditionsOf(query);
  return {
    from: 'views.versions_gN p',
    columns: 'p.state',
    conditions: [
      ...where('p.model_id = ?', model.model_id),
      ...where('not p.is_deleted'),
      ...filters,
    ],
    seen: [],
    order: newestFirst,
    total: filters.length === 0 ? { sql: 'select ?::bigint', values: [model.version_count] } : null,
  };
}

export function versionReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, find, freshness, log } = reading;
  const versions = partsOf<Version>(reading, {
    noun: 'version',
    view: 'versions',
    id: 'version_id',
    idOf: ({ facts }) => facts.version_id,
    missing: (id) => new Problem('version_not_found', { version: id }),
    resource: versionResource,
    inState: (state) => state.versions.values(),
    streamOf: async (tenant, id) => (await log.findVersion(tenant, id))?.stream ?? null,
  });
  const then = openThen(reading);

  /** The first page without filters is what nearly everybody asks for, and those of many models are read at once. */
  async function versionsPage(
    model: ShownModel,
    query: VersionFilters & PageQuery,
  ): Promise<ListPage<Version>> {
    const list = versionsOf(model, query);
    const asked = list.total === null ? null : firstPageRows(query);
    if (asked !== null) {
      const newest = await find.newestVersions(model.model_id, asked);
      return firstPageOf(
        newest,
        asked,
        model.version_count,
        newestFirst,
        ({ facts }) => facts.number,
      );
    }
    const page = await readList<{ state: string }>(reader, query, list);
    return { ...page, rows: page.rows.map(({ state }) => JSON.parse(state) as Version) };
  }

  /** The model that is asked about, as fresh as the request asks. @throws Problem `model_not_found` */
  async function demandModel(
    request: { principal: Principal; query: FreshnessQuery },
    reply: FastifyReply,
    model: string,
  ): Promise<KeptModel> {
    const found =
      (await recallFresh(reading, request, reply, model)) ??
      (await findModel(reading, request.principal, model));
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
      const model = await demandModel(request, reply, params.model);
      const json = await answerAbout(reading, principal, model, request.url, async () => {
        const { shown: place } = model;
        return encodedPage(await versionsPage(place, query), (version) =>
          shown(reader, principal.tenant, place.model_id, versionResource(version, place)),
        );
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
      const kept = await recallFresh(reading, request, reply, model);
      return await sendAbout(reading, request, reply, kept, async () => {
        const found = await find.version(principal, model, version);
        if (found === null) throw new Problem('model_not_found', { model });
        if (found.version === null) throw new Problem('version_not_found', { version });
        return { place: found.model, resource: versionResource(found.version, found.model) };
      });
    },
  );

  server.get(
    '/versions',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Versions of all models, the newest first',
        tags: ['versions'],
        querystring: allVersionsQuery,
      },
    },
    async ({ principal, url, query }, reply) =>
      await versions.sendPage(
        reply,
        principal,
        `versions ${url}`,
        { ...query, model: query.model_id },
        {
          conditions: () => [...where('not p.is_deleted'), ...conditionsOf(query)],
          total: totalOf(principal.tenant, query),
          matches: (version) => version.deleted_at === null && matchesVersion(version, query),
        },
      ),
  );

  server.get(
    '/versions/:id',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One version, by id or serial; also one that was deleted',
        tags: ['versions'],
        params: z.strictObject({ id: idOrSerial('version') }),
        querystring: z.strictObject({ ...freshnessQuery, ...asOfQuery }),
      },
    },
    async ({ principal, params, query }, reply) => {
      const id = await versionIdOf(log, principal, params.id);
      return await versions.sendOne(reply, principal, id, query);
    },
  );

  server.get(
    '/models/:model/timeline',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'What has happened to a model, from the beginning',
        description:
          'Who may read the audit trail also sees what was refused of it, of the type `refused`, each after the event that it came after; pages count events. As of then, only events are shown.',
        tags: ['models'],
        params: modelPath,
        querystring: z.strictObject({ ...pageQuery, ...freshnessQuery, ...asOfQuery }),
      },
    },
    async (request, reply) => {
      const { query, principal, params } = request;
      if (query.as_of !== undefined) {
        await waitUntilFresh(freshness, query, reply);
        // what has happened since is only left out, so the views know it all
        return sendJson(
          reply,
          await timelinePage(
            reader,
            query,
            await then.place(reply, principal, params.model, query.as_of),
          ),
        );
      }
      const model = await demandModel(request, reply, params.model);
      // refusals come without any change of the model
      const json = seesRefusals(principal)
        ? await timelinePageWithRefusals(reader, query, principal.tenant, model.shown)
        : await answerAbout(reading, principal, model, request.url, () =>
            timelinePage(reader, query, model.shown),
          );
      return sendJson(reply, json);
    },
  );
}
