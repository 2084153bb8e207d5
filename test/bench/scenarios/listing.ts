// How soon a list of models answers, by every filter alone and with others, each with how many there are in all.
import { fillLog } from '../filling.ts';
import type { Life } from '../filling.ts';
import { connections, describe, loadFaults, sayDetails } from '../load.ts';
import { format, verdictOf, type Scenario } from '../scenario.ts';
import { startSystem } from '../system.ts';
import { modelBody, versionBody } from '../workloads.ts';

const models = 100_000;
const rate = 50;
const p99MsMax = 50;
const warmSeconds = 5;

/** A tenth in production, three tenths in staging. */
function* lives(): Generator<Life> {
  for (let n = 0; n < models; n++) {
    const name = `listed-${n}`;
    const stage = n % 10 === 0 ? 'production' : n % 10 < 4 ? 'staging' : 'development';
    yield {
      model: JSON.parse(modelBody(name, n)) as object,
      versions: [{ ...(JSON.parse(versionBody(name, '1.0.0', 'listed', n)) as object), stage }],
    };
  }
}

export const listing: Scenario = {
  name: 'listing',
  purpose: `lists of models by filters and their combinations, of ${models} models`,
  async run(bench) {
    const system = await startSystem(bench);
    bench.say(`filling the log with ${format(models)} models`);
    await fillLog(bench, system, lives());
    const perSecond = bench.rates[0] ?? rate;
    const load = async (seconds: number) =>
      await system.load({
        workload: { name: 'listing' },
        ratePerSecond: perSecond,
        connections,
        durationMs: seconds * 1000,
      });
    await load(warmSeconds);
    const result = await load(bench.seconds);
    sayDetails(bench, result);
    const slow = Object.entries(result.latencyMsByKind)
      .filter(([, { p99 }]) => p99 > p99MsMax)
      .map(([kind, { p99 }]) => `${kind} p99 ${format(p99)} ms`);
    return [
      {
        what: `lists by filters over ${format(models)} models, with their total, open loop at ${perSecond}/s`,
        measured: describe(result),
        must: `p99 ${p99MsMax} ms, each kind`,
        aim: '–',
        verdict: verdictOf('must', [...loadFaults(result, perSecond, p99MsMax), ...slow]),
      },
    ];
  },
};
