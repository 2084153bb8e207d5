// How soon a model is read, fresh, while commands change the very models that are read.
import { waitUntilCaughtUp } from '../lag.ts';
import { connections, describe, fill, loadFaults, sayDetails, warmUp } from '../load.ts';
import { format, levelOf, verdictOf, type Row, type Scenario } from '../scenario.ts';
import { startSystem } from '../system.ts';

const commandsPerSecond = 2_000;
const mustRate = 3_000;
const aimRate = 5_000;
const p99MsMax = { must: 100, aim: 50 };
const fillingCommands = 50_000;
const catchUpTimeoutMs = 120_000;

export const reads: Scenario = {
  name: 'reads',
  purpose: `GET of a model, fresh, while ${commandsPerSecond} commands/s run`,
  async run(bench) {
    const system = await startSystem(bench);
    await warmUp(bench, system);
    const known = await fill(bench, system, 'filled', fillingCommands);
    const rows: Row[] = [];
    for (const [n, rate] of (bench.rates.length > 0
      ? bench.rates
      : [mustRate, aimRate]
    ).entries()) {
      if ((await waitUntilCaughtUp(bench, system, catchUpTimeoutMs)) === null)
        throw new Error('the views do not catch up');
      bench.say(`GET of a model at ${rate}/s`);
      const total = rate + commandsPerSecond;
      const result = await system.load({
        workload: {
          name: 'reads-while-writing',
          run: `reads${n}`,
          known,
          writesShare: commandsPerSecond / total,
        },
        ratePerSecond: total,
        connections,
        durationMs: bench.seconds * 1000,
      });
      sayDetails(bench, result);
      const level = levelOf(rate, mustRate, aimRate);
      const latency = result.latencyMsByKind['get-model'];
      const limitMs = p99MsMax[level ?? 'must'];
      const faults = loadFaults(result, total, Infinity);
      if (latency === undefined || latency.p99 > limitMs)
        faults.push(`p99 ${latency === undefined ? 'not measured' : `${format(latency.p99)} ms`}`);
      if (result.stale > 0) faults.push(`${format(result.stale)} stale`);
      rows.push({
        what: `GET of a model, fresh, open loop at ${rate}/s while ${commandsPerSecond} commands/s run`,
        measured:
          `GET p50 ${format(latency?.p50 ?? NaN)} p99 ${format(latency?.p99 ?? NaN)} ms, ` +
          `${format(result.stale)} stale; all: ${describe(result)}`,
        must: `${mustRate}/s, p99 ${p99MsMax.must} ms`,
        aim: `${aimRate}/s, p99 ${p99MsMax.aim} ms`,
        verdict: verdictOf(level, faults),
      });
    }
    return rows;
  },
};
