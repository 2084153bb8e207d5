// How a service lives as a process: settings or help, an orderly end on a signal, exit codes that mean something.
import { parseArgs } from 'node:util';
import { describeSettings, parseSettings } from './settings.ts';
import type { Settings, Values } from './settings.ts';

/** Work in flight ends within this, or is cut: an orchestrator kills after 30 s. */
const endTimeoutMs = 20_000;
/** sysexits: the configuration is at fault. */
const exitConfiguration = 78;

/** What a running service hands back: how it ends. */
export type Running = { stop: () => Promise<void> };

/** Parses the settings, or tells what is wrong with them (or, with `--help`, what they are) and exits. */
export function readSettings<S extends Settings>(
  usage: string,
  settings: S,
  flags: readonly string[] = [],
): { values: Values<S>; flags: ReadonlySet<string> } {
  try {
    const { values: given } = parseArgs({
      options: Object.fromEntries(
        ['help', ...flags].map((flag) => [flag, { type: 'boolean' as const }]),
      ),
    });
    if (given['help']) {
      process.stdout.write(describeSettings(usage, settings));
      process.exit(0);
    }
    return {
      values: parseSettings(settings, process.env),
      flags: new Set(flags.filter((flag) => given[flag] === true)),
    };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n--help lists what can be set.\n`);
    process.exit(exitConfiguration);
  }
}

/** Says on standard error what went wrong, for a person, and why. */
export function tell(error: unknown): void {
  const { message, cause } = error as Error;
  // a name with several addresses fails with an error for each, and no words of its own
  const reason: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  const because = reason instanceof Error ? `because: ${reason.message}\n` : '';
  process.stderr.write(`Modelog: ${message}\n${because}`);
}

/** Ends a service that cannot go on, in order and with the exit code 1; says why. */
export type GiveUp = (why: string) => void;

/**
 * Starts the service and ends it once on SIGTERM or SIGINT, or when it gives up. A failed start prints its reason and exits 1;
 * a second signal does not cut the end short, as that is bounded anyway.
 */
export async function runService(start: (giveUp: GiveUp) => Promise<Running>): Promise<void> {
  let running: Running | null = null;
  let ending: Promise<void> | null = null;
  let isAsked = false;
  let code = 0;
  const end = async (service: Running): Promise<void> => {
    const timer = setTimeout(() => process.exit(1), endTimeoutMs);
    await service.stop();
    clearTimeout(timer);
    process.exit(code);
  };
  const ask = (): void => {
    isAsked = true;
    if (running !== null) ending ??= end(running).catch(fail);
  };
  const fail = (error: unknown): never => {
    tell(error);
    process.exit(1);
  };
  const giveUp = (why: string): void => {
    // what breaks while everything ends is no news
    if (isAsked) return;
    process.stderr.write(`Modelog: ${why}\n`);
    code = 1;
    ask();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, ask);
  try {
    running = await start(giveUp);
  } catch (error) {
    fail(error);
  }
  if (isAsked) ask();
}
