// What the read routes share: the parts of paths and filters, and what they read with.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { namesOf } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import { z } from 'zod';
import { isStorableText, modelStream } from '#events/names.ts';
import type { EventLog } from '#events/log.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import { shownModel } from '../answers.ts';
import type { AsOf } from '#infra/as-of.ts';
import type { Answers, Caller, KeptModel, ShownModel } from '../answers.ts';
import type { shareAnswers } from '../share-answers.ts';
import type { Find } from '../find.ts';
import type { Freshness } from '../freshness.ts';
import type { ListPage } from '../lists.ts';
import type { ModelIndex } from '../model-index.ts';
import type { Reader } from '../reader.ts';
import { isAsFreshAsLog, sayFresh, waitUntilFresh } from './freshly.ts';
import type { FreshnessQuery } from './freshly.ts';

const pathPartCharactersMax = 512;
const filterCharactersMax = 256;

/** What every read route is given. */
export type Reading = {
  reader: Reader;
  find: Find;
  log: Pick<EventLog, 'findSerial' | 'isInScope' | 'findVersion' | 'findPart'>;
  freshness: Freshness;
  asOf: AsOf;
  clock: Pick<Clock, 'now'>;
  share: ReturnType<typeof shareAnswers<string>>;
  answers: Answers;
  index: ModelIndex;
};

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const pathPartPattern = /^[^/\u0000-\u001f]+$/;
export const pathPart = z
  .string()
  .min(1)
  .max(pathPartCharactersMax)
  .regex(pathPartPattern, 'must not hold "/" or control characters')
  .refine(isStorableText, 'must be well-formed Unicode');

/** A filter by an exact text. */
export const filterText = z
  .string()
  .min(1)
  .max(filterCharactersMax)
  .refine(isStorableText, 'must be well-formed Unicode without NUL');

export const filterBoolean = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .optional();

/** A condition for a filter that is given. */
export const where = (
  sql: string,
  ...values: readonly unknown[]
): { sql: string; values: readonly unknown[] }[] =>
  values.includes(undefined) ? [] : [{ sql, values }];

/** The same of a row in memory. */
export const isAsked = <Value>(asked: Value | undefined, value: Value): boolean =>
  asked === undefined || asked === value;

/** A condition for what a caller may see, on a row `m` of models; nothing for who sees the whole tenant. */
export function seenBy({ sees }: Pick<Principal, 'sees'>): ReturnType<typeof where> {
  if (sees === null) return [];
  return where(
    '(m.team = any(?) or m.project = any(?))',
    namesOf(sees, 'team'),
    namesOf(sees, 'project'),
  );
}

/** Whether a model is behind because its stream is parked. */
export const isParked = (reader: Reader, stream: string): boolean => {
  const parked = reader.parked();
  return parked.size > 0 && parked.has(stream);
};

/** A resource as it is answered; what is behind because its stream is parked says so. */
export function shown<Resource extends object>(
  reader: Reader,
  tenant: string,
  modelId: string,
  resource: Resource,
): Resource | (Resource & { stale: true }) {
  return isParked(reader, modelStream(tenant, modelId)) ? { ...resource, stale: true } : resource;
}

/** The same of a model that is JSON already. */
export const shownJson = (reader: Reader, { stream, json }: ShownModel): string =>
  isParked(reader, stream) ? `${json.slice(0, -1)},"stale":true}` : json;

/** The model that the caller means; null where there is none that the caller may see. */
export async function findModel(
  { answers, find }: Reading,
  caller: Caller,
  model: string,
): Promise<KeptModel | null> {
  const read = answers.reading();
  const found = await find.model(caller, model);
  return found === null ? null : answers.keep(read, shownModel(found));
}

/**
 * Waits until a read of one model is as fresh as its request asks. Returns the model from memory where it is vouched for that nothing
 * has changed: by the log, which has no more of its stream, whatever the views lack of others; or by the projection, which told
 * of all changes up to the position that was waited for. Else undefined, and the views are to be asked.
 * @throws Problem `position_not_reached`; LogUnavailable where the log cannot say how far it is
 */
export async function recallFresh(
  reading: Reading,
  { principal, query }: { principal: Caller; query: FreshnessQuery },
  reply: FastifyReply,
  model: string,
): Promise<KeptModel | undefined> {
  const { answers, freshness } = reading;
  const kept = isAsFreshAsLog(query) ? recall(reading, principal, model) : undefined;
  let position: number;
  if (kept === undefined) position = await waitUntilFresh(freshness, query, reply);
  else {
    const { stream, stream_version } = kept.shown;
    const fresh = await freshness.freshOrUnchanged(stream, stream_version);
    sayFresh(reply, fresh);
    if (fresh.isUnchanged) return kept;
    ({ position } = fresh);
  }
  return answers.covers(position) ? recall(reading, principal, model) : undefined;
}

