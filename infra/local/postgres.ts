// A real PostgreSQL of our own without Docker: the server that npm installed, on a folder that outlives the process.
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { makeHome } from './home.ts';
import { ownFolder } from './owner.ts';
import {
  canEnter,
  postgresProgramsFor,
  serverUsers,
  type PostgresPrograms,
} from './postgres-programs.ts';
import {
  LocalServerError,
  becomesTrue,
  commandLineOf,
  endLeftOver,
  freePort,
  hasCode,
  isAlive,
  isPortFree,
  lastLines,
  messageOf,
  pidIsTaken,
  spawnServer,
  type EndingLadder,
  type ProcessExit,
  type ServerProcess,
  type User,
} from './process.ts';

const run = promisify(execFile);

export type LocalPostgres = {
  /** The superuser's connection URL, with its password. */
  url: string;
  pid: number;
  /** Settles when the server has ended, asked or not; never rejects. */
  exited: Promise<ProcessExit>;
  /** Ends the server with a fast shutdown and frees the folder. Resolves too if the server is dead already. */
  stop(): Promise<void>;
};

// Making a database folder takes about 1 s on a quiet machine.
const initTimeoutMs = 120_000;
// Recovery after a crash replays at most `max_wal_size` and is over in seconds; a slow disk gets minutes.
const readyTimeoutMs = 180_000;
// A port may be taken between choosing and binding, and the backends of a killed server may take a moment to end.
const startTriesMax = 5;
const retryDelayMs = 500;

// A fast shutdown writes a checkpoint; an immediate one leaves that to the next start's recovery.
const endingLadder: EndingLadder = [
  { signal: 'SIGINT', waitMs: 20_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

// Given on the command line, so that a new Modelog brings its settings to an old folder.
const serverSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // A socket's path may have 107 bytes, fewer than the path of many a data folder; TCP is enough.
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  // Compiling pays for long queries only, and there are none.
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // A refused statement is told to its client; logging each here as well would let the file grow without bound.
  log_min_messages: 'log',
  log_checkpoints: 'off',
};

/**
 * Starts PostgreSQL on `dataDir/postgres`, making the database folder the first time.
 * A server left over by a killed owner is ended first; a live owner is an error (`in_use`).
 * @param options.port a free one is chosen if absent
 * @param options.settings PostgreSQL settings over the ones above, for example `fsync`
 * @throws LocalServerError
 */
export async function startLocalPostgres(options: {
  dataDir: string;
  port?: number | undefined;
  settings?: Readonly<Record<string, string>> | undefined;
  onProgress?: ((message: string) => void) | undefined;
}): Promise<LocalPostgres> {
  const home = await makeHome(options.dataDir, 'postgres');
  const user = await findServerUser(home);
  const owner = await ownFolder(home);
  try {
    const programs = await postgresProgramsFor(user);
    const password = await makeDatabase(home, programs, user, options.onProgress);
    const { server, port } = await startServer(home, programs, user, options);
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      pid: server.pid,
      exited: server.exited,
      async stop() {
        await server.end(endingLadder);
        await owner.release();
      },
    };
  } catch (cause) {
    await owner.release();
    throw cause;
  }
}

/** The fourth line of PostgreSQL's own `postmaster.pid` is its port; the first its process. */
const pidFileLine = { pid: 0, port: 3 } as const;

