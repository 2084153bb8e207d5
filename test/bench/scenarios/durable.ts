// Durable commands from the log alone: the rate that the API takes with no view ever more than a second behind.
import { watchingLag } from '../lag.ts';
import {
  connections,
  describe,
  describeLag,
  lagFaults,
  loadFaults,
  sayDetails,
  warmUp,
} from '../load.ts';
import { levelOf, verdictOf, type Row, type Scenario } from '../scenario.ts';
import { startSystem } from '../system.ts';

const p99MsMax = 250;
const mustRate = 6_000;
const aimRate = 10_000;

export const durable: Scenario = {
  name: 'durable',
  purpose: 'register, version and promote at a fixed rate, views read from the log',
  async run(bench) {
    const rows: Row[] = [];
    for (const rate of bench.rates.length > 0 ? bench.rates : [mustRate, aimRate]) {
      await using endings = new AsyncDisposableStack();
      const system = await startSystem({ ...bench, endings });
      await warmUp(bench, system);
      bench.say(`durable commands at ${rate}/s`);
      const { result, lag } = await watchingLag(system, () =>
        system.load({
          workload: { name: 'commands', run: 'durable' },
          ratePerSecond: rate,
          connections,
          durationMs: bench.seconds * 1000,
        }),
      );
      sayDetails(bench, result);
      rows.push({
        what: `durable commands, log source, open loop at ${rate}/s`,
        measured: `${describe(result)}; ${describeLag(lag)}`,
        must: `${mustRate}/s, p99 ${p99MsMax} ms, no error, views ≤ 1 s behind`,
        aim: `${aimRate}/s`,
        verdict: verdictOf(levelOf(rate, mustRate, aimRate), [
          ...loadFaults(result, rate, p99MsMax),
          ...lagFaults(lag),
        ]),
      });
    }
    return rows;
  },
};
