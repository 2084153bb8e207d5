// One Modelog process at a time on a data folder: it holds a lock that the kernel frees when the process ends, however it ends.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LocalServerError, messageOf } from './process.ts';

/** SQLite's code for a file that another connection, of this process or of any other, has locked. */
const sqliteBusy = 5;
/** Two that claim at once may stand in each other's way for a moment: without a wait both could be refused. */
const lockWaitMs = 50;

/**
 * Claims `folder` for this process until `release()`.
 * The lock is SQLite's: a POSIX lock on `owner.lock`, which also holds between threads and between containers on one
 * kernel. `owner.pid` beside it only tells a person who holds it.
 * Fails with `in_use` while another live process (or this one) owns it, with `unreachable` if it cannot be written to.
 */
export async function ownFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const told = join(folder, 'owner.pid');
  let lock: DatabaseSync;
  try {
    await mkdir(folder, { recursive: true });
    lock = new DatabaseSync(join(folder, 'owner.lock'), { timeout: lockWaitMs });
  } catch (cause) {
    throw unreachable(folder, cause);
  }
  const refusal = claim(lock);
  if (refusal !== null) {
    lock.close();
    if (!isBusy(refusal)) throw unreachable(folder, refusal);
    const pid = (await readFile(told, 'utf8').catch(() => '')).trim();
    // without SQLite's words as the cause: that "a database is locked" leads a person astray
    throw new LocalServerError(
      'in_use',
      `${folder} is in use by ${pid === '' ? 'another process' : `the process ${pid}`}. Stop that process, or choose another data directory (DATA_DIR).`,
    );
  }
  try {
    await writeFile(told, `${process.pid}\n`, { mode: 0o644 });
  } catch (cause) {
    lock.close();
    throw unreachable(folder, cause);
  }
  // A lock that nothing refers to would be collected, and with it given up.
  const free = (): void => lock.close();
  process.on('exit', free);
  let released: Promise<void> | undefined;
  return {
    release: () =>
      (released ??= rm(told, { force: true }).finally(() => {
        process.off('exit', free);
        free();
      })),
  };
}

/** Takes the lock; returns what was in the way, or null. */
function claim(lock: DatabaseSync): unknown {
  try {
    lock.exec('begin exclusive');
    return null;
  } catch (cause) {
    return cause;
  }
}

const isBusy = (cause: unknown): boolean =>
  cause instanceof Error && 'errcode' in cause && cause.errcode === sqliteBusy;

const unreachable = (folder: string, cause: unknown): LocalServerError =>
  new LocalServerError('unreachable', `${folder} cannot be written to: ${messageOf(cause)}`, {
    cause,
  });
