// Whether an append costs more on a long log than on an empty one: two systems, asked in turns.
import { waitUntilCaughtUp } from '../lag.ts';
import { connections, errorFaults, fill, sayDetails, warmUp } from '../load.ts';
import { lengthenLog } from '../long-log.ts';
import { format, median, verdictOf, type Scenario } from '../scenario.ts';
import { startSystem, type System } from '../system.ts';

const ratePerSecond = 1_000;
const rounds = 3;
const growthShareMax = 0.2;
// Two million requests would take ten minutes; what so many made is copied within the database.
const copiedCommands = 40_000;
const catchUpTimeoutMs = 120_000;

export const longLog: Scenario = {
  name: 'long-log',
  purpose: 'append latency on a long log (--events) against an empty one',
  async run(bench) {
    const full = await startSystem(bench);
    await fill(bench, full, 'filled', Math.min(copiedCommands, bench.events));
    if ((await waitUntilCaughtUp(bench, full, catchUpTimeoutMs)) === null)
      throw new Error('the views do not catch up');
    await full.restart(async () => {
      bench.say(`copying up to ${format(bench.events)} events`);
      await lengthenLog(full.databaseUrl, bench.events, bench.signal);
    });
    const head = await full.head();
    const empty = await startSystem(bench);
    for (const system of [empty, full]) await warmUp(bench, system);

    const faults: string[] = [];
    const p50Ms = { empty: [] as number[], full: [] as number[] };
    const p99Ms = { empty: [] as number[], full: [] as number[] };
    const measure = async (which: 'empty' | 'full', system: System, round: number) => {
      bench.say(
        `commands at ${ratePerSecond}/s on the ${which} log, round ${round + 1} of ${rounds}`,
      );
      const result = await system.load({
        workload: { name: 'commands', run: `round${round}` },
        ratePerSecond,
        connections,
        durationMs: Math.max(1, Math.round(bench.seconds / rounds)) * 1000,
      });
      sayDetails(bench, result);
      faults.push(...errorFaults(result));
      p50Ms[which].push(result.latencyMs.p50);
      p99Ms[which].push(result.latencyMs.p99);
    };
    for (let round = 0; round < rounds; round++) {
      await measure('empty', empty, round);
      await measure('full', full, round);
    }
    const growth = median(p50Ms.full) / median(p50Ms.empty) - 1;
    if (growth > growthShareMax) faults.push(`${format(growth * 100)} % slower`);
    return [
      {
        what: `append latency (a command's p50 at ${ratePerSecond}/s) at ${format(head)} events against an empty log`,
        measured:
          `p50 ${format(median(p50Ms.full))} to ${format(median(p50Ms.empty))} ms (${format(growth * 100)} %), ` +
          `p99 ${format(median(p99Ms.full))} to ${format(median(p99Ms.empty))} ms`,
        must: `within ${growthShareMax * 100} %`,
        aim: '–',
        verdict: verdictOf('must', faults),
      },
    ];
  },
};
