// What the read routes share: the parts of paths and filters, and what they read with.
import type { FastifyReply } from 'fastify';
import type { Principal } from '#events/access.ts';
import { z } from 'zod';
import { isStorableText, modelStream } from '#events/names.ts';
import type { EventLog } from '#events/log.ts';
import type { shareAnswers } from '../coalesce.ts';
import type { Find } from '../find.ts';
import type { Freshness } from '../freshness.ts';
import type { ListPage } from '../lists.ts';
import type { Reader } from '../reader.ts';

const pathPartCharactersMax = 512;
const filterCharactersMax = 256;

/** What every read route is given. */
export type Reading = {
  reader: Reader;
  find: Find;
  findSerial: EventLog['findSerial'];
  freshness: Freshness;
  share: ReturnType<typeof shareAnswers<Buffer>>;
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

/** A condition for what a caller may see, on a row `m` of models; nothing for who sees the whole tenant. */
export function seenBy({ sees }: Pick<Principal, 'sees'>): ReturnType<typeof where> {
  if (sees === null) return [];
  const named = (kind: 'team' | 'project'): string[] =>
    sees
      .filter((scope) => scope.startsWith(`${kind}:`))
      .map((scope) => scope.slice(kind.length + 1));
  return where('(m.team = any(?) or m.project = any(?))', named('team'), named('project'));
}

/** A resource as it is answered; what is behind because its stream is parked says so. */
export function shown<Resource extends object>(
  reader: Reader,
  tenant: string,
  modelId: string,
  resource: Resource,
): Resource | (Resource & { stale: true }) {
  const parked = reader.parked();
  const isStale = parked.size > 0 && parked.has(modelStream(tenant, modelId));
  return isStale ? { ...resource, stale: true } : resource;
}

/** Sends a single resource with its ETag. */
export function sendResource(
  reply: FastifyReply,
  resource: { stream_version: number } & object,
): FastifyReply {
  if ('stale' in resource) reply.header('x-stale', 'true');
  return reply.header('etag', `"${resource.stream_version}"`).send(resource);
}

/** An answer as it is sent, so that requests that share one encode it once. */
export const encoded = (answer: object): Buffer => Buffer.from(JSON.stringify(answer));

/** A page of a list as it is sent, each row as a resource. */
export const encodedPage = <Row>(
  { rows, nextPageToken, totalCount }: ListPage<Row>,
  show: (row: Row) => object,
): Buffer =>
  encoded({ items: rows.map(show), next_page_token: nextPageToken, total_count: totalCount });

/** Sends what is JSON already. */
export const sendJson = (reply: FastifyReply, json: Buffer | string): FastifyReply =>
  reply.header('content-type', 'application/json; charset=utf-8').send(json);
