// The folded streams that commands are decided on: kept by use, bounded by weight, caught up by reading the delta.
import { LRUCache } from 'lru-cache';
import type { Principal } from '#events/access.ts';
import type { TenantState } from '#events/tenant/tenant.ts';
import type { Decider } from '#events/decider.ts';
import type { DomainEvent, RecordedEvent } from '#events/envelope.ts';
import type { EventLog, SnapshotPart } from '#events/log.ts';
import { upcast } from '#events/upcasters.ts';
import type { Problem } from '#infra/http/problems.ts';

/** Rows (models, versions, deployments) kept in memory in all; one is about 2 KB. */
export const rowsMax = 20_000;
/** Past this many events a fold is worth keeping in the database. */
const snapshotEveryEvents = 500;

export type StreamState = { stream_version: number };

/** How a command comes to know of other streams, all of one kind. */
type RestsOn<State, Command> = {
  kind: StreamKind<StreamState, unknown, DomainEvent, unknown>;
  /** The streams that the command rests on, as the state is. */
  streamsOf: (tenant: string, state: State, command: Command) => readonly string[];
  /** The command with what those streams say, as they stand; a stream that nobody wrote stands at 0. */
  informed: (command: Command, rested: readonly Folded<StreamState>[]) => Command;
};

/** How it is known who holds which role at the moment of a decision. */
type RolesOf<Command> = {
  kind: StreamKind<StreamState, unknown, DomainEvent, unknown>;
  /** The stream that gives and takes roles; null where the decision does not rest on it. */
  streamOf: (principal: Principal, command: Command) => string | null;
  /** The caller as that stream has them; else why they are nobody any more. */
  current: (principal: Principal, roles: Folded<StreamState>) => Principal | Problem;
};

/** Makes snapshots of one state in memory as it changes. What has not changed since the last one are the same parts again. */
export type SnapshotEncoder<State> = { encode(state: State): readonly SnapshotPart[] };

/** A kind of stream: its rules, how heavy its state is, and how it is kept as a snapshot. */
export type StreamKind<State extends StreamState, Command, Event extends DomainEvent, Refusal> = {
  decider: Decider<State, Command, Event, Refusal>;
  rowsOf: (state: State) => number;
  /** The command as its caller may ask it of the stream as it is; else why not. `tenant`: who holds what, where the decision rests on it. */
  admit:
    | ((
        principal: Principal,
        state: State,
        command: Command,
        tenant?: TenantState,
      ) => Command | Problem)
    | null;
  /** Whether the stream has a name now; for kinds that are found by one. */
  isCalled?: (state: State, name: string) => boolean;
  /** Other streams that some of its commands are decided on; their versions are named in the append. */
  restsOn?: RestsOn<State, Command>;
  /** And the one that says who may ask, named likewise. */
  roles?: RolesOf<Command>;
  /** `foldVersion` changes with the shape of the state or the meaning of the fold; a snapshot of another is not read. */
  snapshot: {
    foldVersion: number;
    newEncoder: () => SnapshotEncoder<State>;
    decode: (parts: readonly SnapshotPart[]) => { state: State; encoder: SnapshotEncoder<State> };
  } | null;
};

/** A stream in memory. `state` is at `state.stream_version`, which may be behind the log until someone looks. */
export type Folded<State extends StreamState> = {
  readonly stream: string;
  state: State;
  /** The version of the last snapshot that is known to exist. */
  snapshotVersion: number;
  /** Null before its first snapshot. */
  encoder: SnapshotEncoder<State> | null;
};

export type Streams = {
  /** The folded stream, from memory or from the log. It may be behind: whoever answers without appending looks first. */
  load: <State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    stream: string,
  ) => Folded<State> | Promise<Folded<State>>;
  /** The stream as it is in memory; one that is not there is taken for unwritten, until the log says otherwise. */
  recall: <State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    stream: string,
  ) => Folded<State>;
  /** A stream that nobody has written yet; it is kept once its first events are recorded. */
  begin: <State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    stream: string,
  ) => Folded<State>;
  /** Reads what the memory lacks of the log. */
  catchUp: <State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    folded: Folded<State>,
  ) => Promise<void>;
  /** Folds what was recorded just now, and keeps the stream. */
  apply: <State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    folded: Folded<State>,
    events: readonly RecordedEvent[],
  ) => void;
  /** The stream as it was at a version, apart from the memory. */
  foldTo: <State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    stream: string,
    version: number,
  ) => Promise<{ state: State; events: readonly RecordedEvent[] }>;
  forget: (stream: string) => void;
};

