// Fetches Java programs with Maven into a cache that all checkouts and later starts share.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalServerError, hasCode, messageOf } from './process.ts';

const run = promisify(execFile);

// 142 MB at most, over a slow line.
const downloadTimeoutMs = 600_000;
const versionTimeoutMs = 30_000;

/**
 * The folder `name` of the cache, filled the first time by `mvn` with the arguments that `args` makes for the folder to
 * fill. The folder gets its name when it is whole, so that two processes may do this at once.
 * @param name tells the content and its version, as the cache is never looked into again
 */
export async function fetchWithMaven(options: {
  name: string;
  cacheDir?: string | undefined;
  args: (folder: string) => string[];
  onProgress?: ((message: string) => void) | undefined;
}): Promise<string> {
  const cacheDir = options.cacheDir ?? (await defaultCacheDir());
  const folder = join(cacheDir, options.name);
  if (await isThere(folder)) return folder;

  options.onProgress?.(`Fetching ${options.name} with Maven into ${cacheDir}`);
  await requireProgram('mvn', ['-version'], 'Maven');
  const draft = `${folder}.${randomUUID()}`;
  await mkdir(draft, { recursive: true });
  try {
    await run('mvn', ['--quiet', '--batch-mode', ...options.args(draft)], {
      cwd: draft,
      timeout: downloadTimeoutMs,
    });
    // Without a project, Maven puts its notes into a folder of this very name.
    await rm(join(draft, '${project.basedir}'), { recursive: true, force: true });
    await rename(draft, folder);
  } catch (cause) {
    if (hasCode(cause, 'ENOTEMPTY') || hasCode(cause, 'EEXIST')) return folder;
    const output =
      cause instanceof Error && 'stdout' in cause ? String(cause.stdout).trim().slice(0, 2000) : '';
    throw new LocalServerError(
      'download_failed',
      `Maven could not fetch ${options.name}. ${output || messageOf(cause)}`,
      { retryable: true, cause },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

/** Fails with `missing_program` if Java is not installed. */
export async function requireJava(): Promise<void> {
  await requireProgram('java', ['-version'], 'Java 17 or newer');
}

async function requireProgram(program: string, args: string[], title: string): Promise<void> {
  try {
    await run(program, args, { timeout: versionTimeoutMs });
  } catch (cause) {
    throw new LocalServerError(
      'missing_program',
      hasCode(cause, 'ENOENT')
        ? `${title} is not installed (no ${program} on the PATH). It is needed for a local Kafka; or set KAFKA_BROKERS.`
        : `${program} ${args.join(' ')} fails: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** The user's cache folder; where there is none to write to (a service user has no home), one under the temporary folder. */
async function defaultCacheDir(): Promise<string> {
  const platformCache =
    process.platform === 'darwin'
      ? join(homedir(), 'Library', 'Caches')
      : join(homedir(), '.cache');
  const userCache = join(process.env['XDG_CACHE_HOME'] || platformCache, 'modelog');
  try {
    await mkdir(userCache, { recursive: true });
    await access(userCache, constants.W_OK);
    return userCache;
  } catch {
    return join(tmpdir(), `modelog-cache-${process.getuid?.() ?? 'user'}`);
  }
}

async function isThere(folder: string): Promise<boolean> {
  return access(folder).then(
    () => true,
    () => false,
  );
}
