// Where a partition is read on: at the last message that was done, so that it can be seen to be still there.
import type { Batch, ReceivedMessage } from './port.ts';

/** How far a partition was read: the offset to read next, null at its beginning, and what tells the last message from another. */
export type ReadTo = { nextOffset: number | null; mark: string | null };

/** An id is a UUID; whoever writes a longer one need not fill the checkpoints. */
const markCharactersMax = 64;

/** The offset to ask for; null is the beginning. */
export const firstOffsetOf = ({ nextOffset, mark }: ReadTo): number | null =>
  nextOffset === null || mark === null ? nextOffset : nextOffset - 1;

/**
 * Tells a message from another one that has its offset in a topic made anew, and was sent at another time. PostgreSQL can hold
 * it, and gives it back as it is, whatever stands in a foreign id.
 */
export function markOf({ timestampMs, headers }: ReceivedMessage): string {
  const id = headers['ce_id']?.toString().slice(0, markCharactersMax) ?? '';
  return `${timestampMs} ${id.toWellFormed().replaceAll('\u0000', '')}`;
}

/** Whether another message is where the last one was, so that the topic has to be read from its beginning. */
export function isMadeAnew({ messages }: Batch, { nextOffset, mark }: ReadTo): boolean {
  const last = messages.find(({ offset }) => offset === nextOffset! - 1);
  return last !== undefined && mark !== null && markOf(last) !== mark;
}

/** What is to be done of a batch: a first message that was read only to see whether it is still there has been. */
export function withoutMarked(
  { messages, jumped }: Batch,
  { nextOffset, mark }: ReadTo,
): readonly ReceivedMessage[] {
  const [first] = messages;
  const isMarked =
    first !== undefined && first.offset + 1 === nextOffset && markOf(first) === mark && !jumped;
  return isMarked ? messages.slice(1) : messages;
}
