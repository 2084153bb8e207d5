// What the scenarios share about loads: warming up, filling a registry, and judging what a load measured.
import type { DriverResult } from './driver.ts';
import type { LagSeen } from './lag.ts';
import { format, type Bench } from './scenario.ts';
import type { System } from './system.ts';

/** As many clients as the project's figures are stated for. */
export const connections = 1_000;
// The first seconds of a process are spent compiling; a registry that has been up for a minute is what is asked about.
const warmUpSecondsMax = 10;
// A driver that ran behind would measure itself.
const cpuShareMax = 0.9;
const rateShareMin = 0.99;

/** Commands at a rate that hurts nobody, so that what follows is measured on compiled code. Its figures are thrown away. */
export async function warmUp(bench: Bench, system: System): Promise<void> {
  bench.say('warming up');
  await system.load({
    workload: { name: 'commands', run: 'warm' },
    ratePerSecond: 2_000,
    connections,
    durationMs: Math.min(bench.seconds, warmUpSecondsMax) * 1000,
  });
}

/** Fills the registry by `commands` commands, as fast as they go. Returns the models that later loads may use. */
export async function fill(
  bench: Bench,
  system: System,
  run: string,
  commands: number,
): Promise<{ run: string; models: number }> {
  bench.say(`filling the registry by ${format(commands)} commands`);
  const result = await system.load({
    workload: { name: 'commands', run },
    mode: 'closed',
    connections: 256,
    requestsMax: commands,
    // At a tenth of the rate that is asked for this would be over.
    durationMs: Math.max(60_000, commands * 2),
  });
  const faults = errorFaults(result);
  if (result.completed < commands) faults.push(`only ${format(result.completed)} in time`);
  if (faults.length > 0)
    throw new Error(
      `the registry cannot be filled: ${faults.join('; ')}: ${result.samples[0] ?? ''}`,
    );
  return { run, models: Number(result.facts['registered']) };
}

/** Answers that were no 2xx, failures, and requests never sent. */
export function errorFaults(result: DriverResult): string[] {
  const faults: string[] = [];
  const refused = Object.entries(result.statuses).filter(([status]) => !status.startsWith('2'));
  for (const [status, count] of refused) faults.push(`${format(count)} × ${status}`);
  if (result.failed > 0) faults.push(`${format(result.failed)} failed`);
  if (result.dropped > 0) faults.push(`${format(result.dropped)} never sent`);
  return faults;
}

/** Why an open-loop load at `rate` is not what was asked; empty if it is. */
export function loadFaults(result: DriverResult, rate: number, p99MsMax: number): string[] {
  const faults = errorFaults(result);
  if (result.rateAchieved < rate * rateShareMin)
    faults.push(`${format(result.rateAchieved)}/s instead of ${format(rate)}/s`);
  if (result.latencyMs.p99 > p99MsMax) faults.push(`p99 ${format(result.latencyMs.p99)} ms`);
  if (result.driver.cpuShare > cpuShareMax)
    faults.push(`the driver itself used ${format(result.driver.cpuShare * 100)} % of a core`);
  return faults;
}

/** No view may be further behind than a second; that nobody said how far is no success. */
export function lagFaults(lag: LagSeen): string[] {
  const secondsMax = 1;
  if (lag.maxSeconds === null) return ['the lag of the views was not shown'];
  return lag.maxSeconds > secondsMax
    ? [`the view ${lag.slowestView} was ${format(lag.maxSeconds)} s behind`]
    : [];
}

export function describe(result: DriverResult): string {
  const { p50, p99, p999, max } = result.latencyMs;
  const errors = errorFaults(result);
  return (
    `${format(result.rateAchieved)}/s, p50 ${format(p50)} p99 ${format(p99)} ` +
    `p99.9 ${format(p999)} max ${format(max)} ms, ${errors.length === 0 ? 'no error' : errors.join(', ')}`
  );
}

export function describeLag(lag: LagSeen): string {
  return lag.maxSeconds === null
    ? 'lag not shown'
    : `views at most ${format(lag.maxSeconds)} s behind`;
}

/** Shows each kind of request, and what went wrong first, to the person at the terminal. */
export function sayDetails(bench: Bench, result: DriverResult): void {
  for (const [kind, latency] of Object.entries(result.latencyMsByKind))
    bench.say(
      `  ${kind}: ${format(latency.count)}, p50 ${format(latency.p50)} p99 ${format(latency.p99)} ms`,
    );
  const { cpuUsPerRequest, cpuShare, latenessMs } = result.driver;
  bench.say(
    `  driver: ${format(cpuUsPerRequest)} µs CPU a request, ${format(cpuShare * 100)} % of a core, ` +
      `late by p99 ${format(latenessMs.p99)} ms; at most ${format(result.backlogHighest)} waited for a connection`,
  );
  for (const sample of result.samples) bench.say(`  ! ${sample}`);
}
