// What is asked, and what is answered: one command on its way, with who asks it and how its answer is made.
import type { Principal } from '#events/access.ts';
import type { Actor, DomainEvent, RecordedEvent } from '#events/envelope.ts';
import type { KeyEffect } from '#events/log.ts';
import type { Problem, ProblemCode } from '#infra/http/problems.ts';
import type { StreamKind, StreamState } from '../streams.ts';
import type { ForetoldEvent } from './foretold.ts';

/** The name by which a stream was found. It is remembered, and may have gone to another stream since. */
export type FoundBy = {
  name: string;
  /** The stream that has the name now. @throws Problem where none has it */
  again: () => Promise<string>;
};

/** One command on its way: who asks, what, of which stream, and how the answer is made. */
export type Asked<
  State extends StreamState,
  Command,
  Event extends DomainEvent,
  Refusal,
  Answer,
> = {
  kind: StreamKind<State, Command, Event, Refusal>;
  stream: string;
  /** Absent where the stream was not found by a name. */
  foundBy?: FoundBy | undefined;
  /** True where the stream's id was made for this command, so that there is nothing to load. */
  isNew?: boolean;
  tenant: string;
  actor: Actor;
  /** Whose rights are asked for; absent where the registry itself asks. */
  principal?: Principal;
  /** What is answered where the stream does not exist, or the caller may not see it: the same. */
  missing?: () => Problem;
  /** The command at a time; pure, as it may be decided more than once. */
  command: (at: string) => Command;
  command_id: string;
  /** Null where the id cannot come twice; otherwise a success is recorded even if it changes nothing. */
  request_hash: string | null;
  /** Answered, and remembered for a duplicate. */
  status: number;
  reason: string | null;
  occurred_at?: string | null;
  correlation_id?: string | null;
  causation_id?: string | null;
  traceparent?: string | null;
  /** `If-Match`: the version that the stream must have. */
  expected_version?: number | null;
  /** Size of the request's body in bytes, as a bound for its events. */
  bytes?: number;
  /** Decided and answered, and nothing is stored. */
  dry_run: boolean;
  keys?: readonly KeyEffect[];
  /** What the registry itself asks next, on what this leaves. It is told of by a dry run, as long as nothing refuses it. */
  next?: (state: State) => { actor: Actor; reason: null; command: (at: string) => Command } | null;
  /** The answer from the state right after the command's events, of which there may be none. */
  answer: (state: State, events: readonly RecordedEvent<Event>[]) => Answer;
};

/** A command of whatever kind: its own types meet again in its closures. */
export type AnyAsked = Asked<StreamState, unknown, DomainEvent, { code: ProblemCode }, unknown>;

export type Answered<Answer> = {
  answer: Answer;
  status: number;
  stream_version: number;
  /** Of the command's last event; of the log's head, if it wrote none. */
  position: number;
  duplicate: boolean;
  /** What a dry run would have written; null for what was asked in earnest. */
  would_write: readonly ForetoldEvent[] | null;
};

/** Whether the command's own events were written by this very request. */
export const isRecordedNow = ({ duplicate, would_write }: Answered<unknown>): boolean =>
  !duplicate && would_write === null;
