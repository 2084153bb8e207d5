// The checksum of a batch of records (CRC-32C), eight bytes at a time: kafkajs goes byte by byte, for a fiftieth of all that a
// process does while events are published. The eight tables are those of Kounavis and Berry, "A Systematic Approach to Building
// High Performance Software-Based CRC Generators" (2005).

/** Castagnoli's polynomial, its bits reversed. */
const polynomial = 0x82f63b78;
const bytesAtOnce = 8;
const values = 256;

/** Of table n, what a byte's value makes of the checksum when n more bytes follow it. */
const tables = Array.from({ length: bytesAtOnce }, () => new Int32Array(values));
for (let value = 0; value < values; value++) {
  let crc = value;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  tables[0]![value] = crc;
}
for (let nth = 1; nth < bytesAtOnce; nth++)
  for (let value = 0; value < values; value++) {
    const before = tables[nth - 1]![value]!;
    tables[nth]![value] = (before >>> 8) ^ tables[0]![before & 0xff]!;
  }
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** From 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  let at = 0;
  for (const last = bytes.length - bytesAtOnce; at <= last; at += bytesAtOnce) {
    const low =
      crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
