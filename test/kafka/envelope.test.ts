// The log's event equals the message's event, and what is no such message says why.
import { assert, asyncProperty } from 'fast-check';
import { expect, test } from 'vitest';
import { catalogue, isEventType } from '#events/catalogue.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { deadLetterOf, sendsOf } from '#infra/kafka/dead-letter.ts';
import { fromMessage, toMessage } from '#infra/kafka/envelope.ts';
import type { OutgoingMessage, ReceivedMessage } from '#infra/kafka/port.ts';
import { randomEvent } from './random-event.ts';

const codec = jsonCodec();
const types = Object.keys(catalogue).filter(isEventType);

const bytes = (given: string | Buffer) => Buffer.from(given as string);

/** What a consumer is given of a message that was sent. */
const arrived = ({ key, value, headers }: OutgoingMessage): ReceivedMessage => ({
  offset: 7,
  key: key === null ? null : bytes(key),
  value: value === null ? null : bytes(value),
  headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, bytes(one)])),
  timestampMs: 0,
});

const promoted: RecordedEvent = {
  position: 42,
  id: '019a9f3e-0000-7000-8000-000000000001',
  type: 'model.promoted',
  schema_version: 1,
  tenant: 'default',
  stream: 'model:default:019a9f3e-0000-7000-8000-000000000002',
  stream_version: 3,
  actor: { subject: 'zoë', type: 'user', auth_method: 'api_key', key_id: 'k1', declared_by: null },
  occurred_at: '2026-11-21T04:05:06.789Z',
  recorded_at: '2026-11-21T04:05:06.790Z',
  reason: 'schön genug ✓',
  command_id: '019a9f3e-0000-7000-8000-000000000003',
  correlation_id: null,
  causation_id: null,
  traceparent: null,
  data: { number: 2 },
};

test('every event of the log equals its message read back', async () => {
  expect(types.length).toBeGreaterThan(15);
  for (const type of types) {
    await assert(
      asyncProperty(randomEvent(type), async (event) => {
        const read = await fromMessage(arrived(await toMessage(event, codec)), codec);
        expect(read).toEqual(event);
      }),
      { numRuns: 20 },
    );
  }
});

test('a message has the stream as its key and the envelope in its headers; what is null is absent', async () => {
  const { key, value, headers } = await toMessage(promoted, codec);
  expect(key).toBe(promoted.stream);
  expect(String(value)).toBe('{"number":2}');
  expect(headers).toEqual({
    ce_id: promoted.id,
    ce_type: 'model.promoted',
    ce_source: 'modelog',
    ce_time: '2026-11-21T04:05:06.789Z',
    ce_subject: promoted.stream,
    ce_specversion: '1.0',
    ce_position: '42',
    ce_streamversion: '3',
    ce_recordedat: '2026-11-21T04:05:06.790Z',
    ce_tenant: 'default',
    ce_actor: JSON.stringify(promoted.actor),
    ce_schemaversion: '1',
    ce_reason: 'schön genug ✓',
    ce_commandid: promoted.command_id,
  });
});

test('an empty reason is not the same as none', async () => {
  const read = await fromMessage(
    arrived(await toMessage({ ...promoted, reason: '' }, codec)),
    codec,
  );
  expect(read.reason).toBe('');
});

test.each<[string, string, (message: ReceivedMessage) => Partial<ReceivedMessage>]>([
  ['without headers', 'not_ours', () => ({ headers: {} })],
  [
    'of another source',
    'not_ours',
    ({ headers }) => ({ headers: { ...headers, ce_source: bytes('x') } }),
  ],
  ['without a value', 'empty', () => ({ value: null })],
  ['with an empty value', 'empty', () => ({ value: Buffer.alloc(0) })],
  ['that is too large', 'oversized', () => ({ value: Buffer.alloc(3 * 1024 * 1024, ' ') })],
  ['that is no JSON', 'bad_value', () => ({ value: bytes('{"number":') })],
  ['that is no UTF-8', 'bad_value', () => ({ value: Buffer.from([0x7b, 0xff, 0x7d]) })],
  ['that is no object', 'bad_value', () => ({ value: bytes('[1]') })],
  [
    'that is Avro where no registry is set',
    'no_schema_registry',
    () => ({ value: Buffer.alloc(9) }),
  ],
  ['whose key is another stream', 'bad_header', () => ({ key: bytes('model:default:other') })],
  ['without a key', 'bad_header', () => ({ key: null })],
  [
    'whose position is no number',
    'bad_header',
    ({ headers }) => ({ headers: { ...headers, ce_position: bytes('first') } }),
  ],
  [
    'whose version is 0',
    'bad_header',
    ({ headers }) => ({ headers: { ...headers, ce_streamversion: bytes('0') } }),
  ],
  [
    'whose time is none',
    'bad_header',
    ({ headers }) => ({ headers: { ...headers, ce_time: bytes('yesterday') } }),
  ],
  [
    'whose actor is no JSON',
    'bad_header',
    ({ headers }) => ({ headers: { ...headers, ce_actor: bytes('me') } }),
  ],
  [
    'whose actor is nobody',
    'bad_header',
    ({ headers }) => ({ headers: { ...headers, ce_actor: bytes('null') } }),
  ],
])('a message %s is %s', async (_, reason, changed) => {
  const message = arrived(await toMessage(promoted, codec));
  const read = fromMessage({ ...message, ...changed(message) }, codec);
  await expect(read).rejects.toMatchObject({
    name: 'UndecodableMessage',
    reason,
    retryable: false,
  });
});

test('a dead letter lacks what is too large for its topic, and says what that was', async () => {
  const message = arrived(await toMessage(promoted, codec));
  const at = { topic: 'model-lifecycle', partition: 4 };
  const value = Buffer.alloc(5_000_000);
  const large = deadLetterOf({ ...message, value }, at, 'oversized', '');
  expect(large).toMatchObject({ key: message.key, value: null });
  expect(large.headers.dlq_dropped).toBe('value (5000000 bytes)');
  const headers = { ...message.headers, note: value, ['n'.repeat(3_000_000)]: bytes('x') };
  const laden = deadLetterOf({ ...message, key: value, headers }, at, 'bad_header', '');
  expect(laden).toMatchObject({ key: null, value: message.value, headers: message.headers });
  expect(laden.headers.dlq_dropped).toMatch(
    /^header note \(5000014 bytes\), key \(5000000 bytes\), header n+… \(3000011 bytes\)$/,
  );
});

test('dead letters go in sends that their topic takes', () => {
  const letter = { key: null, value: Buffer.alloc(900_000), headers: {} };
  const sends = [...sendsOf([letter, letter, letter, letter, letter])];
  expect(sends.map(({ length }) => length)).toEqual([2, 2, 1]);
  expect([...sendsOf([])]).toEqual([]);
});

test('a dead letter is the message untouched, with where it lay and why', async () => {
  const message = arrived(await toMessage(promoted, codec));
  const letter = deadLetterOf(
    message,
    { topic: 'model-lifecycle', partition: 4 },
    'bad_value',
    'y'.repeat(5_000),
  );
  expect(letter.key).toBe(message.key);
  expect(letter.value).toBe(message.value);
  expect(letter.headers).toMatchObject({
    ...message.headers,
    dlq_reason: 'bad_value',
    dlq_topic: 'model-lifecycle',
    dlq_partition: '4',
    dlq_offset: '7',
  });
  expect(letter.headers.dlq_explanation).toHaveLength(1_000);
});
