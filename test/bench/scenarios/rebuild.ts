// How fast all views are made anew from the log, while the system serves.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitUntilCaughtUp } from '../lag.ts';
import { fill } from '../load.ts';
import { format, verdictOf, verdictOfLeast, type Scenario } from '../scenario.ts';
import { scriptArguments, startSystem } from '../system.ts';

const mustRate = 15_000;
const aimRate = 30_000;
// Some ten seconds of work at the rate asked for, so that the command's start weighs little.
const commandsPerSecondOfRun = 5_000;
const catchUpTimeoutMs = 300_000;
const rebuildTimeoutMs = 900_000;

export const rebuild: Scenario = {
  name: 'rebuild',
  purpose: 'all views rebuilt from the log by the command an operator uses',
  async run(bench) {
    const system = await startSystem(bench);
    await fill(bench, system, 'filled', bench.seconds * commandsPerSecondOfRun);
    if ((await waitUntilCaughtUp(bench, system, catchUpTimeoutMs)) === null)
      throw new Error('the views do not catch up');
    const events = await system.head();
    bench.say(`rebuilding all views of ${format(events)} events`);
    const startMs = performance.now();
    // The whole command counts: its start, the fold, the comparison and the switch.
    const child = spawn(process.execPath, [...scriptArguments('projector'), 'rebuild', 'all'], {
      env: system.environment,
      stdio: ['ignore', 'inherit', 'inherit'],
      signal: bench.signal,
      timeout: rebuildTimeoutMs,
      killSignal: 'SIGKILL',
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    const seconds = (performance.now() - startMs) / 1000;
    return [
      {
        what: 'rebuild of all views while the system serves',
        measured: `${format(events / seconds)} events/s (${format(events)} events in ${format(seconds)} s)`,
        must: `${mustRate} events/s`,
        aim: `${aimRate} events/s`,
        verdict:
          code === 0
            ? verdictOfLeast(events / seconds, mustRate, aimRate)
            : verdictOf('must', [`the command ended with ${code}`]),
      },
    ];
  },
};
