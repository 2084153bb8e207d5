// What a query may say: nothing, or how much of a list is asked for.
import { z } from 'zod';

export const noQuery = z.strictObject({});

/** Items on a page of a list. */
export const pageSize = z
  .string()
  .regex(/^\d{1,4}$/)
  .transform(Number)
  .pipe(z.int().min(1).max(1000))
  .default(50);
