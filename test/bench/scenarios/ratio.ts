// How much of a hello-world the durable commands reach, in one run: a figure that depends little on the machine.
import { connections, errorFaults, sayDetails, warmUp } from '../load.ts';
import { runDriver } from '../run-driver.ts';
import { format, median, verdictOf, verdictOfLeast, type Scenario } from '../scenario.ts';
import { startHello, startSystem } from '../system.ts';

const mustRatio = 0.12;
const aimRatio = 0.2;
// Taken in turns, so that a slower minute of the machine meets both.
const rounds = 3;

export const ratio: Scenario = {
  name: 'ratio',
  purpose: 'closed loop: durable commands against a hello-world, in turns',
  async run(bench) {
    const helloPort = await startHello(bench);
    const system = await startSystem(bench);
    await warmUp(bench, system);
    const durationMs = Math.max(1, Math.round(bench.seconds / rounds)) * 1000;
    const closed = { mode: 'closed', connections, durationMs } as const;
    const helloRates: number[] = [];
    const commandRates: number[] = [];
    const faults: string[] = [];
    for (let round = 0; round < rounds; round++) {
      bench.say(`hello-world and commands in turns, round ${round + 1} of ${rounds}`);
      const hello = await runDriver(
        { ...closed, port: helloPort, workload: { name: 'hello' } },
        bench.signal,
      );
      helloRates.push(hello.rateAchieved);
      const commands = await system.load({
        ...closed,
        workload: { name: 'commands', run: `closed${round}` },
      });
      commandRates.push(commands.rateAchieved);
      faults.push(...errorFaults(hello), ...errorFaults(commands));
      sayDetails(bench, commands);
    }
    const found = median(commandRates) / median(helloRates);
    return [
      {
        what: `closed loop, durable commands against hello-world (medians of ${rounds} rounds)`,
        measured: `${format(found)}: ${format(median(commandRates))}/s to ${format(median(helloRates))}/s`,
        must: String(mustRatio),
        aim: String(aimRatio),
        verdict:
          faults.length > 0
            ? verdictOf('must', faults)
            : verdictOfLeast(found, mustRatio, aimRatio),
      },
    ];
  },
};
