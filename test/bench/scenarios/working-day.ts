// The requests of a working day on a registry that holds something: 80 % reads, 20 % writes.
import { watchingLag, waitUntilCaughtUp } from '../lag.ts';
import {
  connections,
  describe,
  describeLag,
  fill,
  loadFaults,
  sayDetails,
  warmUp,
} from '../load.ts';
import { format, levelOf, verdictOf, type Row, type Scenario } from '../scenario.ts';
import { startSystem } from '../system.ts';

const p99MsMax = 250;
const mustRate = 8_000;
const aimRate = 12_000;
// About 20,000 models with 50,000 versions: what a large company registers in some years.
const fillingCommands = 100_000;
const catchUpTimeoutMs = 120_000;

export const workingDay: Scenario = {
  name: 'working-day',
  purpose: '80 % reads by name and lists, 20 % writes, on a filled registry',
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
      bench.say(`a working day at ${rate}/s`);
      const { result, lag } = await watchingLag(system, () =>
        system.load({
          workload: { name: 'working-day', run: `day${n}`, known },
          ratePerSecond: rate,
          connections,
          durationMs: bench.seconds * 1000,
        }),
      );
      sayDetails(bench, result);
      rows.push({
        what: `a working day (80 % reads, 20 % writes), open loop at ${rate}/s`,
        measured: `${describe(result)}; ${format(result.stale)} stale; ${describeLag(lag)}`,
        must: `${mustRate}/s, p99 ${p99MsMax} ms`,
        aim: `${aimRate}/s`,
        verdict: verdictOf(levelOf(rate, mustRate, aimRate), loadFaults(result, rate, p99MsMax)),
      });
    }
    return rows;
  },
};