export function openStreams(log: EventLog, onSnapshotError: (error: unknown) => void): Streams {
  const kept = new LRUCache<string, Folded<StreamState>>({
    maxSize: rowsMax,
    maxEntrySize: rowsMax,
  });
  const loading = new Map<string, Promise<Folded<StreamState>>>();

  async function fold<State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    stream: string,
  ): Promise<Folded<State>> {
    const { snapshot } = kind;
    const folded = unwritten(kind, stream);
    if (snapshot === null) {
      evolve(kind, folded, await log.readStream(stream, 0));
    } else {
      const found = await log.readFromSnapshot(stream, snapshot.foldVersion);
      if (found.snapshot !== null) {
        Object.assign(folded, snapshot.decode(found.snapshot.parts));
        folded.snapshotVersion = found.snapshot.stream_version;
      }
      evolve(kind, folded, found.events);
    }
    if (folded.state.stream_version > 0) keep(kind, folded);
    return folded;
  }

  function evolve<State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    folded: Folded<State>,
    events: readonly RecordedEvent[],
  ): void {
    for (const event of events)
      folded.state = kind.decider.evolve(folded.state, upcast(event) as RecordedEvent<Event>);
  }

  function keep<State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    folded: Folded<State>,
  ): void {
    const size = kind.rowsOf(folded.state);
    // the cache weighs what comes in, and what it has already it does not weigh again
    if (kept.has(folded.stream)) kept.delete(folded.stream);
    kept.set(folded.stream, folded, { size });
    const { snapshot } = kind;
    const version = folded.state.stream_version;
    if (snapshot === null || version - folded.snapshotVersion < snapshotEveryEvents) return;
    folded.snapshotVersion = version;
    folded.encoder ??= snapshot.newEncoder();
    log
      .saveSnapshot(
        folded.stream,
        snapshot.foldVersion,
        version,
        folded.encoder.encode(folded.state),
      )
      .catch(onSnapshotError);
  }

  async function catchUp<State extends StreamState, Command, Event extends DomainEvent, Refusal>(
    kind: StreamKind<State, Command, Event, Refusal>,
    folded: Folded<State>,
  ): Promise<void> {
    const events = await log.readStream(folded.stream, folded.state.stream_version);
    // another reader may have been faster, as the state is shared
    evolve(
      kind,
      folded,
      events.filter((event) => event.stream_version > folded.state.stream_version),
    );
    if (folded.state.stream_version > 0) keep(kind, folded);
  }

  return {
    load<State extends StreamState, Command, Event extends DomainEvent, Refusal>(
      kind: StreamKind<State, Command, Event, Refusal>,
      stream: string,
    ) {
      const found = kept.get(stream);
      if (found !== undefined) return found as Folded<State>;
      const already = loading.get(stream);
      if (already !== undefined) return already as Promise<Folded<State>>;
      const fresh = fold(kind, stream).finally(() => loading.delete(stream));
      loading.set(stream, fresh);
      return fresh;
    },
    recall<State extends StreamState, Command, Event extends DomainEvent, Refusal>(
      kind: StreamKind<State, Command, Event, Refusal>,
      stream: string,
    ) {
      const found = kept.get(stream);
      if (found !== undefined) return found as Folded<State>;
      return unwritten(kind, stream);
    },
    begin: unwritten,
    catchUp,
    apply(kind, folded, events) {
      evolve(kind, folded, events);
      keep(kind, folded);
    },
    async foldTo(kind, stream, version) {
      const events = await log.readStream(stream, 0, version);
      let state = kind.decider.initial();
      for (const event of events) state = kind.decider.evolve(state, upcast(event) as never);
      return { state, events };
    },
    forget: (stream) => void kept.delete(stream),
  };
}

const unwritten = <State extends StreamState, Command, Event extends DomainEvent, Refusal>(
  kind: StreamKind<State, Command, Event, Refusal>,
  stream: string,
): Folded<State> => ({ stream, state: kind.decider.initial(), snapshotVersion: 0, encoder: null });
