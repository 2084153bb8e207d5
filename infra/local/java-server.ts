// Runs a server that is a Java program: ends the one a killed owner left, starts it, and waits until it serves.
import { join } from 'node:path';
import {
  LocalServerError,
  endLeftOver,
  isPortFree,
  lastLines,
  spawnServer,
  type EndingLadder,
  type ServerProcess,
} from './process.ts';

/** Both servers flush on SIGTERM; what a SIGKILL leaves is recovered at the next start. */
export const javaEndingLadder: EndingLadder = [
  { signal: 'SIGTERM', waitMs: 20_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

// Neither server works hard: the optimizing compiler took more of two cores than Kafka itself, also minutes after the start, and
// several collectors' threads gain nothing on a small heap.
const frugalOptions = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

/** Fails with `port_busy` if another program listens on a port that was asked for. */
export async function requirePort(port: number, title: string, remedy: string): Promise<void> {
  if (await isPortFree(port)) return;
  throw new LocalServerError(
    'port_busy',
    `Port ${port} for ${title} is in use by another program. ${remedy}`,
  );
}

/**
 * Starts `java` with `args` in `home` and resolves when `untilReady` does.
 * @throws LocalServerError with the last lines the server printed, if it ends or does not get ready
 */
export async function startJavaServer(options: {
  title: string;
  home: string;
  args: readonly string[];
  environment?: NodeJS.ProcessEnv;
  untilReady: (signal: AbortSignal) => Promise<void>;
  /** Gives the start up, and ends what was begun. */
  signal?: AbortSignal | undefined;
}): Promise<ServerProcess> {
  const logFile = join(options.home, 'server.log');
  const server = await spawnServer({
    program: 'java',
    args: [...frugalOptions, ...options.args],
    environment: { ...process.env, ...options.environment },
    workingDir: options.home,
    logFile,
    pidFile: pidFileIn(options.home),
    endsWithUs: 'SIGTERM',
  });
  const ended = new AbortController();
  void server.exited.then(() => ended.abort());
  try {
    const signals = options.signal ? [ended.signal, options.signal] : [ended.signal];
    await options.untilReady(AbortSignal.any(signals));
    return server;
  } catch (cause) {
    await server.end(javaEndingLadder);
    throw new LocalServerError(
      'not_started',
      `${options.title} did not start in ${options.home}:\n${await lastLines(logFile)}`,
      { cause },
    );
  }
}

/** Ends the server that a killed owner left in `home`, known by a part of its command line. */
export async function endLeftOverJavaServer(home: string, commandPart: string): Promise<void> {
  await endLeftOver(pidFileIn(home), commandPart, javaEndingLadder);
}

function pidFileIn(home: string): string {
  return join(home, 'server.pid');
}
