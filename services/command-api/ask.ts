// Where every command enters: it waits for its batch, is decided on the folded state, appended, and answered.
// A batch is whatever waited while the last one was in flight; each stream's commands are decided in turn.
import type { Principal } from '#events/access.ts';
import { catalogue, claimsOf, isEventType, scopesMoved, serialKindOf } from '#events/catalogue.ts';
import type { AnyEvent } from '#events/catalogue.ts';
import { AssertionFailed } from '#events/decider.ts';
import type { Actor, DomainEvent, EventMetadata, RecordedEvent } from '#events/envelope.ts';
import { batchBytesMax, batchCommandsMax, eventDataBytesMax, LogUnavailable } from '#events/log.ts';
import type {
  AppendCommand,
  AppendEntry,
  EventLog,
  KeyEffect,
  RecordedCommand,
  Verdict,
} from '#events/log.ts';
import { newId } from '#infra/ids.ts';
import { Problem } from '#infra/http/problems.ts';
import type { ProblemCode } from '#infra/http/problems.ts';
import { expectedEvents, foretold } from './dry-run.ts';
import type { ForetoldEvent } from './dry-run.ts';
import type { Folded, StreamKind, Streams } from './streams.ts';

/** Commands that may wait at once; past this nothing is taken in, and the client is told to come back. */
export const waitingCommandsMax = 5_000;
/** And so many bytes of their bodies, so that large ones do not fill the heap before there are many. */
const waitingBytesMax = 32 * 1024 * 1024;
/** How often a command is decided before its client is told that the model is too busy. */
const triesMax = 3;
/** A body smaller than this cannot make an event's data too large. */
const surelySmallBytes = 64 * 1024;

type StreamState = { stream_version: number };

/** The name by which a stream was found. It is remembered, and may have gone to another stream since. */
export type FoundBy = {
  name: string;
  /** The stream that has the name now. @throws Problem where none has it */
  again: () => Promise<string>;
};

/** The stream that was found has another name by now, or none; whoever catches nothing says that there is no such model. */
class NameMoved extends Problem {
  constructor(model: string) {
    super('model_not_found', { model });
  }
}

