// Makes reads as fresh as the log: a read waits until the views have what the log had when it came, or hears that they have not.
// A read of one stream waits for nothing if the log has no more of that stream than its reader.
import { setTimeout as delay } from 'node:timers/promises';

/** Views further behind than this are not waited for: the read is answered at once, and says so. */
const staleAfterMs = 1_000;
/** One question asks for every read that came since the last; under load they come so often at most. */
const headIntervalMs = 4;
/** A process that does not apply itself looks this often while reads wait. */
const lookIntervalMs = 15;
/** What is known is old after so long: clearly less than between two looks, as a timer may come a little early. */
const oldAfterMs = 10;
/** What a process that does not apply itself knows of the views is believed so long for reads that do not wait. */
const knownForMs = 250;
/** How long a read may wait for a position that it names. */
export const positionWaitMs = 10_000;
/** Heads remembered to tell how far behind the views are; one each so many ms, so they reach back far enough. */
const samplesMax = 64;
const sampleIntervalMs = 50;

/** What the log had at one moment. */
export type LogNow = {
  /** Of its last event. */
  position: number;
  /** Of each stream that was asked for, of how many events it is. */
  versions: ReadonlyMap<string, number>;
};

/** What a read may rest on. */
export type Fresh = {
  /** What is read holds every event up to here. */
  position: number;
  /** They were more than a second behind the log, and were not waited for. */
  isStale: boolean;
};

export type Freshness = {
  /** Resolves when the views have what the log had at the time of the call, or when they are known to be far behind. */
  fresh: () => Promise<Fresh>;
  /** The same for who has a stream at a version: where the log has no more of it either, nothing is waited for. */
  freshOrUnchanged: (stream: string, version: number) => Promise<Fresh & { isUnchanged: boolean }>;
  /** What is known, without waiting for anything to happen. */
  eventual: () => Promise<Fresh>;
  /** Resolves when the views have the position; null when they do not in time. */
  atLeast: (position: number) => Promise<Fresh | null>;
  /** The views of this process have come so far. */
  reached: (position: number) => void;
  /** Something was applied here; how far that brings the views has to be looked up. */
  look: () => void;
  /** The position that is known to be reached. */
  known: () => number;
  close: () => void;
};

type Waiter = {
  position: number;
  /** By the monotonic clock. */
  deadline: number;
  resolve: (fresh: Fresh | null) => void;
};
/** Reads that are answered by one question. */
type Group = {
  /** Streams to ask about. */
  streams: Set<string>;
  log: Promise<LogNow>;
  resolve: (log: LogNow) => void;
  reject: (error: unknown) => void;
  /** For those who wait until the views have what the log has; null if nobody does. */
  views: Promise<Fresh> | null;
};

function newGroup(): Group {
  const { promise: log, resolve, reject } = Promise.withResolvers<LogNow>();
  return { streams: new Set(), log, resolve, reject, views: null };
}

