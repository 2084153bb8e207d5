// New ids: UUIDv7, so that they sort by time and an index of them grows at its end.
import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const idRandomBytes = 16;
/** One call for random bytes costs more than making an id, so 512 ids share one (as `crypto.randomUUID` does). */
const poolBytes = 512 * idRandomBytes;
const pool = Buffer.alloc(poolBytes);
let used = poolBytes;

/** The next id: never the same twice, in every process. */
export function newId(): string {
  if (used === poolBytes) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, (used += idRandomBytes));
  return v7({ random });
}
