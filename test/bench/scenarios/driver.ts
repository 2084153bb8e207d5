// Shows that the load driver is not what limits the other figures: the rates they need, against a hello-world.
import { connections, describe, loadFaults, sayDetails } from '../load.ts';
import { runDriver } from '../run-driver.ts';
import { levelOf, verdictOf, type Row, type Scenario } from '../scenario.ts';
import { startHello } from '../system.ts';

// A tenth of the p99 that is asked of the system, so that what the driver adds is not seen in it.
const p99MsMax = 25;
const mustRate = 10_000;
const aimRate = 12_000;
// The hello-world has little to compile.
const warmUpSeconds = 3;

export const driver: Scenario = {
  name: 'driver',
  purpose: 'the load driver against a hello-world, at the highest rates of the others',
  async run(bench) {
    const port = await startHello(bench);
    const load = (ratePerSecond: number, seconds: number) =>
      runDriver(
        {
          port,
          workload: { name: 'hello' },
          ratePerSecond,
          connections,
          durationMs: seconds * 1000,
        },
        bench.signal,
      );
    bench.say('warming up');
    await load(mustRate, warmUpSeconds);
    const rows: Row[] = [];
    for (const rate of bench.rates.length > 0 ? bench.rates : [mustRate, aimRate]) {
      const result = await load(rate, bench.seconds);
      sayDetails(bench, result);
      rows.push({
        what: `the driver against hello-world, open loop at ${rate}/s`,
        measured: `${describe(result)}; ${Math.round(result.driver.cpuUsPerRequest)} µs CPU a request`,
        must: `${mustRate}/s, p99 ${p99MsMax} ms`,
        aim: `${aimRate}/s`,
        verdict: verdictOf(levelOf(rate, mustRate, aimRate), loadFaults(result, rate, p99MsMax)),
      });
    }
    return rows;
  },
};
