// The log as readers see it: pages by position, one event, or a stream of server-sent events that resumes.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { isEventType } from '#events/catalogue.ts';
import { isUuid } from '#events/names.ts';
import { pageEventsMax } from '#events/log.ts';
import type { EventFilter, EventLog } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import { word } from '../fields.ts';
import type { Resolve } from '../resolve.ts';
import { noQuery } from './query.ts';

/** Open event streams of one process; each costs a socket and a query a batch. */
const eventStreamsMax = 1_000;
const streamPageEvents = 200;
/** A revocation holds within a second; what is known of a key is as old as 400 ms at a check. */
const admissionCheckMs = 250;
/** Silence looks like a broken connection to proxies. */
const heartbeatEveryChecks = 20;

const eventTypes = z
  .string()
  .transform((list) => list.split(','))
  .refine((types) => types.every(isEventType), 'must be event types, comma-separated');
const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);
const position = wholeNumber;

const eventsQuery = z.strictObject({
  after: position.optional(),
  limit: wholeNumber.pipe(z.int().min(1).max(pageEventsMax)).default(100),
  type: eventTypes.optional(),
  model: word.optional(),
});

type EventsQuery = z.infer<typeof eventsQuery>;

/** Keys and roles are the affair of those who manage them. */
const seesTenant = (principal: Principal): boolean => principal.everywhere.has('key:manage');

/** The same text for all who may read the same of the log, which is more than models: a filter holds as long as it does. */
const readingOf = (principal: Principal): string =>
  `${seesTenant(principal)} ${principal.audience}`;

export type EventStreams = { count: () => number; closeAll: () => void };

/** Registers the routes; `closeAll` ends every open event stream, for a shutdown. */
export function eventRoutes(
  server: HttpServer,
  { log, resolve, follower }: { log: EventLog; resolve: Resolve; follower: HeadFollower },
): EventStreams {
  const open = new Set<AbortController>();

  /** The stream of a model; one that may not be seen is answered as if there were none. */
  async function findVisible(principal: Principal, model: string): Promise<string> {
    const stream = await resolve.currentModel(principal.tenant, model);
    if (principal.sees === null || isUuid(model)) return stream;
    if (!(await log.isInScope(stream, principal.sees)))
      throw new Problem('model_not_found', { model });
    return stream;
  }

  async function filterOf(
    principal: Principal,
    query: { type?: string[] | undefined; model?: string | undefined },
  ): Promise<EventFilter> {
    const filter: EventFilter = {
      tenant: principal.tenant,
      modelsOnly: !seesTenant(principal),
    };
    if (principal.sees !== null) filter.scopes = principal.sees;
    if (query.type !== undefined) filter.types = query.type;
    if (query.model !== undefined) filter.stream = await findVisible(principal, query.model);
    return filter;
  }

  server.get(
    '/events',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Events after a position; with Accept: text/event-stream they keep coming',
        description:
          'A page may hold fewer than `limit`, as it ends where it has many bytes; only an empty one says that there are no more up to `head`.',
        tags: ['log'],
        querystring: eventsQuery,
      },
    },
    async (request, reply) => {
      const { query } = request;
      if (request.headers.accept?.includes('text/event-stream')) {
        await stream(
          request,
          reply,
          query,
          resumeAfter(request.headers['last-event-id']) ?? query.after ?? 0,
        );
        return reply;
      }
      const filter = await filterOf(request.principal, query);
      const head = await log.head();
      const items = await log.readAll(query.after ?? 0, query.limit, filter);
      const newest = Math.max(head.position, items.at(-1)?.position ?? 0);
      reply.header('x-position', newest);
      return { items, head: newest };
    },
  );

  function resumeAfter(header: string | string[] | undefined): number | null {
    if (header === undefined) return null;
    const parsed = position.safeParse(header);
    if (!parsed.success)
      throw new Problem('invalid', {
        errors: [{ pointer: '/headers/last-event-id', message: 'must be a position' }],
      });
    return parsed.data;
  }

  async function stream(
    request: FastifyRequest,
    reply: FastifyReply,
    query: EventsQuery,
    after: number,
  ): Promise<void> {
    const { raw } = reply;
    const ending = new AbortController();
    // from here on, as who asks may go away while it is looked up what they may see
    raw.on('close', () => ending.abort());
    let filter = await filterOf(request.principal, query);
    let reading = readingOf(request.principal);
    if (request.raw.socket.destroyed) ending.abort();
    if (open.size >= eventStreamsMax) throw new Problem('overloaded');
    open.add(ending);
    reply.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    raw.write(':\n\n');
    try {
      let cursor = after;
      let silentChecks = 0;
      while (!ending.signal.aborted) {
        const principal = await request.principalNow();
        if (principal === null || !principal.somewhere.has('registry:read')) break;
        if (readingOf(principal) !== reading) {
          filter = await filterOf(principal, query);
          reading = readingOf(principal);
        }
        const head = follower.position();
        if (head <= cursor) {
          if (await nextHead(cursor, ending.signal)) continue;
          if (++silentChecks % heartbeatEveryChecks === 0) raw.write(':\n\n');
          continue;
        }
        const events = await log.readAll(cursor, streamPageEvents, filter);
        for (const event of events)
          raw.write(
            `id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
          );
        cursor = events.at(-1)?.position ?? Math.max(cursor, head);
        // a reader that is slower than the log is waited for, so that nothing piles up here
        if (raw.writableNeedDrain) await drained(ending.signal, raw);
      }
    } catch (error) {
      if (!ending.signal.aborted) request.log.warn({ err: error }, 'an event stream ended early');
    } finally {
      open.delete(ending);
      raw.end();
    }
  }

  /** True once there is something beyond the cursor; false when it is time to check the key again. */
  async function nextHead(cursor: number, ended: AbortSignal): Promise<boolean> {
    const timeout = AbortSignal.timeout(admissionCheckMs);
    try {
      await follower.beyond(cursor, AbortSignal.any([ended, timeout]));
      return true;
    } catch (error) {
      if (ended.aborted || timeout.aborted) return false;
      throw error;
    }
  }

  server.get(
    '/events/:id',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One event by its id',
        tags: ['log'],
        params: z.strictObject({ id: z.uuid() }),
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { principal } = request;
      const event = await log.readEvent(request.params.id);
      const isVisible =
        event !== null &&
        event.tenant === principal.tenant &&
        (seesTenant(principal) || event.stream.startsWith('model:')) &&
        (principal.sees === null || (await log.isInScope(event.stream, principal.sees)));
      if (!isVisible) throw new Problem('event_not_found', { id: request.params.id });
      reply.header('x-position', event.position);
      return event;
    },
  );

  return {
    count: () => open.size,
    closeAll: () => {
      for (const ending of open) ending.abort();
    },
  };
}

/** Resolves when the socket takes more, or the stream has ended. */
function drained(ended: AbortSignal, raw: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      raw.off('drain', done);
      ended.removeEventListener('abort', done);
      resolve();
    };
    raw.on('drain', done);
    ended.addEventListener('abort', done);
  });
}
