// Looks at the models whose time has come: folds each from the log, judges, has archived what is due, notes the next time.
import { assert, AssertionFailed } from '#events/decider.ts';
import type { EventLog } from '#events/log.ts';
import { due, shortestAgeMs } from '#events/model/due.ts';
import type { DueVersion } from '#events/model/due.ts';
import type { ModelState } from '#events/model/state.ts';
import { parseStream } from '#events/names.ts';
import { UnreadableEvent } from '#events/upcasters.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import type { ArchiveVersion } from './archive.ts';
import { fold } from './fold.ts';
import { overdue } from './overdue.ts';
import type { OverdueDeployment } from './overdue.ts';
import type { KeepingOf } from './policies.ts';
import { sunsetsOf } from './sunsets.ts';
import type { RaiseSunset, ReachedSunset } from './sunsets.ts';
import { waitingRequests } from './promotion-requests.ts';
import type { SettleRequest } from './promotion-requests.ts';
import type { TimeOutDeployment } from './time-out.ts';
import type { DueTimes } from './due-times.ts';

/** Taken at once, so that several processes share the work and a crash leaves little to wait for. */
const claimedStreamsMax = 50;
/** Looked at side by side: enough to hide the way to the API, too few to crowd its queue. */
const streamsAtOnce = 4;
/** A model that moves while it is judged is left to the next sweep after this many looks. */
const looksMax = 4;

export type SweepReport = {
  looked_at: number;
  archived: number;
  timed_out: number;
  /** Announced ends of versions that have come, and were told. */
  sunsets: number;
  failed: number;
};

export type Sweep = {
  /** Looks at everything whose time has come; ends early when the signal is aborted, or the command API is away. */
  run: (signal: AbortSignal) => Promise<SweepReport>;
};

/** What is told of a sweep while it runs. */
export type SweepTold = {
  archived: (version: DueVersion, stream: string) => void;
  timedOut: (deployment: OverdueDeployment, stream: string) => void;
  sunset: (sunset: ReachedSunset, stream: string) => void;
  failed: (error: unknown, stream: string) => void;
};

