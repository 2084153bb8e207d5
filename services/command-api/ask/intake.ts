// How many commands are taken in: what is past the bound is turned away, and a key in flight waits for its first use.
import { Problem } from '#infra/http/problems.ts';
import type { Answered, AnyAsked } from './asked.ts';
import { enqueueByName } from './moved-name.ts';

/** Commands that may wait at once; past this nothing is taken in, and the client is told to come back. */
export const waitingCommandsMax = 5_000;
/** And so many bytes of their bodies, so that large ones do not fill the heap before there are many. */
const waitingBytesMax = 32 * 1024 * 1024;

export function openIntake(enqueue: (asked: AnyAsked) => Promise<Answered<unknown>>) {
  let taken = 0;
  let takenBytes = 0;
  let closing = false;
  const whenEmpty: (() => void)[] = [];
  const inFlight = new Map<string, Promise<unknown>>();

  async function submit(asked: AnyAsked): Promise<Answered<unknown>> {
    const bytes = asked.bytes ?? 0;
    if (closing || taken >= waitingCommandsMax || takenBytes + bytes > waitingBytesMax)
      throw new Problem('overloaded');
    taken++;
    takenBytes += bytes;
    try {
      // a key in flight waits for its first use, whose record then answers it
      while (inFlight.has(asked.command_id))
        await inFlight.get(asked.command_id)!.catch(() => undefined);
      const answered =
        asked.foundBy === undefined ? enqueue(asked) : enqueueByName(enqueue, asked, asked.foundBy);
      if (asked.request_hash === null) return await answered;
      inFlight.set(asked.command_id, answered);
      try {
        return await answered;
      } finally {
        inFlight.delete(asked.command_id);
      }
    } finally {
      taken--;
      takenBytes -= bytes;
      if (taken === 0) for (const resolve of whenEmpty) resolve();
    }
  }

  return {
    submit,
    waitingCommands: (): number => taken,
    drain: (): Promise<void> =>
      new Promise((resolve) => {
        closing = true;
        if (taken === 0) resolve();
        else whenEmpty.push(resolve);
      }),
  };
}
