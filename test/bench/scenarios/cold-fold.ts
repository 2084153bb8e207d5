// How long the first command and the first read of a model with 10,000 versions take after a restart.
import { errorFaults } from '../load.ts';
import { format, verdictOfMost, type Scenario } from '../scenario.ts';
import { startSystem } from '../system.ts';
import { modelBody } from '../workloads.ts';

const versions = 10_000;
const commandMs = { must: 100, aim: 50 };
const rounds = 3;
// Enough that neither connecting nor compiling is counted as folding.
const warmingRequests = 50;
const buildTimeoutMs = 600_000;

export const coldFold: Scenario = {
  name: 'cold-fold',
  purpose: 'the first command on a model of 10,000 versions after a restart',
  async run(bench) {
    const system = await startSystem(bench);
    const path = '/api/v1/models';
    await system.demand('POST', path, JSON.parse(modelBody('long', 0)));
    await system.demand('POST', path, JSON.parse(modelBody('short', 1)));
    bench.say(`adding ${format(versions)} versions to one model`);
    const built = await system.load({
      workload: { name: 'versions-of-one-model', run: 'long', model: 'long' },
      mode: 'closed',
      connections: 64,
      requestsMax: versions,
      durationMs: buildTimeoutMs,
    });
    const faults = errorFaults(built);
    if (built.completed < versions || faults.length > 0)
      throw new Error(`the model could not be built: ${faults.join('; ')}: ${built.samples[0]}`);

    const timed = async (method: string, url: string, body?: unknown): Promise<number> => {
      const startMs = performance.now();
      await system.demand(method, url, body);
      return performance.now() - startMs;
    };
    const warm = async (label: string): Promise<void> => {
      for (let n = 0; n < warmingRequests; n++) {
        await system.demand('POST', `${path}/short/versions`, { label: `${label}-${n}` });
        await system.demand('GET', `${path}/short`);
      }
    };
    const commands: number[] = [];
    const reads: number[] = [];
    for (let round = 0; round < rounds; round++) {
      bench.say(`cold command and cold read, round ${round + 1} of ${rounds}`);
      await system.restart();
      await warm(`command-${round}`);
      commands.push(await timed('POST', `${path}/long/versions`, { label: `cold-${round}` }));
      await system.restart();
      await warm(`read-${round}`);
      reads.push(await timed('GET', `${path}/long`));
    }
    const slowest = Math.max(...commands);
    return [
      {
        what: `first command on a model of ${format(versions)} versions after a restart (slowest of ${rounds})`,
        measured: `${format(slowest)} ms; the first GET of it ${format(Math.max(...reads))} ms`,
        must: `${commandMs.must} ms`,
        aim: `${commandMs.aim} ms`,
        verdict: verdictOfMost(slowest, commandMs.must, commandMs.aim),
      },
    ];
  },
};
