// What the local servers share: a process in a group of its own, knowing one again by its pid, and ending one for certain.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export type LocalServerProblem =
  | 'in_use'
  | 'port_busy'
  | 'unreachable'
  | 'missing_program'
  | 'download_failed'
  | 'not_started';

/** A local server could not be had. The message says what is wrong and what to do about it. */
export class LocalServerError extends Error {
  override readonly name = 'LocalServerError';
  readonly code: LocalServerProblem;
  readonly retryable: boolean;

  constructor(
    code: LocalServerProblem,
    message: string,
    options: { retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

export type ProcessExit = { code: number | null; signal: NodeJS.Signals | null };
export type User = { name: string; uid: number; gid: number };

/** The signals to try in turn, each with the time it gets. */
export type EndingLadder = readonly { signal: NodeJS.Signals; waitMs: number }[];

export type ServerProcess = {
  pid: number;
  /** Settles when the process has ended, whoever ended it; never rejects. */
  exited: Promise<ProcessExit>;
  /** Ends it by the signals of the ladder; does nothing if it has ended. */
  end(ladder: EndingLadder): Promise<void>;
};

// How often a file or a process is looked at again: PostgreSQL is ready in about 40 ms, so much more would be felt.
const pollIntervalMs = 10;

/**
 * Starts a program in a session and process group of its own, so that Ctrl-C in a terminal does not reach it and its
 * owner can end it last. What it prints goes to `logFile`, made anew: pipes would break when the owner is killed.
 * With a `pidFile` the process writes its pid there itself, so that no kill of the owner can come in between.
 * `endsWithUs` is the signal it gets when its owner exits without having ended it, as after a fatal error.
 */
export async function spawnServer(options: {
  program: string;
  args: readonly string[];
  environment: NodeJS.ProcessEnv;
  workingDir: string;
  logFile: string;
  pidFile?: string | undefined;
  user?: User | undefined;
  endsWithUs?: NodeJS.Signals | undefined;
}): Promise<ServerProcess> {
  const log = openSync(options.logFile, 'w', 0o640);
  try {
    const [program, args] = options.pidFile
      ? writingItsPid(options.pidFile, options.program, options.args)
      : [options.program, options.args];
    const child = spawn(program, args, {
      cwd: options.workingDir,
      detached: true,
      env: options.environment,
      stdio: ['ignore', log, log],
      ...(options.user && { uid: options.user.uid, gid: options.user.gid }),
    });
    const exited = new Promise<ProcessExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await once(child, 'spawn');
    const pid = child.pid!;
    const { endsWithUs } = options;
    if (endsWithUs !== undefined) {
      const endIt = (): void => void sendSignal(pid, endsWithUs);
      process.on('exit', endIt);
      void exited.then(() => process.off('exit', endIt));
    }
    return {
      pid,
      exited,
      async end(ladder) {
        // Once it has ended, its pid may be another program's.
        if (child.exitCode !== null || child.signalCode !== null) return;
        await endProcess(pid, ladder);
        await exited;
      },
    };
  } catch (cause) {
    throw new LocalServerError(
      'not_started',
      `${options.program} cannot be run: ${messageOf(cause)}.`,
      { cause },
    );
  } finally {
    closeSync(log);
  }
}

/**
 * Ends the server that a killed owner left, if the pid in `pidFile` is that of a process with `commandPart` in its command
 * line; a pid that another program has by now is left alone.
 */
export async function endLeftOver(
  pidFile: string,
  commandPart: string,
  ladder: EndingLadder,
): Promise<void> {
  const pid = Number(readOrNull(pidFile)?.split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 0) return;
  if (commandLineOf(pid)?.includes(commandPart)) await endProcess(pid, ladder);
}

/** The last lines a server printed, for the error that tells of its end. */
export async function lastLines(logFile: string): Promise<string> {
  const linesMax = 15;
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-linesMax).join('\n');
}

/** Ends a process, ours or not, by the signals of `ladder`, the last of them to its whole group. Already dead is fine. */
async function endProcess(pid: number, ladder: EndingLadder): Promise<void> {
  for (const [step, { signal, waitMs }] of ladder.entries()) {
    const target = step === ladder.length - 1 ? -pid : pid;
    if (!sendSignal(target, signal)) return;
    if (await becomesTrue(() => !isAlive(pid), waitMs)) return;
  }
  throw new LocalServerError(
    'in_use',
    `Process ${pid} does not end, not even by ${ladder.at(-1)?.signal}.`,
  );
}

/** Waits until `condition` holds; false when `waitMs` have passed without. */
export async function becomesTrue(
  condition: () => boolean | Promise<boolean>,
  waitMs: number,
): Promise<boolean> {
  const deadline = performance.now() + waitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await delay(pollIntervalMs);
  }
  return true;
}

/** True if a process or a zombie has that pid. */
export function pidIsTaken(pid: number): boolean {
  return sendSignal(pid, 0);
}

/** True if the process runs. A zombie is dead: where nobody reaps orphans (a container), one stays for ever. */
export function isAlive(pid: number): boolean {
  return pid > 0 && pidIsTaken(pid) && processStat(pid)?.state !== 'Z';
}

/** What tells this process from a later one with the same pid, or null if there is none. */
export function processIdentity(pid: number): string | null {
  if (!isAlive(pid)) return null;
  const stat = processStat(pid);
  if (stat === null) return askPs(pid, 'lstart');
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${stat.startTicks}`;
}

/** The command line of a live process, its arguments joined by spaces, or null. */
export function commandLineOf(pid: number): string | null {
  if (!isAlive(pid)) return null;
  const commandLine = readOrNull(`/proc/${pid}/cmdline`);
  return commandLine === null ? askPs(pid, 'args') : commandLine.replaceAll('\0', ' ').trim();
}

/** A port on the loopback address that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string')
    throw new Error('A TCP server has a numeric address');
  return address.port;
}

/** True if nobody listens on that port of the loopback address. */
export async function isPortFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    if (hasCode(cause, 'EADDRINUSE')) return false;
    throw cause;
  }
  server.close();
  await once(server, 'close');
  return true;
}

export function hasCode(failure: unknown, code: string): boolean {
  return failure instanceof Error && 'code' in failure && failure.code === code;
}

export function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}

function writingItsPid(
  pidFile: string,
  program: string,
  args: readonly string[],
): [program: string, args: string[]] {
  return ['/bin/sh', ['-c', 'echo $$ > "$0" && exec "$@"', pidFile, program, ...args]];
}

function sendSignal(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(target, signal);
    return true;
  } catch (cause) {
    if (hasCode(cause, 'ESRCH')) return false;
    if (hasCode(cause, 'EPERM') && signal === 0) return true;
    throw cause;
  }
}

function processStat(pid: number): { state: string; startTicks: string } | null {
  // The second field is the program's name in parentheses and may hold anything, so count from the last parenthesis:
  // the state is field 3 and the start time field 22 of proc_pid_stat(5).
  const stat = readOrNull(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] && fields[19] ? { state: fields[0], startTicks: fields[19] } : null;
}

function askPs(pid: number, field: 'lstart' | 'args'): string | null {
  try {
    return execFileSync('ps', ['-ww', '-o', `${field}=`, '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) throw cause;
    return null;
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
