// Digests of what a decision was made on: SHA-256 of canonical JSON. Written out here, as the rules import nothing.

/** JSON with the keys in order and nothing between; the same value always gives the same text (RFC 8785). */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonicalJson(one)}`).join(',')}}`;
}

/** SHA-256 of a value's canonical JSON, as hex. */
export const digestOf = (value: unknown): string => sha256(canonicalJson(value));

/** The first 32 bits of the fractional parts of the roots of the first primes, as FIPS 180-4 defines them. */
function rootFractions(count: number, root: (prime: number) => number): number[] {
  const fractions: number[] = [];
  for (let candidate = 2; fractions.length < count; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate; divisor++)
      if (candidate % divisor === 0) isPrime = false;
    if (isPrime) fractions.push(((root(candidate) % 1) * 2 ** 32) | 0);
  }
  return fractions;
}
const roundConstants = Int32Array.from(rootFractions(64, Math.cbrt));
const initialHash = rootFractions(8, Math.sqrt);

const rotated = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

/** SHA-256 of a text's UTF-8, as hex (FIPS 180-4). */
export function sha256(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(((bytes.length + 8) >> 6) * 64 + 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0);
  const hash = Int32Array.from(initialHash);
  const schedule = new Int32Array(64);
  for (let offset = 0; offset < padded.length; offset += 64) {
    for (let index = 0; index < 16; index++) schedule[index] = view.getInt32(offset + index * 4);
    for (let index = 16; index < 64; index++) {
      const near = schedule[index - 15]!;
      const far = schedule[index - 2]!;
      const small0 = rotated(near, 7) ^ rotated(near, 18) ^ (near >>> 3);
      const small1 = rotated(far, 17) ^ rotated(far, 19) ^ (far >>> 10);
      schedule[index] = schedule[index - 16]! + small0 + schedule[index - 7]! + small1;
    }
    let [a, b, c, d, e, f, g, h] = hash as unknown as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    for (let index = 0; index < 64; index++) {
      const big1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
      const first =
        (h + big1 + ((e & f) ^ (~e & g)) + roundConstants[index]! + schedule[index]!) | 0;
      const big0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
      const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, index) => (hash[index] = hash[index]! + word));
  }
  return Array.from(hash, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}
