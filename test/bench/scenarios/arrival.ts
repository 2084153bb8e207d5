// How long after its append an event is at a Kafka consumer, and in a view that is fed from Kafka.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ConsumerReply, ConsumerRequest } from '../kafka-consumer.ts';
import { waitUntilCaughtUp } from '../lag.ts';
import { connections, describe, errorFaults, sayDetails, warmUp } from '../load.ts';
import {
  format,
  percentile,
  verdictOf,
  verdictOfMost,
  type Bench,
  type Row,
  type Scenario,
} from '../scenario.ts';
import { startSystem, type System } from '../system.ts';

const ratePerSecond = 1_000;
const p99Ms = { must: 100, aim: 50 };
const topic = 'model-lifecycle';
const consumerProgram = fileURLToPath(import.meta.resolve('../kafka-consumer.ts'));
const replyTimeoutMs = 60_000;
const catchUpTimeoutMs = 60_000;

// Four probes with a pause give about a thousand samples a minute, of which ten are above the p99.
const probes = 4;
const probePauseMs = 150;
// How exact a sample is: the view is asked again after so long.
const pollIntervalMs = 3;
// Ten times what is asked for, and more; a sample that takes so long ends the scenario.
const arrivalTimeoutMs = 10_000;

export const arrival: Scenario = {
  name: 'arrival',
  purpose: `append to Kafka consumer and append to view, at ${ratePerSecond} commands/s`,
  async run(bench) {
    const system = await startSystem(bench, { kafka: true });
    await warmUp(bench, system);
    const consumer = fork(consumerProgram, [system.brokers.join(','), topic], {
      // kafkajs sets timers of negative length by mistake; Node would tell of each first one.
      execArgv: ['--disable-warning=TimeoutNegativeWarning'],
    });
    bench.endings.defer(() => end(consumer));
    await replyOf(bench, consumer, 'ready');
    if ((await waitUntilCaughtUp(bench, system, catchUpTimeoutMs)) === null)
      throw new Error('the views do not catch up');

    const headBefore = await system.head();
    // What was appended before it counts would be missed.
    const started = replyOf(bench, consumer, 'started');
    await ask(consumer, { ask: 'start' });
    await started;
    bench.say(`commands at ${ratePerSecond}/s, sampling when they arrive`);
    const stop = new AbortController();
    const signal = AbortSignal.any([bench.signal, stop.signal]);
    const sampling = Promise.all(
      Array.from({ length: probes }, (_, probe) => sampleView(system, probe, signal)),
    );
    // A probe that fails is told of below, once the load is over.
    sampling.catch(() => {});
    const result = await system.load({
      workload: { name: 'commands', run: 'arrival' },
      ratePerSecond,
      connections,
      durationMs: bench.seconds * 1000,
    });
    stop.abort();
    const toView = (await sampling).flat();
    sayDetails(bench, result);
    const caughtUpMs = await waitUntilCaughtUp(bench, system, catchUpTimeoutMs);
    const appended = (await system.head()) - headBefore;
    const report = await reportOf(bench, consumer, appended);

    const faults = errorFaults(result);
    if (caughtUpMs === null) faults.push('the views do not catch up');
    const missing = report.events < appended ? [`${format(appended - report.events)} missing`] : [];
    return [
      row('append to Kafka consumer', report.latenciesMs, [...faults, ...missing]),
      row('append to view, from Kafka', toView, faults),
      {
        what: `(the commands at ${ratePerSecond}/s meanwhile)`,
        measured: describe(result),
        must: '–',
        aim: '–',
        verdict: '–',
      },
    ];
  },
};

function row(what: string, latenciesMs: readonly number[], faults: readonly string[]): Row {
  const at = (share: number): string => format(percentile(latenciesMs, share) ?? NaN);
  const p99 = percentile(latenciesMs, 0.99);
  return {
    what: `${what}, at ${ratePerSecond} commands/s`,
    measured: `p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms (${format(latenciesMs.length)} events)`,
    must: `p99 ${p99Ms.must} ms`,
    aim: `p99 ${p99Ms.aim} ms`,
    verdict:
      faults.length > 0 ? verdictOf('must', faults) : verdictOfMost(p99, p99Ms.must, p99Ms.aim),
  };
}

/**
 * Registers a model with a project of its own and asks the view for that project, without waiting for freshness, until
 * the model is there; only a view can answer that, never a folded stream. Counts from the time that the log recorded to
 * the answer's arrival, so the way of one request and half a poll are in it: an upper bound.
 */
async function sampleView(system: System, probe: number, signal: AbortSignal): Promise<number[]> {
  const latenciesMs: number[] = [];
  for (let n = 0; !signal.aborted; n++) {
    const project = `arrival-${probe}-${n}`;
    const model = await system.demand('POST', '/api/v1/models', { name: project, project });
    const arrivedMs = await arrivalInView(system, project);
    const position = Number(model['position']);
    const { items } = await system.demand('GET', `/api/v1/events?after=${position - 1}&limit=1`);
    const [event] = items as { position: number; recorded_at: string }[];
    if (event?.position !== position) throw new Error(`no event at the position ${position}`);
    latenciesMs.push(arrivedMs - Date.parse(event.recorded_at));
    await delay(probePauseMs, undefined, { signal }).catch(() => {});
  }
  return latenciesMs;
}

async function arrivalInView(system: System, project: string): Promise<number> {
  const deadline = performance.now() + arrivalTimeoutMs;
  while (performance.now() < deadline) {
    const path = `/api/v1/models?project=${project}&consistency=eventual`;
    const { items } = await system.demand('GET', path);
    if ((items as unknown[]).length > 0) return Date.now();
    await delay(pollIntervalMs);
  }
  throw new Error(`${project} is not in the view after ${arrivalTimeoutMs / 1000} s`);
}

/** The consumer's report once it has everything, or what it has when the time is over. */
async function reportOf(
  bench: Bench,
  consumer: ChildProcess,
  appended: number,
): Promise<Extract<ConsumerReply, { told: 'report' }>> {
  const deadline = performance.now() + catchUpTimeoutMs;
  for (;;) {
    const reply = replyOf(bench, consumer, 'report');
    await ask(consumer, { ask: 'report' });
    const report = (await reply) as Extract<ConsumerReply, { told: 'report' }>;
    if (report.events >= appended || performance.now() > deadline) return report;
    await delay(500, undefined, { signal: bench.signal });
  }
}

async function ask(consumer: ChildProcess, request: ConsumerRequest): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    consumer.send(request, (error) => (error === null ? resolve() : reject(error)));
  });
}

async function replyOf(
  bench: Bench,
  consumer: ChildProcess,
  told: ConsumerReply['told'],
): Promise<ConsumerReply> {
  const over = new AbortController();
  const signal = AbortSignal.any([bench.signal, over.signal, AbortSignal.timeout(replyTimeoutMs)]);
  const ended = once(consumer, 'exit', { signal }).then(([code]) => {
    throw new Error(`the Kafka consumer ended with ${String(code)}`);
  });
  const reply = (async () => {
    for (;;) {
      const [message] = (await once(consumer, 'message', { signal })) as [ConsumerReply];
      if (message.told === told) return message;
    }
  })();
  try {
    return await Promise.race([reply, ended]);
  } finally {
    over.abort();
    await Promise.allSettled([reply, ended]);
  }
}

async function end(consumer: ChildProcess): Promise<void> {
  if (consumer.exitCode !== null || consumer.signalCode !== null) return;
  const exited = once(consumer, 'exit');
  consumer.kill('SIGKILL');
  await exited;
}
