// How soon versions of a model of a thousand are compared, and their lineage drawn.
import { fillLog } from '../filling.ts';
import { connections, describe, loadFaults, sayDetails } from '../load.ts';
import { format, verdictOf, type Scenario } from '../scenario.ts';
import { startSystem } from '../system.ts';
import { modelBody, versionBody } from '../workloads.ts';

const versions = 1_000;
const model = 'compared';
const rate = 200;
const p99MsMax = 50;
const warmSeconds = 5;
/** Every so many versions one is the base of those that follow: lineages are both deep and wide. */
const versionsOfBase = 100;

/** Each version comes from the one before it, and from the last base. */
function versionOf(nth: number): object {
  const body = JSON.parse(versionBody(model, `1.${nth}.0`, model, nth)) as { lineage: object };
  const base = nth - (nth % versionsOfBase);
  const parent_versions =
    nth === 0 ? [] : [...new Set([`1.${nth - 1}.0`, `${model}/1.${base === nth ? 0 : base}.0`])];
  return { ...body, lineage: { ...body.lineage, parent_versions } };
}

export const insight: Scenario = {
  name: 'insight',
  purpose: `comparison and lineage on a model of ${versions} versions`,
  async run(bench) {
    const system = await startSystem(bench);
    await fillLog(bench, system, [
      {
        model: JSON.parse(modelBody(model, 0)) as object,
        versions: Array.from({ length: versions }, (_, nth) => versionOf(nth)),
      },
    ]);
    const perSecond = bench.rates[0] ?? rate;
    const load = async (seconds: number) =>
      await system.load({
        workload: { name: 'insight', model, versions },
        ratePerSecond: perSecond,
        connections,
        durationMs: seconds * 1000,
      });
    await load(warmSeconds);
    const result = await load(bench.seconds);
    sayDetails(bench, result);
    const rows = Object.entries(result.latencyMsByKind).map(([kind, { p50, p99 }]) => ({
      what: `${kind} on a model of ${format(versions)} versions`,
      measured: `p50 ${format(p50)} p99 ${format(p99)} ms (${describe(result)})`,
      must: `p99 ${p99MsMax} ms`,
      aim: '–',
      verdict: verdictOf('must', [
        ...loadFaults(result, perSecond, Infinity),
        ...(p99 > p99MsMax ? [`p99 ${format(p99)} ms`] : []),
      ]),
    }));
    return rows;
  },
};
