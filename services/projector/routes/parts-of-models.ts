// Reading what belongs to a model and has an id of its own: versions, deployments, bindings, promotion requests. Each is a row,
// shown with the name of its model and how far that is; as of then, the same is found in the folded model.
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { maySee } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import { Problem } from '#infra/http/problems.ts';
import type { ModelThen, Moment, Then } from '#infra/as-of.ts';
import { pageOf, readList } from '../lists.ts';
import type { ListOf, Order, PageQuery } from '../lists.ts';
import { waitUntilFresh } from './freshly.ts';
import type { FreshnessQuery } from './freshly.ts';
import { encodedPage, seenBy, sendJson, sendResource, shown, where } from './reading.ts';
import type { Reading } from './reading.ts';

/** What a part's answer shows of its model. */
type ModelOfPart = { name: string; stream_version: number; position: number };

type Kind<Part> = {
  /** In the name of the prepared statement. */
  noun: string;
  view: 'bindings' | 'deployments' | 'promotion_requests' | 'versions';
  /** The column of the view that names a part; ids are UUIDv7, so the newest is the greatest. */
  id: 'binding_id' | 'deployment_id' | 'promotion_request_id' | 'version_id';
  /** The same of a row in memory. */
  idOf: (part: Part) => string;
  /** What is shown at all: SQL on a row `p`, and the same of a row in memory. */
  only?: { sql: string; holds: (part: Part) => boolean };
  missing: (id: string) => Problem;
  /** @param at when it is shown */
  resource: (part: Part, model: ModelOfPart, at: string) => { stream_version: number };
  /** The parts of a folded model. */
  inState: (state: ModelThen) => Iterable<Part>;
  /** The stream in which the log has the part, whenever. */
  streamOf: (tenant: string, id: string) => Promise<string | null>;
};

type Query = FreshnessQuery & { as_of?: Then | undefined };
type ListQuery = Query & PageQuery & { model?: string | undefined };

/** A filter twice: as conditions on a row `p` of the view, and on a row in memory. */
type Filter<Part> = {
  conditions: () => ListOf['conditions'];
  /** What counters know of how many there are in a tenant, if they do: rows are counted otherwise. */
  total?: ListOf['total'];
  matches: (part: Part, at: string) => boolean;
};

type Row = {
  state: string;
  model_id: string;
  name: string;
  stream_version: number;
  position: string;
};

export const partPath = z.strictObject({ id: z.uuid() });

/** How parts of a kind are listed, those of deleted models not, and found. */
export function partsOf<Part>(reading: Reading, kind: Kind<Part>) {
  const { reader, find, asOf, clock, freshness, share } = reading;
  const { view, only, idOf } = kind;
  const from = `views.${view}_gN p,
    lateral (select model_id, name, team, project, is_deleted, stream_version, position from views.models_gN where model_id = p.model_id limit 1) m`;
  const columns = 'p.state, m.model_id, m.name, m.stream_version, m.position';
  const order: Order = { column: `p.${kind.id}`, type: 'uuid', direction: 'desc' };

  function resourceOf(tenant: string, { state, model_id, name, stream_version, position }: Row) {
    const part = JSON.parse(state) as Part;
    const model = { name, stream_version, position: Number(position) };
    const resource = kind.resource(part, model, clock.now().toISOString());
    return shown(reader, tenant, model_id, resource);
  }

  /** @throws Problem `model_not_found` */
  async function ofModel(
    caller: Principal,
    model: string | undefined,
  ): Promise<ListOf['conditions']> {
    if (model === undefined) return [];
    const found = await find.model(caller, model);
    if (found === null) throw new Problem('model_not_found', { model });
    return where('p.model_id = ?', found.model_id);
  }

  async function pageNow(
    caller: Principal,
    query: ListQuery,
    { conditions, total = null }: Filter<Part>,
  ): Promise<string> {
    const list: ListOf = {
      from,
      columns,
      conditions: [
        ...where('p.tenant = ?', caller.tenant),
        ...where('not m.is_deleted'),
        ...(only === undefined ? [] : where(only.sql)),
        ...conditions(),
        ...(await ofModel(caller, query.model)),
      ],
      seen: seenBy(caller),
      order,
      total: caller.sees === null && query.model === undefined ? total : null,
    };
    const page = await readList<Row>(reader, query, list);
    return encodedPage(page, (row) => resourceOf(caller.tenant, row));
  }

  const partsThen = (state: ModelThen): Part[] =>
    [...kind.inState(state)].filter((part) => only === undefined || only.holds(part));

  async function pageThen(
    caller: Principal,
    query: ListQuery,
    { position, at }: Moment,
    { matches }: Filter<Part>,
  ): Promise<string> {
    const models =
      query.model === undefined
        ? await asOf.models(caller, position)
        : [await asOf.model(caller, query.model, position)];
    const found = models
      .filter(({ model }) => model.state !== 'deleted')
      .flatMap((state) =>
        partsThen(state)
          .filter((part) => matches(part, at))
          .map((part) => ({ part, model: state.model })),
      );
    const page = pageOf(found, query, order, ({ part }) => idOf(part));
    return encodedPage(page, ({ part, model }) => kind.resource(part, model, at));
  }

  async function oneNow(caller: Principal, id: string) {
    const [row] = await reader.rows<Row & Place>({
      name: kind.noun,
      text: `select ${columns}, m.team, m.project from ${from}
             where p.tenant = $1 and p.${kind.id} = $2 and ${only?.sql ?? 'true'}`,
      values: [caller.tenant, id],
    });
    if (row === undefined || !maySee(caller, row)) throw kind.missing(id);
    return resourceOf(caller.tenant, row);
  }

  async function oneThen(caller: Principal, id: string, { position, at }: Moment) {
    const stream = await kind.streamOf(caller.tenant, id);
    const state = stream === null ? null : await asOf.stream(caller, stream, position);
    const part = state === null ? undefined : partsThen(state).find((one) => idOf(one) === id);
    if (state === null || part === undefined) throw kind.missing(id);
    return kind.resource(part, state.model, at);
  }

  return {
    /**
     * A page of those that the caller may see, the newest first.
     * @param question tells the answer from others that are made at the same moment
     * @throws Problem `model_not_found`, `as_of_too_wide`
     */
    async sendPage(
      reply: FastifyReply,
      caller: Principal,
      question: string,
      query: ListQuery,
      filter: Filter<Part>,
    ): Promise<FastifyReply> {
      if (query.as_of === undefined) {
        await waitUntilFresh(freshness, query, reply);
        return sendJson(reply, await share(caller, question, () => pageNow(caller, query, filter)));
      }
      const moment = await asOf.moment(query.as_of);
      const json = await share(caller, question, () => pageThen(caller, query, moment, filter));
      return sendJson(reply.header('x-position', moment.position), json);
    },

    /** @throws Problem that says that there is none; the same for one that the caller may not see */
    async sendOne(
      reply: FastifyReply,
      caller: Principal,
      id: string,
      query: Query,
    ): Promise<FastifyReply> {
      if (query.as_of === undefined) {
        await waitUntilFresh(freshness, query, reply);
        return sendResource(reply, await oneNow(caller, id));
      }
      const moment = await asOf.moment(query.as_of);
      return sendResource(
        reply.header('x-position', moment.position),
        await oneThen(caller, id, moment),
      );
    },
  };
}