/** @param findPosition how far the views are, by the database; @param findHead what the log has now, also of some streams */
export function openFreshness(options: {
  findHead: (streams: readonly string[]) => Promise<LogNow>;
  findPosition: () => Promise<number>;
}): Freshness {
  const { findHead, findPosition } = options;
  const closing = new AbortController();
  let known = 0;
  let knownAt = Number.NEGATIVE_INFINITY;
  /** Heads that the views have not reached, and when they were seen; the oldest first. */
  let samples: { position: number; at: number }[] = [];
  const waiters = new Set<Waiter>();
  let next: Group | null = null;
  let isAsking = false;
  let askedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;
  let isWatching = false;

  const behindMs = (): number => {
    const oldest = samples[0];
    return oldest === undefined ? 0 : performance.now() - oldest.at;
  };
  const now = (): Fresh => ({ position: known, isStale: behindMs() > staleAfterMs });

  function reached(position: number): void {
    knownAt = performance.now();
    if (position <= known) return;
    known = position;
    const first = samples.findIndex((sample) => sample.position > position);
    samples = first === -1 ? [] : samples.slice(first);
    for (const waiter of waiters)
      if (waiter.position <= known) {
        waiters.delete(waiter);
        waiter.resolve({ position: known, isStale: false });
      }
  }

  function seeHead(position: number): void {
    if (position <= known || samples.length >= samplesMax) return;
    const last = samples.at(-1);
    const at = performance.now();
    if (last === undefined || (position > last.position && at - last.at >= sampleIntervalMs))
      samples.push({ position, at });
  }

  /** Asks for all that came since the last question; whoever comes while it is under way waits for the next. */
  async function ask(): Promise<void> {
    isAsking = true;
    while (next !== null) {
      const pauseMs = askedAt + headIntervalMs - performance.now();
      if (pauseMs > 0) await delay(pauseMs);
      const group = next;
      next = null;
      askedAt = performance.now();
      try {
        const log = await findHead([...group.streams]);
        seeHead(log.position);
        group.resolve(log);
      } catch (error) {
        group.reject(error);
      }
    }
    isAsking = false;
  }

  /** The next question, which also asks about a stream. */
  function join(stream: string | null): Group {
    const group = (next ??= newGroup());
    if (stream !== null) group.streams.add(stream);
    if (!isAsking) void ask();
    return group;
  }

  /** Resolves when the views have what the log had, or are known to be far behind; once for all of a group. */
  const viewsOf = (group: Group): Promise<Fresh> =>
    (group.views ??= group.log.then(({ position }) => upTo(position)));

  async function upTo(head: number): Promise<Fresh> {
    // What was known when nobody asked says nothing about how far behind the views are now.
    const isOld = performance.now() - knownAt > oldAfterMs;
    if (known < head && isOld && behindMs() > staleAfterMs) await look();
    if (known >= head || behindMs() > staleAfterMs) return now();
    return await new Promise((resolve) =>
      wait(head, staleAfterMs, (fresh) => resolve(fresh ?? { position: known, isStale: true })),
    );
  }

  function wait(position: number, ms: number, resolve: Waiter['resolve']): void {
    waiters.add({ position, deadline: performance.now() + ms, resolve });
    if (!isWatching) void watch();
  }

  /** While anybody waits: looks how far the views are, and ends waits whose time is over. */
  async function watch(): Promise<void> {
    isWatching = true;
    while (waiters.size > 0) {
      await delay(lookIntervalMs, undefined, { signal: closing.signal }).catch(() => undefined);
      const isEnding = closing.signal.aborted;
      for (const waiter of waiters)
        if (isEnding || waiter.deadline < performance.now()) {
          waiters.delete(waiter);
          waiter.resolve(null);
        }
      if (waiters.size > 0 && performance.now() - knownAt >= lookIntervalMs) void look();
    }
    isWatching = false;
  }

  /** A failure shows as views that do not come closer, which is what it means. */
  function look(): Promise<void> {
    looking ??= findPosition()
      .then(reached, () => undefined)
      .finally(() => (looking = null));
    return looking;
  }

  return {
    fresh: () => viewsOf(join(null)),
    freshOrUnchanged: async (stream, version) => {
      const group = join(stream);
      const { position, versions } = await group.log;
      return versions.get(stream) === version
        ? { position, isStale: false, isUnchanged: true }
        : { ...(await viewsOf(group)), isUnchanged: false };
    },
    eventual: async () => {
      if (performance.now() - knownAt > knownForMs) await look();
      return now();
    },
    atLeast: async (position) => {
      if (known < position) await look();
      if (known >= position) return now();
      return await new Promise((resolve) => wait(position, positionWaitMs, resolve));
    },
    reached,
    look: () => {
      if (waiters.size > 0) void look();
    },
    known: () => known,
    close: () => closing.abort(),
  };
}
