// How a request says how fresh its answer must be, and how the answer says how fresh it is.
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Problem } from '#infra/http/problems.ts';
import { positionWaitMs } from '../freshness.ts';
import type { Fresh, Freshness } from '../freshness.ts';

/** The query parameters of every read. */
export const freshnessQuery = {
  consistency: z.enum(['strong', 'eventual']).optional(),
  min_position: z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional(),
};
export type FreshnessQuery = {
  consistency?: 'strong' | 'eventual' | undefined;
  min_position?: number | undefined;
};

/**
 * Waits until the views are as fresh as the request asks, by default as the log; then says in the headers what they hold. Returns
 * the position that the answer must hold.
 * @throws Problem `position_not_reached`; LogUnavailable where the log cannot say how far it is
 */
export async function waitUntilFresh(
  freshness: Freshness,
  { consistency, min_position }: FreshnessQuery,
  reply: FastifyReply,
): Promise<number> {
  if (min_position !== undefined) reply.request.mayTakeLonger(positionWaitMs);
  const fresh =
    min_position === undefined
      ? await (consistency === 'eventual' ? freshness.eventual() : freshness.fresh())
      : await freshness.atLeast(min_position);
  if (fresh === null)
    throw new Problem('position_not_reached', { min_position, position: freshness.known() });
  sayFresh(reply, fresh);
  return fresh.position;
}

/** Whether a request asks for nothing else than what the log has. */
export const isAsFreshAsLog = ({ consistency, min_position }: FreshnessQuery): boolean =>
  min_position === undefined && consistency !== 'eventual';

/** Says in the headers what an answer holds. */
export function sayFresh(reply: FastifyReply, { position, isStale }: Fresh): void {
  reply.header('x-position', position);
  if (isStale) reply.header('x-stale', 'true');
}
