// Holds our records equal to those that kafkajs writes and reads, byte for byte.
import { createRequire } from 'node:module';
import {
  array,
  assert,
  dictionary,
  integer,
  oneof,
  option,
  property,
  record,
  string,
  uint8Array,
} from 'fast-check';
import { expect, test } from 'vitest';
import { createBroker } from '#infra/kafka/broker.ts';
import { crc32c } from '#infra/kafka/crc32c.ts';
import { decodeRecord, encodeRecord } from '#infra/kafka/records.ts';
import type { ReadRecord, RecordContext, RecordToWrite } from '#infra/kafka/records.ts';

const load = createRequire(import.meta.url);
const folder = 'kafkajs/src/protocol/recordBatch/record/v0';
type Encode = (record: RecordToWrite) => { buf: Buffer; buffer: Buffer };
type Decode = (decoder: object, context: RecordContext) => ReadRecord;
// Before any broker is made, these are still its own.
const encodeByKafkajs = load(`${folder}/index.js`) as Encode;
const decodeByKafkajs = load(`${folder}/decoder.js`) as Decode;
const Decoder = load('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => {
  readVarIntBytes: () => Buffer;
};

const sumByKafkajs = load('kafkajs/src/protocol/recordBatch/crc32C/index.js') as (
  bytes: Uint8Array,
) => number;

const text = string({ unit: 'binary', maxLength: 200 });
const bytes = text.map((characters) => Buffer.from(characters));
const given = oneof(text, bytes);
// kafkajs takes what every object inherits for a header that came before.
const headerName = text.map((characters) => `h-${characters}`);
const anyRecord = record({
  offsetDelta: integer({ min: 0, max: 100_000 }),
  timestampDelta: integer({ min: -5_000_000_000, max: 5_000_000_000 }),
  key: option(given),
  value: option(given),
  headers: dictionary(headerName, oneof(given, array(given, { minLength: 1, maxLength: 3 }))),
});
const anyContext = record({
  firstOffset: integer({ min: 0, max: 2 ** 50 }).map(String),
  firstTimestamp: integer({ min: 0, max: 2 ** 45 }).map(String),
  maxTimestamp: integer({ min: 0, max: 2 ** 45 }).map(String),
  timestampType: integer({ min: 0, max: 1 }),
  magicByte: integer({ min: 2, max: 2 }),
});

test('a batch is summed up as kafkajs sums it up, whatever its length', () => {
  assert(
    property(uint8Array({ maxLength: 300 }), (summed) => {
      expect(crc32c(summed)).toBe(sumByKafkajs(summed));
    }),
  );
  // what every implementation makes of these digits
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

test('a record is written as kafkajs writes it, and read as kafkajs reads it', () => {
  assert(
    property(anyRecord, anyContext, (written, context) => {
      const encoded = encodeRecord(written);
      expect(encoded.equals(encodeByKafkajs(written).buffer)).toBe(true);
      const body = new Decoder(encoded).readVarIntBytes();
      const { headers, ...read } = decodeRecord(body, context);
      const { headers: theirs, ...readByKafkajs } = decodeByKafkajs(new Decoder(body), context);
      expect(read).toEqual(readByKafkajs);
      expect(Object.entries(headers)).toEqual(Object.entries(theirs));
    }),
    { numRuns: 1_000 },
  );
});

test('a broker that is made has kafkajs use them', () => {
  createBroker({
    brokers: ['127.0.0.1:1'],
    clientId: 'test',
    log: { debug() {}, info() {}, warn() {}, error() {} },
  });
  expect(load(`${folder}/index.js`)).not.toBe(encodeByKafkajs);
  expect(load(`${folder}/decoder.js`)).not.toBe(decodeByKafkajs);
});
