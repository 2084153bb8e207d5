// A key of `npm start`, the admin's or retention's: given, or generated once and kept in a file that only its owner reads.
import fs from 'node:fs/promises';
import { newSecret } from '#infra/auth/keys.ts';
import { secretCharactersMin } from '#infra/settings.ts';

export type KeptKey = {
  key: string;
  /** The file that holds it; null where it was given by a setting. */
  file: string | null;
  /** Made just now, and to be shown this once. */
  isNew: boolean;
};

/** @throws where the file holds something else than a key. */
export async function keyOf(given: string | undefined, file: string): Promise<KeptKey> {
  if (given !== undefined) return { key: given, file: null, isNew: false };
  const kept = await fs.readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (kept !== null) {
    const key = kept.trim();
    if (key.length < secretCharactersMin)
      throw new Error(
        `${file} does not hold a key of at least ${secretCharactersMin} characters; delete it to have a new one made`,
      );
    return { key, file, isNew: false };
  }
  const key = newSecret();
  await fs.writeFile(file, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return { key, file, isNew: true };
}
