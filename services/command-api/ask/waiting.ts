// A command that waits for its answer, with what is known of it from one decision to the next.
import type { DomainEvent } from '#events/envelope.ts';
import type { AppendCommand } from '#events/log.ts';
import type { Folded, StreamKind, StreamState } from '../streams.ts';
import type { Answered, AnyAsked } from './asked.ts';

export type Waiting = {
  asked: AnyAsked;
  folded: Folded<StreamState>;
  tries: number;
  /** Alone in its entry, after the database refused a value of the entry it was in. */
  alone: boolean;
  /** What its last decision rested on. */
  rested: Rested;
  /** Such streams as they were read after a conflict. */
  caughtUp: ReadonlyMap<string, Folded<StreamState>>;
  resolve: (answered: Answered<unknown>) => void;
  reject: (error: Error) => void;
};

/** Another stream that a command was decided on, at the version that was in memory. */
export type RestedStream = {
  kind: StreamKind<StreamState, unknown, DomainEvent, unknown>;
  folded: Folded<StreamState>;
  version: number;
};
export type Rested = readonly RestedStream[];
export const noRested: Rested = [];

/** What one command of a batch led to, before the log was asked. */
export type Draft = { waiting: Waiting; append: AppendCommand };

/** Is told of every bug, and of what was being done. */
export type OnBug = (error: Error, where: string) => void;