export function openSweep(options: {
  log: Pick<EventLog, 'readStream'>;
  dueTimes: DueTimes;
  archive: ArchiveVersion;
  timeOut: TimeOutDeployment;
  raiseSunset: RaiseSunset;
  settle: SettleRequest;
  keepingOf: KeepingOf;
  /** A deployment that is asked for or under way is given up after so long without a report. */
  deploymentTimeoutHours: number;
  clock: Pick<Clock, 'now'>;
  failpoint: Failpoint;
  told: SweepTold;
}): Sweep {
  const { log, dueTimes, archive, timeOut, raiseSunset, settle, keepingOf } = options;
  const { clock, failpoint, told } = options;

  /** Judges until the stream stands still; one that does not is looked at again when its claim lapses. */
  async function lookAt(
    stream: string,
    now: Date,
    report: SweepReport,
    signal: AbortSignal,
  ): Promise<void> {
    const named = parseStream(stream);
    assert(named !== null, `${stream} is no stream`);
    for (let look = 1; look <= looksMax; look++) {
      const state = await fold(log, stream);
      const { model, stream_version } = state;
      assert(model !== null, `${stream} is empty`);
      const { retention, judgedBy } = await keepingOf(model);
      if (model.state === 'deleted') {
        // nothing of a tombstone can be ordered; when it is raised again, an event says so
        const next = firstAgeOf(model.created_at, now);
        if (await dueTimes.settle(stream, stream_version, next, judgedBy)) return;
        continue;
      }
      const requests = waitingRequests(state, now);
      if (await settleAll(requests.ids, stream_version, signal)) continue;
      const waiting = overdue(state, options.deploymentTimeoutHours, now);
      const judged = due(state, retention, now);
      if (judged.due.length + waiting.overdue.length > 0)
        await failpoint('retention:after-decision');
      if (waiting.overdue.length > 0) {
        // what fails ends a use, so that the versions are judged anew
        await timeOutAll(stream, state, waiting.overdue, report, signal);
        continue;
      }
      const sunsets = sunsetsOf(state, now);
      if (sunsets.reached.length > 0) {
        await raiseAll(stream, state, sunsets.reached, report, signal);
        continue;
      }
      const order = { model_id: named.id, judgedBy };
      const version = await archiveAll(order, stream, state, judged.due, report, signal);
      const next = earliest(
        earliest(earliest(judged.next_due_at, sunsets.next_at), waiting.next_due_at),
        earliest(requests.next_look_at, firstAgeOf(model.created_at, now)),
      );
      if (version !== null && (await dueTimes.settle(stream, version, next, judgedBy))) return;
    }
  }

  /** Whether that changed the model. */
  async function settleAll(
    ids: readonly string[],
    decidedOn: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (const promotion_request_id of ids) {
      const answer = await settle({ promotion_request_id, decidedOn }, signal);
      if (answer.outcome === 'moved_on' || answer.stream_version !== decidedOn) return true;
    }
    return false;
  }

  async function timeOutAll(
    stream: string,
    state: ModelState,
    deployments: readonly OverdueDeployment[],
    report: SweepReport,
    signal: AbortSignal,
  ): Promise<void> {
    let decidedOn = state.stream_version;
    for (const deployment of deployments) {
      const answer = await timeOut({ deployment, decidedOn }, signal);
      if (answer.outcome === 'moved_on') return;
      decidedOn = answer.stream_version;
      report.timed_out += 1;
      told.timedOut(deployment, stream);
    }
  }

  async function raiseAll(
    stream: string,
    state: ModelState,
    sunsets: readonly ReachedSunset[],
    report: SweepReport,
    signal: AbortSignal,
  ): Promise<void> {
    let decidedOn = state.stream_version;
    for (const sunset of sunsets) {
      const answer = await raiseSunset({ sunset, decidedOn }, signal);
      if (answer.outcome === 'moved_on') return;
      decidedOn = answer.stream_version;
      report.sunsets += 1;
      told.sunset(sunset, stream);
    }
  }

  /** The stream's version after all of them are archived; null once the model has moved on. */
  async function archiveAll(
    order: Pick<Parameters<ArchiveVersion>[0], 'model_id' | 'judgedBy'>,
    stream: string,
    state: ModelState,
    versions: readonly DueVersion[],
    report: SweepReport,
    signal: AbortSignal,
  ): Promise<number | null> {
    let decidedOn = state.stream_version;
    for (const version of versions) {
      const answer = await archive({ ...order, version, decidedOn }, signal);
      if (answer.outcome === 'moved_on') return null;
      decidedOn = answer.stream_version;
      report.archived += 1;
      told.archived(version, stream);
    }
    return decidedOn;
  }

  async function run(signal: AbortSignal): Promise<SweepReport> {
    const report: SweepReport = { looked_at: 0, archived: 0, timed_out: 0, sunsets: 0, failed: 0 };
    for (;;) {
      const now = clock.now();
      const waiting = await dueTimes.claim(now, claimedStreamsMax);
      if (waiting.length === 0) return report;
      const unfinished: string[] = [];
      let ended = false;
      const worker = async (): Promise<void> => {
        while (!ended && !signal.aborted) {
          const stream = waiting.pop();
          if (stream === undefined) return;
          report.looked_at += 1;
          try {
            await lookAt(stream, now, report, signal);
          } catch (error) {
            if (signal.aborted) return void unfinished.push(stream);
            report.failed += 1;
            told.failed(error, stream);
            if (isOfTheStream(error)) continue;
            unfinished.push(stream);
            ended = true;
          }
        }
      };
      await Promise.all(Array.from({ length: streamsAtOnce }, worker));
      if (!ended && !signal.aborted) continue;
      await dueTimes.release([...waiting, ...unfinished], now);
      return report;
    }
  }

  return { run };
}

/**
 * Events of a model that is younger than any age bring no look forward, in whichever process they are read; so a look
 * that came early, for a deployment, leaves the one at the end of that age.
 */
function firstAgeOf(createdAt: string, now: Date): string | null {
  const endMs = Date.parse(createdAt) + shortestAgeMs;
  return endMs > now.getTime() ? new Date(endMs).toISOString() : null;
}

const earliest = (left: string | null, right: string | null): string | null =>
  left === null || (right !== null && right < left) ? right : left;

/** A history that cannot be folded stays so, and keeps nobody else waiting; any other failure meets every stream. */
const isOfTheStream = (error: unknown): boolean =>
  error instanceof AssertionFailed || error instanceof UnreadableEvent;
