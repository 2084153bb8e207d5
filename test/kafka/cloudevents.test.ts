// What training pipelines may send, and what is said of what they may not.
import { expect, test } from 'vitest';
import { readTrainingCompleted } from '#infra/kafka/cloudevents.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import type { ReceivedMessage } from '#infra/kafka/port.ts';

const data = { model_name: 'fraud', framework: 'sklearn', metrics: { auc: 0.9 } };
const binary = {
  ce_specversion: '1.0',
  ce_id: 'run-1',
  ce_source: '/pipelines/fraud',
  ce_type: 'training.completed',
  ce_time: '2026-11-21T05:05:06+01:00',
  ce_tenant: 'acme',
  'content-type': 'application/json',
};
const structured = {
  specversion: '1.0',
  id: 'run-1',
  source: '/pipelines/fraud',
  type: 'training.completed',
  time: '2026-11-21T04:05:06Z',
  tenant: 'acme',
  data,
};
const asStructured = { 'content-type': 'application/cloudevents+json; charset=UTF-8' };
const told = {
  id: 'run-1',
  source: '/pipelines/fraud',
  type: 'training.completed',
  time: '2026-11-21T04:05:06.000Z',
  tenant: 'acme',
  data,
};

const read = (headers: Record<string, string>, value: unknown) => {
  const message: ReceivedMessage = {
    offset: 0,
    key: null,
    value:
      value === null
        ? null
        : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]),
    ),
    timestampMs: 0,
  };
  return readTrainingCompleted(message, jsonCodec());
};

test('a binary CloudEvent is read', async () => {
  expect(await read(binary, data)).toEqual(told);
});

test('a structured CloudEvent says the same', async () => {
  expect(await read(asStructured, structured)).toEqual(told);
});

test('without a tenant it is the default one, and without a time none is made up', async () => {
  const { ce_tenant: _tenant, ce_time: _time, ...least } = binary;
  expect(await read(least, data)).toMatchObject({ tenant: 'default', time: null });
  const { tenant: _, time: __, ...leastStructured } = structured;
  expect(await read(asStructured, leastStructured)).toMatchObject({
    tenant: 'default',
    time: null,
  });
});

test.each([
  ['2024-02-29T23:59:59.9996+23:59', '2024-02-29T00:00:59.999Z'],
  ['9999-12-31t23:59:59.999z', '9999-12-31T23:59:59.999Z'],
  ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
])('the time %s is %s', async (ce_time, time) => {
  expect(await read({ ...binary, ce_time }, data)).toMatchObject({ time });
});

test.each<[string, string, Record<string, string>, unknown]>([
  ['no CloudEvent', 'not_ours', {}, data],
  ['of another type', 'not_ours', { ...binary, ce_type: 'training.started' }, data],
  ['of another type, structured', 'not_ours', asStructured, { ...structured, type: 'x' }],
  ['without a value', 'empty', binary, null],
  ['empty', 'empty', binary, ''],
  ['too large', 'oversized', binary, { ...data, label: 'l'.repeat(600_000) }],
  ['no JSON', 'bad_value', binary, '{'],
  ['structured and no JSON', 'bad_value', asStructured, 'nonsense'],
  ['without data', 'bad_value', asStructured, { ...structured, data: undefined }],
  ['a list', 'bad_value', binary, [1]],
  ['of another CloudEvents version', 'bad_header', { ...binary, ce_specversion: '0.3' }, data],
  ['without an id', 'bad_header', { ...binary, ce_id: '' }, data],
  ['with a NUL in its source', 'bad_header', { ...binary, ce_source: 'a\u0000b' }, data],
  ['with an endless id', 'bad_header', { ...binary, ce_id: 'i'.repeat(2_000) }, data],
  ['of a time that is none', 'bad_header', { ...binary, ce_time: 'soon' }, data],
  [
    'of a day that there is not',
    'bad_header',
    { ...binary, ce_time: '2024-02-30T00:00:00Z' },
    data,
  ],
  [
    'of a time after the year 9999',
    'bad_header',
    { ...binary, ce_time: '9999-12-31T23:59:59-01:00' },
    data,
  ],
  [
    'of a time before 1970',
    'bad_header',
    { ...binary, ce_time: '0000-01-01T00:00:00+12:00' },
    data,
  ],
  ['of a tenant that is no slug', 'bad_header', { ...binary, ce_tenant: 'Acme Inc' }, data],
  ['with a number as its id', 'bad_header', asStructured, { ...structured, id: 7 }],
])('a message that is %s is %s', async (_, reason, headers, value) => {
  await expect(read(headers, value)).rejects.toMatchObject({ name: 'UndecodableMessage', reason });
});
