// The folder that one local server has in the data directory.
import { chmod, mkdir, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LocalServerError, messageOf } from './process.ts';

/**
 * Makes `dataDir/name`, and what is missing above it, so that other users can pass through, whatever the umask: a server
 * may run as another one. Folders that were there stay as they are.
 * @returns its real path: a left-over server is known by it, so it must be the same by whichever link one came
 */
export async function makeHome(dataDir: string, name: string): Promise<string> {
  const home = join(resolve(dataDir), name);
  try {
    const first = await mkdir(home, { recursive: true });
    if (first !== undefined) {
      for (let made = home; made.length >= first.length; made = dirname(made)) {
        await chmod(made, 0o711);
      }
    }
    return await realpath(home);
  } catch (cause) {
    throw new LocalServerError('unreachable', `${home} cannot be made: ${messageOf(cause)}`, {
      cause,
    });
  }
}
