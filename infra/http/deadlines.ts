// A read is answered soon, whatever keeps it: each of its steps gives up by itself, but a read of many steps would wait for them all.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { openLogger } from '#infra/telemetry/logger.ts';
import { Problem } from './problems.ts';

/** Who waits is looked through this often. */
const turnMs = 200;
/** A read that lives through so many looks is given up: after 1.8 to 2 s. */
const turnsMax = 10;

export type Deadlines = {
  /** Gives up a read that is not answered in time. */
  watch: (request: FastifyRequest, reply: FastifyReply) => void;
  /** From now on it has so long and what every read has. */
  allow: (request: FastifyRequest, ms: number) => void;
  /** It is answered. */
  forget: (request: FastifyRequest) => void;
  close: () => void;
};

/**
 * Counts turns of its own and not time, so that a process which was stopped or had much to do first answers what it has ready.
 * One timer serves all, as a timer for each read would cost more than some reads.
 */
export function openDeadlines(): Deadlines {
  /** The reads that wait, and in which turn each of them is given up. */
  const waiting = new Map<FastifyRequest, { reply: FastifyReply; until: number }>();
  let turn = 0;

  const timer = setInterval(() => {
    turn++;
    for (const [request, { reply, until }] of waiting)
      if (until <= turn) {
        waiting.delete(request);
        giveUp(reply);
      }
  }, turnMs);
  timer.unref();

  return {
    watch: (request, reply) => void waiting.set(request, { reply, until: turn + turnsMax }),
    allow: (request, ms) => {
      const read = waiting.get(request);
      if (read !== undefined) read.until = turn + turnsMax + Math.ceil(ms / turnMs);
    },
    forget: (request) => void waiting.delete(request),
    close: () => clearInterval(timer),
  };
}

/** What the hooks say of every answer; the rest was said of the one that did not come. */
const ofEveryAnswer: ReadonlySet<string> = new Set(['x-content-type-options', 'cache-control']);
const silence = openLogger('silent');

function giveUp(reply: FastifyReply): void {
  if (reply.sent || reply.raw.headersSent || reply.raw.destroyed) return;
  const cause = new Error('the answer was not ready in time');
  for (const name of Object.keys(reply.getHeaders()))
    if (!ofEveryAnswer.has(name)) reply.removeHeader(name);
  void reply.send(new Problem('overloaded', {}, { cause }));
  // what the route has to say when it comes to its end, nobody hears, nor how it failed
  reply.send = () => reply;
  reply.log = silence;
}