/** One command on its way: who asks, what, of which stream, and how the answer is made. */
type Asked<State extends StreamState, Command, Event extends DomainEvent, Refusal, Answer> = {
  kind: StreamKind<State, Command, Event, Refusal>;
  stream: string;
  /** Absent where the stream was not found by a name. */
  foundBy?: FoundBy;
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

export type Ask = {
  /**
   * @throws Problem for a refusal, `conflict` after three tries, `overloaded`, `in_doubt`, `key_reused`.
   */
  submit: <
    State extends StreamState,
    Command,
    Event extends DomainEvent,
    Refusal extends { code: ProblemCode },
    Answer,
  >(
    asked: Asked<State, Command, Event, Refusal, Answer>,
  ) => Promise<Answered<Answer>>;
  waitingCommands: () => number;
  /** Takes nothing in any more, and resolves when everything taken in is answered. */
  drain: () => Promise<void>;
};

/** What is counted of the batches. */
export type AskMetrics = {
  batch: (commands: number, seconds: number) => void;
  recorded: (events: readonly RecordedEvent[]) => void;
};

// The queue holds commands of every kind; a kind's own types meet again in `Waiting`'s closures.
type Anything = Asked<StreamState, unknown, DomainEvent, { code: ProblemCode }, unknown>;
type Waiting = {
  asked: Anything;
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

/** What one command of a batch led to, before the log was asked. */
type Draft = { waiting: Waiting; append: AppendCommand };
/** Other streams that a command was decided on, at the versions that were in memory. */
type RestedStream = {
  kind: StreamKind<StreamState, unknown, DomainEvent, unknown>;
  folded: Folded<StreamState>;
  version: number;
};
type Rested = readonly RestedStream[];
/** An answer without an append, and what a dry run would have written; `takes` must be free for it to be true. */
type Unrecorded = {
  answer: unknown;
  would_write: readonly ForetoldEvent[] | null;
  takes: readonly string[];
};
/** What would be answered without an append, if the version that it was decided on is still the log's. */
type Unwritten = {
  waiting: Waiting;
  version: number;
  rested: Rested;
  outcome: { refusal: Problem } | Unrecorded;
};

export function openAsk(options: {
  log: EventLog;
  streams: Streams;
  now: () => Date;
  metrics: AskMetrics;
  onBug: (error: Error, where: string) => void;
}): Ask {
  const { log, streams, now, metrics, onBug } = options;
  let queue: Waiting[] = [];
  let taken = 0;
  let takenBytes = 0;
  let running = false;
  let closing = false;
  const whenEmpty: (() => void)[] = [];
  const inFlight = new Map<string, Promise<unknown>>();

  async function submit(asked: Anything): Promise<Answered<unknown>> {
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
        asked.foundBy === undefined ? enqueue(asked) : enqueueByName(asked, asked.foundBy);
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

  /** What is decided on a stream that has lost the name is nothing: it is decided on the one that has it now. */
  async function enqueueByName(asked: Anything, { again }: FoundBy): Promise<Answered<unknown>> {
    try {
      return await enqueue(asked);
    } catch (error) {
      if (!(error instanceof NameMoved)) throw error;
      return await enqueue({ ...asked, stream: await again() });
    }
  }

  async function enqueue(asked: Anything): Promise<Answered<unknown>> {
    const loaded = asked.isNew
      ? streams.begin(asked.kind, asked.stream)
      : streams.load(asked.kind, asked.stream);
    const folded = loaded instanceof Promise ? await loaded : loaded;
    return await new Promise((resolve, reject) => {
      queue.push({
        asked,
        folded,
        tries: 0,
        alone: false,
        rested: noRested,
        caughtUp: nothingRead,
        resolve,
        reject,
      });
      if (!running) void run();
    });
  }

  async function run(): Promise<void> {
    running = true;
    // what arrived in the same turn of the event loop goes into the same batch
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const batch = takeBatch();
      try {
        await decideAndAppend(batch);
      } catch (error) {
        onBug(error as Error, 'batch');
        for (const waiting of batch) waiting.reject(error as Error);
      }
    }
    running = false;
  }

  function takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < queue.length && count < batchCommandsMax) {
      bytes += queue[count]!.asked.bytes ?? 0;
      if (bytes > batchBytesMax && count > 0) break;
      count++;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  const again = (waiting: readonly Waiting[]): void => {
    queue.unshift(...waiting);
  };

  async function decideAndAppend(batch: readonly Waiting[]): Promise<void> {
    const at = now().toISOString();
    const byStream = new Map<string, Waiting[]>();
    for (const waiting of batch) {
      const together = byStream.get(waiting.asked.stream);
      if (together === undefined) byStream.set(waiting.asked.stream, [waiting]);
      else together.push(waiting);
    }
    const drafts: Draft[][] = [];
    const unwritten: Unwritten[] = [];
    for (const together of byStream.values()) {
      const entry = decideInTurn(together, at, unwritten);
      if (entry.length > 0) drafts.push(entry);
    }
    const appending = drafts.length > 0 ? append(drafts) : Promise.resolve(noStreams);
    await Promise.all([
      appending,
      unwritten.length > 0 ? answerUnwritten(unwritten, appending) : undefined,
    ]);
  }

  /** Decides a stream's commands, each on the state that the one before leaves. */
  function decideInTurn(together: readonly Waiting[], at: string, unwritten: Unwritten[]): Draft[] {
    const { asked, folded } = together[0]!;
    const entry: Draft[] = [];
    let state = folded.state;
    const isAhead = (): boolean => state !== folded.state;
    for (const [index, waiting] of together.entries()) {
      // a state in memory is shared by everyone who waits for the stream
      waiting.folded = folded;
      if (waiting.alone && entry.length > 0) {
        again(together.slice(index));
        break;
      }
      const outcome = decideOne(waiting, state, at);
      if (
        outcome instanceof Problem ||
        waiting.asked.dry_run ||
        (outcome.events.length === 0 && waiting.asked.request_hash === null)
      ) {
        // what rests on events that may yet fail is decided again when they are recorded
        if (isAhead()) again([waiting]);
        else unwritten.push(withoutAppend(waiting, outcome, at));
        continue;
      }
      entry.push({ waiting, append: outcome });
      // an append takes names after it has freed others: of two moves of a name in one, the first would stay taken
      if (waiting.alone || outcome.takes.length + outcome.frees.length > 0) {
        again(together.slice(index + 1));
        break;
      }
      if (index === together.length - 1 || outcome.events.length === 0) continue;
      if (!isAhead()) state = asked.kind.decider.fork(folded.state);
      state = evolveAhead(waiting.asked, state, outcome, at);
    }
    return entry;
  }

  /** The answer is made now: the state in memory goes on while the log is asked. */
  function withoutAppend(
    waiting: Waiting,
    decided: AppendCommand | Problem,
    at: string,
  ): Unwritten {
    const version = waiting.folded.state.stream_version;
    let outcome: Unwritten['outcome'];
    try {
      outcome =
        decided instanceof Problem ? { refusal: decided } : unrecorded(waiting, decided, at);
    } catch (error) {
      onBug(error as Error, 'answer');
      outcome = { refusal: new Problem('internal', {}, { cause: error }) };
    }
    return { waiting, version, rested: waiting.rested, outcome };
  }

  /** "Already so", or what a dry run would leave. */
  function unrecorded(waiting: Waiting, append: AppendCommand, at: string): Unrecorded {
    const { asked, folded } = waiting;
    const { state } = folded;
    if (!asked.dry_run) return { answer: asked.answer(state, []), would_write: null, takes: [] };
    const events = expectedEvents(asked, append, state.stream_version, at);
    const after = evolveAhead(asked, asked.kind.decider.fork(state), append, at);
    const answer = asked.answer(after, events);
    const own: Unrecorded = { answer, would_write: foretold(events), takes: append.takes };
    const next = asked.next?.(after) ?? null;
    if (next === null) return own;
    const { principal: _, next: __, expected_version: ___, ...common } = asked;
    const following = {
      ...waiting,
      asked: { ...common, ...next },
      folded: { ...folded, state: after },
    };
    const decided = decideOne(following, after, at);
    waiting.rested = [...waiting.rested, ...following.rested];
    if (decided instanceof Problem) return own;
    const rest = unrecorded(following, decided, at);
    return {
      answer: rest.answer,
      would_write: [...own.would_write!, ...rest.would_write!],
      takes: [...own.takes, ...rest.takes],
    };
  }

  /** The state as it will be if the append succeeds. */
  function evolveAhead(
    asked: Anything,
    state: StreamState,
    append: AppendCommand,
    at: string,
  ): StreamState {
    let ahead = state;
    for (const event of expectedEvents(asked, append, state.stream_version, at))
      ahead = asked.kind.decider.evolve(ahead, event);
    return ahead;
  }

  function decideOne(waiting: Waiting, state: StreamState, at: string): AppendCommand | Problem {
    const { asked } = waiting;
    const { expected_version, foundBy } = asked;
    if (foundBy !== undefined && !asked.kind.isCalled!(state, foundBy.name))
      return new NameMoved(foundBy.name);
    if (
      expected_version !== undefined &&
      expected_version !== null &&
      expected_version !== state.stream_version
    )
      return new Problem('precondition_failed', {
        expected_version,
        stream_version: state.stream_version,
      });
    try {
      const wish = informed(waiting, state, at);
      const command = admitted(waiting, state, wish);
      if (command instanceof Problem) return refused(asked, wish, command);
      const decision = asked.kind.decider.decide(state, command);
      if (decision.refusal !== undefined) {
        const { code, ...facts } = decision.refusal;
        return refused(asked, wish, new Problem(code, facts));
      }
      return draft(asked, decision.events, at);
    } catch (error) {
      if (error instanceof Problem) return error;
      // a bug in a rule fails its own command, and no other
      onBug(error as Error, 'decide');
      return new Problem('internal', {}, { cause: error });
    }
  }

  /** The command with what the streams that it rests on say, as far as the memory knows; noted for the append. */
  function informed(waiting: Waiting, state: StreamState, at: string): unknown {
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
  }

  /** The command as its caller may ask it, by the roles held now where the decision rests on them; else why not. */
  function admitted(waiting: Waiting, state: StreamState, wish: unknown): unknown {
    const { kind, principal } = waiting.asked;
    if (principal === undefined || kind.admit === null) return wish;
    const stream = kind.roles?.streamOf(principal, wish) ?? null;
    if (stream === null) return kind.admit(principal, state, wish);
    const roles = kind.roles!;
    const rested = recalled(waiting, roles.kind, stream);
    waiting.rested = [...waiting.rested, rested];
    const caller = roles.current(principal, rested.folded);
    return caller instanceof Problem ? caller : kind.admit(caller, state, wish);
  }

  /** Another stream as far as the memory knows it. */
  function recalled(waiting: Waiting, kind: RestedStream['kind'], stream: string): RestedStream {
    const known = streams.recall(kind, stream);
    // one that is too large to be kept was read for this command alone
    const folded = known.state.stream_version > 0 ? known : (waiting.caughtUp.get(stream) ?? known);
    return { kind, folded, version: folded.state.stream_version };
  }

  function draft(asked: Anything, events: readonly DomainEvent[], at: string): AppendCommand {
    const metadata: EventMetadata = {
      actor: asked.actor,
      occurred_at: asked.occurred_at ?? at,
      reason: asked.reason,
      command_id: asked.command_id,
      correlation_id: asked.correlation_id ?? null,
      causation_id: asked.causation_id ?? null,
      traceparent: asked.traceparent ?? null,
    };
    const takes: string[] = [];
    const frees: string[] = [];
    let effects: KeyEffect[] | null = null;
    const recorded = events.map(({ type, data }) => {
      if (!isEventType(type)) throw new AssertionFailed(`${type} is not in the catalogue`);
      const claims = claimsOf(asked.tenant, { type, data } as AnyEvent);
      if (claims.takes.length > 0) takes.push(...claims.takes);
      if (claims.frees.length > 0) frees.push(...claims.frees);
      for (const moved of scopesMoved({ type, data } as AnyEvent))
        (effects ??= [...(asked.keys ?? noKeys)]).push({
          effect: 'place',
          tenant: asked.tenant,
          stream: asked.stream,
          ...moved,
        });
      // a small body may add to what is large already
      const mayGrow = type === 'model.updated' || type === 'version.updated';
      if (mayGrow || (asked.bytes ?? 0) > surelySmallBytes) assertFits(data);
      return {
        id: newId(),
        type,
        schema_version: catalogue[type].schema_version,
        data: data as object,
        serial_kind: serialKindOf(type),
      };
    });
    return {
      command_id: asked.command_id,
      request_hash: asked.request_hash,
      status: asked.status,
      metadata,
      events: recorded,
      takes,
      frees,
      keys: effects ?? asked.keys ?? noKeys,
    };
  }

  /** @returns the streams to which something was appended, which shows that the memory was not behind the log */
  async function append(drafts: readonly Draft[][]): Promise<ReadonlySet<string>> {
    const entries = drafts.map((entry): AppendEntry => ({
      stream: entry[0]!.waiting.asked.stream,
      tenant: entry[0]!.waiting.asked.tenant,
      expected_version: entry[0]!.waiting.folded.state.stream_version,
      decided_on: restedOf(entry),
      commands: entry.map((draft) => draft.append),
    }));
    const startedAt = performance.now();
    let verdicts: Verdict[][];
    try {
      verdicts = await log.append(entries);
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
      // nobody knows what the streams look like now
      for (const entry of entries) streams.forget(entry.stream);
      for (const { waiting } of drafts.flat())
        waiting.reject(
          new Problem(error.inDoubt ? 'in_doubt' : 'overloaded', {}, { cause: error }),
        );
      // who waited behind them would wait as long again, and a client must hear within 2 s
      const behind = queue;
      queue = [];
      for (const waiting of behind) waiting.reject(new Problem('overloaded', {}, { cause: error }));
      return noStreams;
    }
    const current = new Set<string>();
    let commands = 0;
    for (const [index, entry] of drafts.entries())
      for (const [nth, draft] of entry.entries()) {
        const verdict = verdicts[index]![nth]!;
        commands++;
        if (verdict.verdict === 'appended') {
          metrics.recorded(verdict.events);
          current.add(draft.waiting.asked.stream);
        }
        settle(draft.waiting, verdict, entry.length);
      }
    metrics.batch(commands, (performance.now() - startedAt) / 1000);
    return current;
  }

  function settle(waiting: Waiting, verdict: Verdict, commandsOfEntry: number): void {
    const { asked, folded } = waiting;
    switch (verdict.verdict) {
      case 'appended':
        try {
          // somebody else may have read what was appended here, and more, from the log already
          if (folded.state.stream_version !== verdict.stream_version - verdict.events.length) {
            const { stream } = asked;
            void answerFromLog(waiting, { ...verdict, stream, status: asked.status }, false);
            return;
          }
          if (verdict.events.length > 0) streams.apply(asked.kind, folded, verdict.events);
          waiting.resolve({
            answer: asked.answer(folded.state, verdict.events),
            status: asked.status,
            stream_version: verdict.stream_version,
            position: verdict.position,
            duplicate: false,
            would_write: null,
          });
        } catch (error) {
          streams.forget(asked.stream);
          onBug(error as Error, 'answer');
          waiting.reject(error as Error);
        }
        return;
      case 'duplicate':
        void answerFromLog(waiting, verdict, true);
        return;
      case 'key_reused':
        waiting.reject(new Problem('key_reused'));
        return;
      case 'undecided':
        again([waiting]);
        return;
      case 'claimed':
        void answerClaimed(waiting);
        return;
      case 'conflict':
        void tryAgain(waiting);
        return;
      case 'failed':
        if (commandsOfEntry > 1) {
          waiting.alone = true;
          again([waiting]);
          return;
        }
        onBug(verdict.error, 'append');
        waiting.reject(new Problem('internal', {}, { cause: verdict.error }));
        return;
    }
  }

  /** Reads the delta and decides again, three times in all. */
  async function tryAgain(waiting: Waiting): Promise<void> {
    try {
      if (++waiting.tries >= triesMax) throw new Problem('conflict', { tries: triesMax });
      await Promise.all([
        streams.catchUp(waiting.asked.kind, waiting.folded),
        ...waiting.rested.map(({ kind, folded }) => streams.catchUp(kind, folded)),
      ]);
      waiting.caughtUp = new Map(waiting.rested.map(({ folded }) => [folded.stream, folded]));
      again([waiting]);
      if (!running) void run();
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  /** A name that the command wants is held by another stream, or was a moment ago. */
  async function answerClaimed(waiting: Waiting): Promise<void> {
    const { asked } = waiting;
    try {
      const wanted = asked.kind.decider.decide(
        waiting.folded.state,
        informed(waiting, waiting.folded.state, now().toISOString()),
      );
      const names = (wanted.events ?? []).flatMap(
        (event) => claimsOf(asked.tenant, event as AnyEvent).takes,
      );
      const taken = takenOf(names, await log.findClaims(names), asked.stream);
      if (taken === null) return await tryAgain(waiting);
      waiting.reject(taken);
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  /** The answer of then: the stream folded to the recorded version. */
  async function answerFromLog(
    waiting: Waiting,
    record: Pick<RecordedCommand, 'stream' | 'stream_version' | 'position' | 'status'>,
    duplicate: boolean,
  ): Promise<void> {
    const { asked } = waiting;
    try {
      const { state, events } = await streams.foldTo(
        asked.kind,
        record.stream,
        record.stream_version,
      );
      const own = events.filter((event) => event.command_id === asked.command_id);
      waiting.resolve({
        answer: asked.answer(state, own),
        status: record.status,
        stream_version: record.stream_version,
        position: record.position,
        duplicate,
        would_write: asked.dry_run ? [] : null,
      });
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  /** A refusal, or "already so": true only if the memory is not behind the log, and the key has no record. */
  async function answerUnwritten(
    unwritten: readonly Unwritten[],
    appending: Promise<ReadonlySet<string>>,
  ): Promise<void> {
    let found: Awaited<ReturnType<EventLog['lookUp']>>;
    let held: ReadonlyMap<string, string>;
    let current: ReadonlySet<string>;
    const wanted = unwritten.flatMap(({ outcome }) => ('takes' in outcome ? outcome.takes : []));
    try {
      const looking = log.lookUp(
        unwritten.flatMap(({ waiting, rested }) => [
          waiting.asked.stream,
          ...rested.map(({ folded }) => folded.stream),
        ]),
        unwritten.flatMap(({ waiting: { asked } }) =>
          asked.request_hash === null ? [] : [asked.command_id],
        ),
      );
      [found, held, current] = await Promise.all([
        looking,
        wanted.length === 0 ? noClaims : log.findClaims(wanted),
        appending,
      ]);
    } catch (error) {
      for (const { waiting } of unwritten) waiting.reject(error as Error);
      return;
    }
    /** What was appended by this process just now is what the memory knew. */
    const hasMoved = (version: number, stream: string, rested: Rested): boolean =>
      (found.versions.get(stream)! !== version && !current.has(stream)) ||
      rested.some((other) => found.versions.get(other.folded.stream)! !== other.version);
    for (const { waiting, version, rested, outcome } of unwritten) {
      const { asked } = waiting;
      const record = found.commands.get(asked.command_id);
      if (record !== undefined) {
        if (record.request_hash !== asked.request_hash) waiting.reject(new Problem('key_reused'));
        else void answerFromLog(waiting, record, true);
      } else if (hasMoved(version, asked.stream, rested)) void tryAgain(waiting);
      else if ('refusal' in outcome) waiting.reject(outcome.refusal);
      else {
        const { answer, would_write, takes } = outcome;
        const taken = takenOf(takes, held, asked.stream);
        if (taken !== null) waiting.reject(taken);
        else
          waiting.resolve({
            answer,
            status: asked.status === 201 ? 200 : asked.status,
            stream_version: version,
            position: 0,
            duplicate: false,
            would_write,
          });
      }
    }
  }

  return {
    submit: (asked) => submit(asked as unknown as Anything) as Promise<Answered<never>>,
    waitingCommands: () => taken,
    drain: () =>
      new Promise((resolve) => {
        closing = true;
        if (taken === 0) resolve();
        else whenEmpty.push(resolve);
      }),
  };
}

/** A refusal with what was asked. What is not there and what may not be seen are told in the same words. */
function refused({ missing, stream }: Anything, command: unknown, because: Problem): Problem {
  const problem = because.code === 'model_not_found' && missing !== undefined ? missing() : because;
  const { type: action } = command as { type: string };
  problem.about = { action, stream };
  return problem;
}

/** The refusal where another stream holds a name that is wanted; null where none does. */
function takenOf(
  names: readonly string[],
  held: ReadonlyMap<string, string>,
  stream: string,
): Problem | null {
  const taken = names.find((name) => held.has(name) && held.get(name) !== stream);
  if (taken === undefined) return null;
  // the claim is `model-name:<tenant>:<name>`
  return new Problem('name_taken', { name: taken.split(':').slice(2).join(':') });
}

const noClaims: ReadonlyMap<string, string> = new Map();
const noKeys: readonly KeyEffect[] = [];
const noStreams: ReadonlySet<string> = new Set();
const noRested: Rested = [];
const onNothingElse: AppendEntry['decided_on'] = [];
const nothingRead: ReadonlyMap<string, Folded<StreamState>> = new Map();

/** What an entry's commands rested on, each stream once: they were decided in the same moment. */
function restedOf(entry: readonly Draft[]): AppendEntry['decided_on'] {
  if (entry.every(({ waiting }) => waiting.rested.length === 0)) return onNothingElse;
  const all = new Map<string, number>();
  for (const { waiting } of entry)
    for (const { folded, version } of waiting.rested) all.set(folded.stream, version);
  return [...all].map(([stream, version]) => ({ stream, version }));
}

function assertFits(data: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(data));
  if (bytes > eventDataBytesMax)
    throw new Problem('too_large', { limit_bytes: eventDataBytesMax, bytes });
}
