// One Modelog process at a time on a data folder: a file names the owner, and a dead owner's claim is taken over.
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalServerError, hasCode, messageOf, processIdentity } from './process.ts';

// A claim is tried again when another process took or freed it in the same instant; more often means something is odd.
const claimTriesMax = 10;

/**
 * Claims `folder` for this process until `release()`.
 * Fails with `in_use` while another live process (or this one) owns it, with `unreachable` if it cannot be written to.
 */
export async function ownFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const claim = join(folder, 'owner.pid');
  const own = `${process.pid}\n${processIdentity(process.pid)}\n`;
  const draft = join(folder, `owner.${randomUUID()}`);
  try {
    await writeFile(draft, own, { mode: 0o644 });
  } catch (cause) {
    throw new LocalServerError(
      'unreachable',
      `${folder} cannot be written to: ${messageOf(cause)}`,
      { cause },
    );
  }
  try {
    for (let attempt = 1; attempt <= claimTriesMax; attempt++) {
      try {
        await link(draft, claim);
        return { release: once(() => rm(claim, { force: true })) };
      } catch (cause) {
        if (!hasCode(cause, 'EEXIST')) throw cause;
      }
      const holder = await readFile(claim, 'utf8').catch(() => null);
      if (holder === null) continue;
      const [pid, identity] = holder.split('\n');
      if (processIdentity(Number(pid)) === identity) {
        throw new LocalServerError(
          'in_use',
          `${folder} is in use by the process ${pid}. Stop that process, or choose another data directory (DATA_DIR).`,
        );
      }
      await removeClaim(claim, holder);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new LocalServerError(
    'in_use',
    `${folder} cannot be claimed: other processes keep taking it.`,
    {
      retryable: true,
    },
  );
}

/** A second release must not remove the claim of the next owner. */
function once(release: () => Promise<void>): () => Promise<void> {
  let released: Promise<void> | undefined;
  return () => (released ??= release());
}

/** Removes the claim of a dead holder; if another process replaced it meanwhile, that claim is put back. */
async function removeClaim(claim: string, deadHolder: string): Promise<void> {
  const aside = `${claim}.${randomUUID()}`;
  try {
    await rename(claim, aside);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return;
    throw cause;
  }
  if ((await readFile(aside, 'utf8')) !== deadHolder) await link(aside, claim);
  await rm(aside);
}
