// A name may go to another stream between the search for it and the decision: then it is decided there.
import { Problem } from '#infra/http/problems.ts';
import type { Answered, AnyAsked, FoundBy } from './asked.ts';

/** The stream that was found has another name by now, or none; whoever catches nothing says that there is no such model. */
export class NameMoved extends Problem {
  constructor(model: string) {
    super('model_not_found', { model });
  }
}

/** What is decided on a stream that has lost the name is nothing: it is decided on the one that has it now. */
export const enqueueByName = (
  enqueue: (asked: AnyAsked) => Promise<Answered<unknown>>,
  asked: AnyAsked,
  { again }: FoundBy,
): Promise<Answered<unknown>> =>
  enqueue(asked).catch(async (error: unknown) => {
    if (!(error instanceof NameMoved)) throw error;
    return await enqueue({ ...asked, stream: await again() });
  });
