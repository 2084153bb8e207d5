// Every shape ever stored must still read: parse, upcast, fold, travel on Kafka, and keep its canonical form.
import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { Client } from 'pg';
import { describe, expect, inject, test } from 'vitest';
import { catalogue, isLifecycleEventType, isModelEventType } from '#events/catalogue.ts';
import type { EventType } from '#events/catalogue.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import { parseStream } from '#events/names.ts';
import { policyDecider } from '#events/policy/scope.ts';
import type { RecordedTenantEvent } from '#events/tenant/events.ts';
import { tenantDecider } from '#events/tenant/tenant.ts';
import { UnreadableEvent, upcast } from '#events/upcasters.ts';
import { avroFormOf } from '#infra/kafka/avro-schemas.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { fromMessage, toMessage } from '#infra/kafka/envelope.ts';
import type { OutgoingMessage, ReceivedMessage } from '#infra/kafka/port.ts';
import { canonicalDigests, goldenFiles, goldenName } from './files.ts';

const golden = goldenFiles();
const ofType = (type: string): RecordedEvent =>
  golden.find((file) => file.type === type)!.event;
const digestOf = (event: unknown): string => hash('sha256', canonicalize(event)!, 'hex');

describe('the files', () => {
  test('are one for every event type and schema version, and of no other', () => {
    expect(golden.length).toBeGreaterThan(20);
    const wanted = Object.entries(catalogue).flatMap(([type, { schema_version: current }]) =>
      Array.from({ length: current }, (_, index) => `${type}.v${index + 1}.json`),
    );
    expect(golden.map(({ name }) => name).toSorted()).toEqual(wanted.toSorted());
  });

  test('are called by what they hold', () => {
    for (const { name, type, schemaVersion, event } of golden)
      expect({ type: event.type, schema_version: event.schema_version }, name).toEqual({
        type,
        schema_version: schemaVersion,
      });
    expect(goldenName('model.registered.v12.json')).toEqual({
      type: 'model.registered',
      schemaVersion: 12,
    });
    for (const name of ['canonical.json', 'model.registered.json', 'golden.test.ts'])
      expect(goldenName(name)).toBeNull();
  });

  test('hold text beyond ASCII, nothing where nothing is, and numbers of every kind', () => {
    const text = golden.map(({ event }) => JSON.stringify(event)).join('\n');
    for (const kept of ['ö', '模型', '😀', '„', 'null', '0.9731', '-1.25e-9', '1e+21', '[]', '{}'])
      expect(text).toContain(kept);
  });
});

describe.each(golden)('$name', ({ name, type, event }) => {
  test('is whole: every field of an envelope', () => {
    expect(Object.keys(event).toSorted()).toEqual(
      [
        'actor',
        'causation_id',
        'command_id',
        'correlation_id',
        'data',
        'id',
        'occurred_at',
        'position',
        'reason',
        'recorded_at',
        'schema_version',
        'stream',
        'stream_version',
        'tenant',
        'traceparent',
        'type',
      ].toSorted(),
    );
    expect(parseStream(event.stream)).toMatchObject({ tenant: event.tenant });
  });

  test('is read by the catalogue, with nothing left over', () => {
    const current = upcast(event);
    const known = catalogue[type as EventType];
    expect(current.schema_version).toBe(known.schema_version);
    expect(known.data.strict().parse(current.data)).toEqual(current.data);
  });

  test('has the canonical form that it has always had', () =>
    expect(digestOf(event)).toBe(canonicalDigests()[name]));
});

test('every pinned form is of a file that is there', () =>
  expect(Object.keys(canonicalDigests())).toEqual(golden.map(({ name }) => name)));

test('the canonical form is that of RFC 8785', () => {
  expect(canonicalize({ b: [1e21, 1e-7, -0, 333333333.3333333], a: '\u20ac$\u000f\n"\\' })).toBe(
    '{"a":"€$\\u000f\\n\\"\\\\","b":[1e+21,1e-7,0,333333333.3333333]}',
  );
  const { data, ...envelope } = ofType('model.registered');
  expect(digestOf({ data, ...envelope })).toBe(digestOf(ofType('model.registered')));
  expect(digestOf({ ...envelope, data: { ...(data as object), owner: 'ana' } })).not.toBe(
    digestOf(ofType('model.registered')),
  );
});

