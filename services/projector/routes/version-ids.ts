// Versions that are named by themselves, by an id or a serial, and not under their model.
import { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { isDigits } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Reading } from './reading.ts';

const serialPattern = /^[0-9]{1,9}$/;

/** An id or a serial; never a name. */
export const idOrSerial = (of: 'model' | 'version') =>
  z.union([z.uuid(), z.string().regex(serialPattern)], {
    error: `must be the id or the serial of a ${of}`,
  });

/** @throws Problem `version_not_found` for a serial that nothing has which the caller may see */
export async function versionIdOf(
  log: Reading['log'],
  { tenant, sees }: Principal,
  version: string,
): Promise<string> {
  if (!isDigits(version)) return version.toLowerCase();
  const found = await log.findSerial(tenant, 'version', Number(version));
  if (found === null || (sees !== null && !(await log.isInScope(found.stream, sees))))
    throw new Problem('version_not_found', { version });
  return found.version_id!;
}
