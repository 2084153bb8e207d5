// `npm run bench [-- scenario …]`: runs the benchmark scenarios one after the other and prints what was measured.
import { parseArgs } from 'node:util';
import { commit, machine, table, writeDocument, type Measured } from './report.ts';
import type { Row, Scenario } from './scenario.ts';
import { arrival } from './scenarios/arrival.ts';
import { coldFold } from './scenarios/cold-fold.ts';
import { driver } from './scenarios/driver.ts';
import { durable } from './scenarios/durable.ts';
import { insight } from './scenarios/insight.ts';
import { kafka } from './scenarios/kafka.ts';
import { listing } from './scenarios/listing.ts';
import { longLog } from './scenarios/long-log.ts';
import { memory } from './scenarios/memory.ts';
import { ratio } from './scenarios/ratio.ts';
import { reads } from './scenarios/reads.ts';
import { rebuild } from './scenarios/rebuild.ts';
import { strictPromotion } from './scenarios/strict-promotion.ts';
import { workingDay } from './scenarios/working-day.ts';

const scenarios: readonly Scenario[] = [
  driver,
  durable,
  workingDay,
  kafka,
  ratio,
  strictPromotion,
  arrival,
  reads,
  rebuild,
  longLog,
  coldFold,
  memory,
  insight,
  listing,
];

// What the project's figures are stated for.
const secondsDefault = 60;
const eventsDefault = 2_000_000;
// Bounds, so that a slip of a digit does not run for days.
const secondsMax = 3_600;
const rateMax = 100_000;
const eventsMax = 100_000_000;

const usage = `npm run bench [-- options] [scenario …]

Runs the scenarios (all of them if none is named) against a system started for each, and prints a table.

${scenarios.map(({ name, purpose }) => `  ${name.padEnd(16)} ${purpose}`).join('\n')}

  --seconds <n>  how long each load lasts (${secondsDefault})
  --rate <n>     requests per second instead of the scenario's own rates; may be given again
  --events <n>   how many events the long log has (${eventsDefault})
  --write        update docs/benchmarks.md
  --help         this text
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: String(secondsDefault) },
      rate: { type: 'string', multiple: true, default: [] },
      events: { type: 'string', default: String(eventsDefault) },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const seconds = wholeNumber('--seconds', values.seconds, secondsMax);
  const rates = values.rate.map((rate) => wholeNumber('--rate', rate, rateMax));
  const events = wholeNumber('--events', values.events, eventsMax);
  const chosen = positionals.length === 0 ? scenarios : positionals.map(scenarioOf);

  const interrupted = new AbortController();
  // The first signal ends the run in order, with every process it started; a second one ends this process at once.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  console.log(`${command}\ncommit ${commit()}\n${machine()}\n`);
  const measured: Measured[] = [];
  let failures = 0;
  for (const scenario of chosen) {
    if (interrupted.signal.aborted) break;
    console.error(`${scenario.name}: ${scenario.purpose}`);
    try {
      await using endings = new AsyncDisposableStack();
      const rows = await scenario.run({
        signal: interrupted.signal,
        endings,
        seconds,
        rates,
        events,
        say: (text) => console.error(`  ${text}`),
      });
      const isShort = seconds < secondsDefault || events < eventsDefault;
      measured.push({ scenario: scenario.name, seconds, rows: isShort ? rows.map(marked) : rows });
    } catch (cause) {
      // The other scenarios are worth having; the exit code tells of this one.
      failures += 1;
      if (interrupted.signal.aborted) break;
      console.error(cause);
      measured.push({ scenario: scenario.name, seconds, rows: [notMeasured(scenario, cause)] });
    }
    console.log(`\n${table([measured.at(-1)!])}`);
    // At once, so that whatever ends a long run leaves what it has measured.
    if (values.write) writeDocument(measured, command);
  }
  if (interrupted.signal.aborted) console.error(String(interrupted.signal.reason));
  if (measured.length > 1) console.log(table(measured));
  const isMissed = measured.some(({ rows }) =>
    rows.some(({ verdict }) => verdict.includes('MISS')),
  );
  return failures > 0 || isMissed || interrupted.signal.aborted ? 1 : 0;
}

/** A figure of a run that is shorter than asked for is a hint and no proof. */
function marked(row: Row): Row {
  return { ...row, verdict: `${row.verdict} (short run)` };
}

/** In the place of the rows of a scenario that failed, so that none from before are taken for its own. */
function notMeasured({ purpose }: Scenario, cause: unknown): Row {
  const [reason] = String(cause).split('\n');
  return { what: purpose, measured: '–', must: '–', aim: '–', verdict: `NOT MEASURED: ${reason}` };
}

function scenarioOf(name: string): Scenario {
  const scenario = scenarios.find((scenario) => scenario.name === name);
  if (scenario === undefined) throw new UsageError(`There is no scenario "${name}".`);
  return scenario;
}

function wholeNumber(option: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new UsageError(`${option} is a whole number from 1 to ${most}, not "${text}".`);
  return value;
}

class UsageError extends Error {
  override readonly name = 'UsageError';
}

try {
  process.exitCode = await main();
} catch (cause) {
  const isUsage =
    cause instanceof UsageError ||
    (cause instanceof TypeError &&
      'code' in cause &&
      String(cause.code).startsWith('ERR_PARSE_ARGS'));
  if (!isUsage) throw cause;
  console.error(`${cause.message}\n\n${usage}`);
  process.exitCode = 2;
}
