// Whether memory is bounded: idle, after a load, and after the same load again.
import { setTimeout as delay } from 'node:timers/promises';
import { connections, errorFaults, sayDetails } from '../load.ts';
import { format, verdictOf, verdictOfMost, type Scenario } from '../scenario.ts';
import { startSystem } from '../system.ts';

const rate = 6_000;
const idleMb = { must: 250, aim: 150 };
const loadedMbMax = 600;
// Caches fill up to their bounds and the collector chooses its moments; a leak at this rate would be far more than a tenth.
const growthShareMax = 0.1;
// What start-up left behind is collected by then.
const idleSettleMs = 5_000;

export const memory: Scenario = {
  name: 'memory',
  purpose: 'resident memory of the Node process: idle, after a load, after a second one',
  async run(bench) {
    const system = await startSystem(bench);
    await delay(idleSettleMs, undefined, { signal: bench.signal });
    const idle = await system.residentMb();
    const afterLoads: number[] = [];
    const faults: string[] = [];
    for (const run of ['first', 'second']) {
      bench.say(`commands at ${rate}/s, the ${run} time`);
      const result = await system.load({
        workload: { name: 'commands', run },
        ratePerSecond: bench.rates[0] ?? rate,
        connections,
        durationMs: bench.seconds * 1000,
      });
      sayDetails(bench, result);
      faults.push(...errorFaults(result));
      afterLoads.push(await system.residentMb());
    }
    const [first, second] = afterLoads as [number, number];
    if (Math.max(first, second) > loadedMbMax) faults.push(`more than ${loadedMbMax} MB`);
    if (second > first * (1 + growthShareMax)) faults.push('it grows');
    return [
      {
        what: 'resident memory of the idle Node process',
        measured: `${format(idle)} MB`,
        must: `${idleMb.must} MB`,
        aim: `${idleMb.aim} MB`,
        verdict: verdictOfMost(idle, idleMb.must, idleMb.aim),
      },
      {
        what: 'the same after a load, and after a second one',
        measured: `${format(first)} MB, ${format(second)} MB`,
        must: `${loadedMbMax} MB, no growth (${growthShareMax * 100} %)`,
        aim: '–',
        verdict: verdictOf('must', faults),
      },
    ];
  },
};
