// How a request asks for the answer of then: `as_of`, a position of the log or an RFC 3339 time.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isOrdinaryTime } from '#events/days.ts';

/** The query parameter of every read that can be answered as of then. */
export const asOfQuery = {
  as_of: z
    .union(
      [
        z
          .string()
          .regex(/^[0-9]{1,15}$/)
          .transform((digits) => ({ position: Number(digits) })),
        z.iso
          .datetime({ offset: true })
          .transform((text) => new Date(text))
          // the years that the log can hold; the texts of other ones sort otherwise
          .refine((at) => isOrdinaryTime(at.getTime()))
          .transform((at) => ({ time: at.toISOString() })),
      ],
      'must be a position of the log, or an RFC 3339 time between 1970 and 9999',
    )
    .optional(),
};

/** Whether a request asks for the answer of then; known before anything is validated. */
export const asksAsOf = ({ query }: FastifyRequest): boolean =>
  (query as { as_of?: unknown }).as_of !== undefined;
