// New ids: UUIDv7, so that they sort by time and an index of them grows at its end.
import { randomFillSync } from 'node:crypto';

/** The bytes of an id behind its 48 bits of time: all random but for version and variant. */
const randomBytes = 10;
/** One call for random bytes costs more than making an id, so 512 ids share one (as `crypto.randomUUID` does). */
const poolIds = 512;
const pool = Buffer.alloc(poolIds * randomBytes);
let used = pool.length;

const versionBits = 0x70;
const variantBits = 0x80;

/** An id is written into this, as its characters: that leaves nothing behind but the id, and several are made a command. */
const written = Buffer.from('00000000-0000-0000-0000-000000000000', 'latin1');
const hexDigits = Buffer.from('0123456789abcdef', 'latin1');
/** Where the two digits of each random byte stand. */
const places = [14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
let writtenMs = -1;

function writeTime(ms: number): void {
  const digits = ms.toString(16).padStart(12, '0');
  written.write(digits.slice(0, 8), 0, 'latin1');
  written.write(digits.slice(8), 9, 'latin1');
  writtenMs = ms;
}

function writeByte(byte: number, at: number): void {
  written[at] = hexDigits[byte >> 4]!;
  written[at + 1] = hexDigits[byte & 15]!;
}

/** The next id: never the same twice, in every process. */
export function newId(): string {
  const ms = Date.now();
  if (ms !== writtenMs) writeTime(ms);
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  writeByte((pool[used]! & 0x0f) | versionBits, places[0]);
  writeByte(pool[used + 1]!, places[1]);
  writeByte((pool[used + 2]! & 0x3f) | variantBits, places[2]);
  for (let nth = 3; nth < randomBytes; nth++) writeByte(pool[used + nth]!, places[nth]!);
  used += randomBytes;
  return written.toString('latin1');
}
