// New ids: UUIDv7, so that they sort by time and an index of them grows at its end.
import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const idRandomBytes = 16;
/** One call for random bytes costs more than making an id, so 512 ids share one (as `crypto.randomUUID` does). */
const poolIds = 512;
const pool = Buffer.alloc(poolIds * idRandomBytes);
const randoms = Array.from({ length: poolIds }, (_, index) =>
  pool.subarray(index * idRandomBytes, (index + 1) * idRandomBytes),
);
let used = poolIds;

/** The next id: never the same twice, in every process. */
export function newId(): string {
  if (used === poolIds) {
    randomFillSync(pool);
    used = 0;
  }
  return v7({ random: randoms[used++]! });
}