describe('folded', () => {
  const ofModels = golden.filter((file) => isModelEventType(file.type));

  test.each(ofModels)('$type', ({ type, event }) => {
    // what it may rest on: the model, its version and what belongs to it, each as a golden file tells it
    const before = [
      'model.registered',
      'model.versioned',
      'deployment.requested',
      'binding.created',
      'promotion.requested',
    ].filter((needed) => needed !== type);
    const isBeginning = type === 'model.registered' || type === 'model.versioned';
    const history = [
      ...before.slice(0, isBeginning ? Number(type === 'model.versioned') : before.length).map(ofType),
      event,
    ];
    const state = modelDecider.initial();
    for (const [index, one] of history.entries())
      modelDecider.evolve(state, {
        ...upcast(one),
        stream_version: index + 1,
      } as RecordedModelEvent);
    expect(state.stream_version).toBe(history.length);
    expect(state.model).toMatchObject({ updated_at: event.recorded_at, position: event.position });
  });

  test('the events of a tenant', () => {
    const state = tenantDecider.initial();
    const history = ['tenant.created', 'api_key.issued', 'api_key.revoked', 'role.granted', 'role.revoked'].map(
      ofType,
    );
    for (const [index, one] of history.entries())
      tenantDecider.evolve(state, { ...upcast(one), stream_version: index + 1 } as RecordedTenantEvent);
    const [key] = [...state.keys.values()];
    expect(key).toMatchObject({ subject: 'zoë', revoked_at: history[2]!.recorded_at });
    expect(state.bindings.size).toBe(0);
  });
});

test('the events of a policy, folded', () => {
  const state = policyDecider.initial();
  policyDecider.evolve(state, { ...upcast(ofType('policy.set')), stream_version: 1 } as never);
  expect(state.own).toMatchObject({ evidence_required: true, may_override: ['gates'] });
});

describe('on Kafka', () => {
  const bytes = (given: string | Buffer) => Buffer.from(given as string);
  const arrived = ({ key, value, headers }: OutgoingMessage): ReceivedMessage => ({
    offset: 0,
    key: bytes(key!),
    value: bytes(value!),
    headers: Object.fromEntries(Object.entries(headers).map(([name, one]) => [name, bytes(one)])),
    timestampMs: 0,
  });
  const travelling = golden.filter((file) => isLifecycleEventType(file.type));

  test.each(travelling)('$type arrives as it left, in JSON', async ({ event }) => {
    const read = await fromMessage(arrived(await toMessage(event, jsonCodec())), jsonCodec());
    expect(read).toEqual(event);
    expect(digestOf(read)).toBe(digestOf(event));
  });

  test.each(travelling)('$type keeps its data in the form of Avro', ({ type, event }) => {
    const form = avroFormOf(type as EventType);
    expect(form.fromAvro(form.toAvro(event.data))).toEqual(event.data);
  });
});

test('in PostgreSQL the data keep their canonical form', async () => {
  const client = new Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    for (const { name, event } of golden) {
      const { rows } = await client.query<{ data: unknown; metadata: unknown }>(
        'select $1::jsonb as data',
        [JSON.stringify(event.data)],
      );
      expect(canonicalize(rows[0]!.data), name).toBe(canonicalize(event.data));
    }
  } finally {
    await client.end();
  }
});

describe('what cannot be read says so', () => {
  const event = ofType('model.registered');

  test('a type that nobody knows', () =>
    expect(() => upcast({ ...event, type: 'model.exploded' })).toThrow(UnreadableEvent));

  test.each([0, 2])('a schema version that nobody knows: %s', (schema_version) =>
    expect(() => upcast({ ...event, schema_version })).toThrow(UnreadableEvent),
  );

  test('a name that every object has is no type', () =>
    expect(() => upcast({ ...event, type: 'constructor' })).toThrow(UnreadableEvent));
});
