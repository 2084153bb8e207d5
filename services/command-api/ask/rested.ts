// What a decision rests on beside its own stream: what other streams say, and the roles that the caller holds now.
import type { AppendEntry } from '#events/log.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Streams, StreamState } from '../streams.ts';
import { noRested } from './waiting.ts';
import type { Draft, RestedStream, Waiting } from './waiting.ts';

/** The command with what the streams that it rests on say, as far as the memory knows; noted for the append. */
export type Inform = (waiting: Waiting, state: StreamState, at: string) => unknown;
/** The command as its caller may ask it, by the roles held now where the decision rests on them; else why not. */
export type Admit = (waiting: Waiting, state: StreamState, wish: unknown) => unknown;

export function openRested(streams: Streams): { informed: Inform; admitted: Admit } {
  /** Another stream as far as the memory knows it. */
  function recalled(waiting: Waiting, kind: RestedStream['kind'], stream: string): RestedStream {
    const known = streams.recall(kind, stream);
    // one that is too large to be kept was read for this command alone
    const folded = known.state.stream_version > 0 ? known : (waiting.caughtUp.get(stream) ?? known);
    return { kind, folded, version: folded.state.stream_version };
  }

  return {
    informed(waiting, state, at) {
      const { kind, tenant, command } = waiting.asked;
      const { restsOn } = kind;
      const wanted = command(at);
      waiting.rested = noRested;
      if (restsOn === undefined) return wanted;
      const names = restsOn.streamsOf(tenant, state, wanted);
      if (names.length === 0) return wanted;
      waiting.rested = names.map((name) => recalled(waiting, restsOn.kind, name));
      return restsOn.informed(
        wanted,
        waiting.rested.map(({ folded }) => folded),
      );
    },

    admitted(waiting, state, wish) {
      const { kind, principal } = waiting.asked;
      if (principal === undefined || kind.admit === null) return wish;
      const stream = kind.roles?.streamOf(principal, wish) ?? null;
      if (stream === null) return kind.admit(principal, state, wish);
      const roles = kind.roles!;
      const rested = recalled(waiting, roles.kind, stream);
      waiting.rested = [...waiting.rested, rested];
      const caller = roles.current(principal, rested.folded);
      return caller instanceof Problem
        ? caller
        : kind.admit(caller, state, wish, rested.folded.state as never);
    },
  };
}

const onNothingElse: AppendEntry['decided_on'] = [];

/** What an entry's commands rested on, each stream once: they were decided in the same moment. */
export function restedOf(entry: readonly Draft[]): AppendEntry['decided_on'] {
  if (entry.every(({ waiting }) => waiting.rested.length === 0)) return onNothingElse;
  // nearly every entry has one command
  if (entry.length === 1)
    return entry[0]!.waiting.rested.map(({ folded, version }) => ({
      stream: folded.stream,
      version,
    }));
  const all = new Map<string, number>();
  for (const { waiting } of entry)
    for (const { folded, version } of waiting.rested) all.set(folded.stream, version);
  return [...all].map(([stream, version]) => ({ stream, version }));
}
