// The folder that holds all data of one test run; with it end all servers that still run on it, however the run ended.
import { globSync, readFileSync, rmSync } from 'node:fs';
import { chmod, mkdtemp, readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownFolder } from '#infra/local/owner.ts';
import { LocalServerError, commandLineOf } from '#infra/local/process.ts';

const prefix = 'modelog-test-';
// A run claims its folder right after making it, so an older one without a claim is a dead run's.
const unclaimedAgeMs = 60_000;

export type RunFolder = {
  path: string;
  /** Kills the servers that run on the folder, and removes it. Synchronous, for the moment when a process exits. */
  remove(): void;
};

/** Makes the folder of this run, and removes those of runs that were killed. */
export async function makeRunFolder(): Promise<RunFolder> {
  await removeDeadRuns();
  const path = await mkdtemp(join(tmpdir(), prefix));
  await ownFolder(path);
  // PostgreSQL runs as another user than root and has to pass through.
  await chmod(path, 0o711);
  const remove = (): void => {
    process.off('exit', remove).off('SIGINT', interrupt).off('SIGTERM', interrupt);
    removeWithServers(path);
  };
  // npm passes a signal on, so that Ctrl-C comes twice: without a listener left the second would end us at once.
  process.on('exit', remove).on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return { path, remove };
}

/** Exits at once: after the first signal vitest leaves no time for anything asynchronous. */
function interrupt(_signal: NodeJS.Signals, number: number): void {
  process.exit(128 + number);
}

async function removeDeadRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const path = join(tmpdir(), name);
    if (!name.startsWith(prefix) || !(await isOldAndOurs(path))) continue;
    try {
      await ownFolder(path);
    } catch (cause) {
      if (cause instanceof LocalServerError && cause.code === 'in_use') continue;
      throw cause;
    }
    removeWithServers(path);
  }
}

async function isOldAndOurs(path: string): Promise<boolean> {
  // Another run that begins now may remove it at the same time.
  const found = await stat(path).catch(() => null);
  const isOurs = found?.uid === process.getuid?.();
  return found !== null && isOurs && Date.now() - found.ctimeMs > unclaimedAgeMs;
}

function removeWithServers(path: string): void {
  for (const pidFile of globSync('**/{postmaster,server}.pid', { cwd: path })) {
    const pid = Number(readFileSync(join(path, pidFile), 'utf8').split('\n')[0]);
    if (commandLineOf(pid)?.includes(path)) process.kill(-pid, 'SIGKILL');
  }
  // What was killed may still make a file for a moment.
  rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
