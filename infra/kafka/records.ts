// Records in Kafka's format (version 2) written and read in one go: kafkajs makes a buffer or an object for each header.

type Text = string | Buffer;

/** A record as kafkajs gives it to its encoder; the deltas count from what the batch says. */
export type RecordToWrite = {
  offsetDelta?: number;
  timestampDelta?: number;
  key?: Text | null;
  value?: Text | null;
  headers?: Readonly<Record<string, Text | null | undefined | readonly (Text | null)[]>>;
};

/** What a batch says of its records. */
export type RecordContext = {
  firstOffset: string;
  firstTimestamp: string;
  maxTimestamp?: string;
  /** 1: the broker's time is the batch's, and holds for each record. */
  timestampType?: number;
  magicByte?: number;
  isControlBatch?: boolean;
};

/** A record as kafkajs expects it of its decoder. */
export type ReadRecord = {
  magicByte: number | undefined;
  attributes: number;
  timestamp: string;
  offset: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer | null | (Buffer | null)[]>;
  isControlRecord: boolean;
  batchContext: RecordContext;
};

const logAppendTime = 1;

const zigZag = (value: number): number => (value >= 0 ? value * 2 : value * -2 - 1);

function varintSize(value: number): number {
  let size = 1;
  for (let rest = zigZag(value); rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

const textSize = (text: Text): number =>
  typeof text === 'string' ? Buffer.byteLength(text) : text.length;

/** How many bytes a text takes with its length before it; its absence is written as a length of -1. */
function sizeWithLength(text: Text | null | undefined): number {
  if (text === null || text === undefined) return 1;
  const size = textSize(text);
  return varintSize(size) + size;
}

export function encodeRecord(record: RecordToWrite): Buffer {
  const { offsetDelta = 0, timestampDelta = 0, key, value, headers = {} } = record;
  const flat: (Text | null | undefined)[] = [];
  for (const name of Object.keys(headers)) {
    const given = headers[name];
    if (Array.isArray(given)) for (const one of given as (Text | null)[]) flat.push(name, one);
    else flat.push(name, given as Text | null | undefined);
  }
  const headerCount = flat.length / 2;
  let size = 1 + varintSize(timestampDelta) + varintSize(offsetDelta) + varintSize(headerCount);
  size += sizeWithLength(key) + sizeWithLength(value);
  for (const text of flat) size += sizeWithLength(text);

  const bytes = Buffer.allocUnsafe(varintSize(size) + size);
  let at = 0;
  const writeVarint = (number: number): void => {
    let rest = zigZag(number);
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128;
    bytes[at++] = rest;
  };
  const write = (text: Text | null | undefined): void => {
    if (text === null || text === undefined) return writeVarint(-1);
    const length = textSize(text);
    writeVarint(length);
    at += typeof text === 'string' ? bytes.write(text, at, length) : text.copy(bytes, at);
  };
  writeVarint(size);
  // No attribute is in use.
  bytes[at++] = 0;
  writeVarint(timestampDelta);
  writeVarint(offsetDelta);
  write(key);
  write(value);
  writeVarint(headerCount);
  for (const text of flat) write(text);
  return bytes;
}

/** Reads a record after its length. */
export function decodeRecord(bytes: Buffer, batchContext: RecordContext): ReadRecord {
  let at = 0;
  const readVarint = (): number => {
    let number = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      number += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return number % 2 === 0 ? number / 2 : (number + 1) / -2;
  };
  const read = (): Buffer | null => {
    const length = readVarint();
    return length === -1 ? null : bytes.subarray(at, (at += length));
  };
  const readName = (): string => {
    const length = readVarint();
    return bytes.toString('utf8', at, (at += length));
  };
  const attributes = bytes.readInt8(at++);
  const timestampDelta = readVarint();
  const offsetDelta = readVarint();
  const key = read();
  const value = read();
  // Without a prototype, as whoever writes to the topic chooses the names.
  const headers = Object.create(null) as ReadRecord['headers'];
  for (let count = readVarint(); count > 0; count--) {
    const name = readName();
    const given = read();
    const before = headers[name];
    if (before === undefined) headers[name] = given;
    else headers[name] = Array.isArray(before) ? [...before, given] : [before, given];
  }
  const { firstOffset, firstTimestamp, maxTimestamp, timestampType } = batchContext;
  return {
    magicByte: batchContext.magicByte,
    attributes,
    timestamp:
      timestampType === logAppendTime && maxTimestamp
        ? maxTimestamp
        : String(Number(firstTimestamp) + timestampDelta),
    offset: String(Number(firstOffset) + offsetDelta),
    key,
    value,
    headers,
    isControlRecord: batchContext.isControlBatch ?? false,
    batchContext,
  };
}