/** A model from memory, as of whenever; one of a stream that is parked is not. */
function recall(
  { answers, reader }: Reading,
  caller: Caller,
  model: string,
): KeptModel | undefined {
  if (!reader.isCurrent()) return undefined;
  const kept = answers.recall(caller, model);
  return kept === undefined || isParked(reader, kept.shown.stream) ? undefined : kept;
}

/** An answer about a model that is kept for as long as nothing of the model changes, and made once for all that ask. */
export async function answerAbout(
  { answers, share }: Reading,
  caller: Caller,
  model: KeptModel,
  question: string,
  make: () => Promise<string>,
): Promise<string> {
  const { stream_version } = model.shown;
  return (
    answers.recallAnswer(caller, model, question) ??
    (await share(caller, `${question} at ${stream_version}`, async () => {
      const json = await make();
      answers.keepAnswer(caller, model, question, json);
      return json;
    }))
  );
}

/** What one statement has read of a model. */
type ReadOfModel = { place: { model_id: string; stream_version: number }; resource: object };

/**
 * Sends an answer about a model that is kept for as long as nothing of the model changes, if it was read as it is now.
 * @param kept the model, if `recallFresh` found it
 */
export async function sendAbout(
  { answers, reader }: Reading,
  { principal, url }: FastifyRequest,
  reply: FastifyReply,
  kept: KeptModel | undefined,
  read: () => Promise<ReadOfModel>,
): Promise<FastifyReply> {
  const known = kept && answers.recallAnswer(principal, kept, url);
  if (kept !== undefined && known !== undefined)
    return sendResourceJson(reply, kept.shown.stream_version, known, false);
  const { place, resource } = await read();
  const answer = shown(reader, principal.tenant, place.model_id, resource);
  const isStale = 'stale' in answer;
  const json = JSON.stringify(answer);
  if (!isStale && kept?.shown.stream_version === place.stream_version)
    answers.keepAnswer(principal, kept, url, json);
  return sendResourceJson(reply, place.stream_version, json, isStale);
}

/** Sends a single resource with its ETag, or word that the caller has it already. */
export const sendResource = (
  reply: FastifyReply,
  resource: { stream_version: number } & object,
): FastifyReply =>
  sendResourceJson(reply, resource.stream_version, JSON.stringify(resource), 'stale' in resource);

/** The same of a resource that is JSON already. */
export function sendResourceJson(
  reply: FastifyReply,
  streamVersion: number,
  json: string,
  isStale: boolean,
): FastifyReply {
  const etag = `"${streamVersion}"`;
  reply.header('etag', etag);
  if (isStale) reply.header('x-stale', 'true');
  else if (isKnown(reply.request.headers['if-none-match'], etag)) return reply.code(304).send();
  return sendJson(reply, json);
}

/** Whether `If-None-Match` names the ETag; a weak one is as good here (RFC 9110, section 13.1.2). */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return (
    ifNoneMatch.trim() === '*' ||
    ifNoneMatch.split(',').some((known) => known.trim().replace(/^W\//, '') === etag)
  );
}

/** A page of a list as it is sent, each row as a resource. */
export const encodedPage = <Row>(page: ListPage<Row>, show: (row: Row) => object): string =>
  pageJson(page, (row) => JSON.stringify(show(row)));

/** The same of resources that are JSON already. */
export function pageJson<Row>(
  { rows, nextPageToken, totalCount, isCapped }: ListPage<Row>,
  show: (row: Row) => string,
): string {
  const rest = JSON.stringify({
    next_page_token: nextPageToken,
    total_count: totalCount,
    ...(isCapped && { total_count_capped: true }),
  });
  // one join makes one text of all, where a template would make another one around it
  const items = rows.map(show);
  const last = items.length - 1;
  if (last < 0) return `{"items":[],${rest.slice(1)}`;
  items[0] = `{"items":[${items[0]!}`;
  items[last] = `${items[last]!}],${rest.slice(1)}`;
  return items.join(',');
}

/** From here on a text is sent as bytes: as a text it is copied twice more on its way, to be measured and behind the head. */
const largeCharacters = 4_096;

/** Sends what is JSON already. */
export const sendJson = (reply: FastifyReply, json: string): FastifyReply =>
  reply
    .header('content-type', 'application/json; charset=utf-8')
    .send(json.length < largeCharacters ? json : Buffer.from(json));