/** The URL of the PostgreSQL that another process has started on `dataDir`; null where none runs there. */
export async function runningLocalPostgres(dataDir: string): Promise<string | null> {
  const home = join(resolve(dataDir), 'postgres');
  try {
    const lines = (await readFile(join(home, 'data', 'postmaster.pid'), 'utf8')).split('\n');
    if (!isAlive(Number(lines[pidFileLine.pid]))) return null;
    const password = (await readPassword(join(home, 'password'))).trim();
    return `postgres://postgres:${password}@127.0.0.1:${lines[pidFileLine.port]}/postgres`;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

/** The user who owns the data in `home`, or will; `undefined` is ourselves. */
async function findServerUser(home: string): Promise<User | undefined> {
  const users = await serverUsers();
  const dataOwner = (await statOrNull(join(home, 'data')))?.uid;
  for (const user of users) {
    const isOwner = user === undefined || dataOwner === undefined || dataOwner === user.uid;
    if (isOwner && (await canEnter(home, user))) return user;
  }
  const names = users.map((user) => user?.name ?? 'that runs Modelog').join(' or ');
  const reason =
    process.getuid?.() === 0 ? 'PostgreSQL does not run as root, and the user' : 'The user';
  const closed = await firstClosedFolder(home, users[0]);
  throw new LocalServerError(
    'unreachable',
    closed === null
      ? `${reason} ${names} does not own ${join(home, 'data')}. Give it to that user with chown -R.`
      : `${reason} ${names} cannot enter ${closed}. Choose another data directory (DATA_DIR), or open that folder ` +
          `with chmod o+x.`,
  );
}

async function firstClosedFolder(folder: string, user: User | undefined): Promise<string | null> {
  const parent = dirname(folder);
  const closed = parent === folder ? null : await firstClosedFolder(parent, user);
  return closed ?? ((await canEnter(folder, user)) ? null : folder);
}

/** Makes the database folder if there is none. Returns the superuser's password. */
async function makeDatabase(
  home: string,
  programs: PostgresPrograms,
  user: User | undefined,
  onProgress: ((message: string) => void) | undefined,
): Promise<string> {
  const data = join(home, 'data');
  const passwordFile = join(home, 'password');
  if (await statOrNull(data)) return (await readPassword(passwordFile)).trim();

  onProgress?.(`Making a PostgreSQL database in ${home}`);
  // What an interrupted attempt left; the folder takes its name only when it is whole.
  for (const name of await readdir(home)) {
    if (name.startsWith('data.')) await rm(join(home, name), { recursive: true, force: true });
  }
  const password = randomBytes(24).toString('base64url');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600, flush: true });
  await chmod(passwordFile, 0o600);
  if (user) await chown(passwordFile, user.uid, user.gid);
  const draft = join(home, `data.${randomUUID()}`);
  await mkdir(draft, { mode: 0o700 });
  if (user) await chown(draft, user.uid, user.gid);
  const args = [
    '-D',
    draft,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The order of text is the same on every machine, and follows no library that an upgrade might change.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ];
  try {
    await run(programs.initdb, args, {
      cwd: draft,
      env: environment,
      timeout: initTimeoutMs,
      ...(user && { uid: user.uid, gid: user.gid }),
    });
  } catch (cause) {
    const stderr = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new LocalServerError(
      'not_started',
      `No database could be made in ${home}: ${stderr || messageOf(cause)}`,
      {
        cause,
      },
    );
  }
  await rename(draft, data);
  await syncFolder(home);
  return password;
}

const environment: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

async function readPassword(passwordFile: string): Promise<string> {
  try {
    return await readFile(passwordFile, 'utf8');
  } catch (cause) {
    throw new LocalServerError(
      'not_started',
      `The password of the local PostgreSQL cannot be read from ${passwordFile}: ${messageOf(cause)}. ` +
        'Restore that file from a backup of the data directory.',
      { cause },
    );
  }
}

async function startServer(
  home: string,
  programs: PostgresPrograms,
  user: User | undefined,
  options: { port?: number | undefined; settings?: Readonly<Record<string, string>> | undefined },
): Promise<{ server: ServerProcess; port: number }> {
  const data = join(home, 'data');
  const logFile = join(home, 'postgres.log');
  for (let attempt = 1; ; attempt++) {
    await endLeftOver(join(data, 'postmaster.pid'), `-D ${data} `, endingLadder);
    await removeForeignPidFile(data);
    if (options.port !== undefined && !(await isPortFree(options.port))) {
      throw new LocalServerError(
        'port_busy',
        `Port ${options.port} for PostgreSQL is in use by another program.`,
      );
    }
    const port = options.port ?? (await freePort());
    const settings = { ...serverSettings, ...options.settings, port: String(port) };
    const server = await spawnServer({
      program: programs.postgres,
      args: [
        '-D',
        data,
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      environment,
      workingDir: data,
      logFile,
      user,
      endsWithUs: 'SIGINT',
    });
    let hasExited = false;
    void server.exited.then(() => (hasExited = true));
    const settled = await becomesTrue(
      async () => hasExited || (await isReady(data, server.pid)),
      readyTimeoutMs,
    );
    if (settled && !hasExited) return { server, port };
    if (!settled) await server.end(endingLadder);

    const log = await lastLines(logFile);
    const mayPass =
      /Address already in use|lock file .* already exists|pre-existing shared memory block/.test(
        log,
      );
    if (!settled || !mayPass || attempt === startTriesMax) {
      throw new LocalServerError('not_started', `PostgreSQL did not start on ${home}:\n${log}`, {
        retryable: mayPass,
      });
    }
    await becomesTrue(() => false, retryDelayMs);
  }
}

/** PostgreSQL writes its state as the eighth line of its pid file. */
async function isReady(data: string, pid: number): Promise<boolean> {
  const lines = await pidFileLines(data);
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

/**
 * PostgreSQL itself takes over the pid file of a dead process, but neither of a zombie, which stays where nobody reaps
 * orphans, nor of an unrelated program with the same pid.
 */
async function removeForeignPidFile(data: string): Promise<void> {
  const pid = Number((await pidFileLines(data))[0]);
  if (!(pid > 0) || !pidIsTaken(pid)) return;
  // A PostgreSQL stays what it is taken for, even if it seems to run elsewhere: two on one folder would destroy it.
  if (!commandLineOf(pid)?.includes('postgres -D'))
    await rm(join(data, 'postmaster.pid'), { force: true });
}

async function pidFileLines(data: string): Promise<string[]> {
  try {
    return (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}

async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return null;
    throw cause;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
