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

/** Of the id that is being made. */
const bytes = Buffer.alloc(idRandomBytes);
const textLength = 36;
const text = Buffer.alloc(textLength, '-');
const hexDigits = Buffer.from('0123456789abcdef');
/** Where the two digits of each byte stand in the text: 8-4-4-4-12. */
const digitPlaces = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/**
 * The next id: never the same twice, in every process. Its text is put together in one place and is made a string once: the
 * library's own way makes twenty of them, and a command needs two or three ids.
 */
export function newId(): string {
  if (used === poolIds) {
    randomFillSync(pool);
    used = 0;
  }
  v7({ random: randoms[used++]! }, bytes);
  for (let nth = 0; nth < idRandomBytes; nth++) {
    const place = digitPlaces[nth]!;
    text[place] = hexDigits[bytes[nth]! >> 4]!;
    text[place + 1] = hexDigits[bytes[nth]! & 0xf]!;
  }
  return text.toString('latin1');
}
