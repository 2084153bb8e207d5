// Avro by a real schema registry: registered by the command only, read back as it was, refused where incompatible.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { assert, asyncProperty } from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { catalogue, isLifecycleEventType } from '#events/catalogue.ts';
import { avroFormOf, subjectOf } from '#infra/kafka/avro-schemas.ts';
import { avroCodec } from '#infra/kafka/avro-codec.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { registerSchemas } from '#infra/kafka/register-schemas.ts';
import type { Registration } from '#infra/kafka/register-schemas.ts';
import { topicPrefix } from '#test/real/kafka.ts';
import { schemaRegistryUrl } from '#test/real/schema-registry.ts';
import { randomData, randomEvent } from './random-event.ts';

const types = Object.keys(catalogue).filter(isLifecycleEventType);
const run = promisify(execFile);

let url: string;
let topic: string;
let first: Registration[];

async function register(intoTopic: string): Promise<Registration[]> {
  const registrations: Registration[] = [];
  await registerSchemas(url, intoTopic, (one) => registrations.push(one));
  return registrations;
}

beforeAll(async () => {
  url = await schemaRegistryUrl();
  topic = `${topicPrefix()}lifecycle`;
  first = await register(topic);
});

test('every event type that goes to Kafka is registered, and again changes nothing', async () => {
  expect(first.map(({ subject }) => subject)).toEqual(types.map((type) => subjectOf(topic, type)));
  expect(first.length).toBeGreaterThan(15);
  expect(new Set(first.map(({ version }) => version))).toEqual(new Set([1]));
  expect(await register(topic)).toEqual(first);
});

test('what is written as Avro is read back as it was, for every event type', async () => {
  const codec = avroCodec({ url, topic });
  for (const type of types) {
    await assert(
      asyncProperty(randomEvent(type), async (event) => {
        const value = await codec.encode(event);
        expect(value[0]).toBe(0);
        expect(await codec.decode(type, value)).toEqual(event.data);
      }),
      { numRuns: 50 },
    );
  }
});

test('the largest whole number that JSON can say is written and read', async () => {
  const codec = avroCodec({ url, topic });
  await assert(
    asyncProperty(randomEvent('model.registered'), async (event) => {
      const largest = { ...(event.data as object), serial: Number.MAX_SAFE_INTEGER };
      const value = await codec.encode({ ...event, data: largest });
      expect(await codec.decode(event.type, value)).toEqual(largest);
    }),
    { numRuns: 1 },
  );
});

test('messages of the time before the registry, in JSON, are read too', async () => {
  const codec = avroCodec({ url, topic });
  await assert(
    asyncProperty(randomEvent('model.registered'), async (event) => {
      expect(await codec.decode(event.type, await jsonCodec().encode(event))).toEqual(event.data);
    }),
    { numRuns: 5 },
  );
});

test('data that the schema does not know are not dropped silently', async () => {
  const codec = avroCodec({ url, topic });
  await assert(
    asyncProperty(randomEvent('model.archived'), async (event) => {
      const more = { ...event, data: { ...(event.data as object), colour: 'red' } };
      await expect(codec.encode(more)).rejects.toThrow(/no field "colour"/);
    }),
    { numRuns: 1 },
  );
});

test('nothing is registered at run time: the error names the command', async () => {
  const codec = avroCodec({ url, topic: `${topicPrefix()}unregistered` });
  await assert(
    asyncProperty(randomEvent('model.promoted'), async (event) => {
      await expect(codec.encode(event)).rejects.toThrow(/run "npm run schemas"/);
    }),
    { numRuns: 1 },
  );
});

test('a value of a schema that nobody knows, or that is cut off, says so', async () => {
  const codec = avroCodec({ url, topic });
  const unknown = codec.decode('model.promoted', Buffer.from([0, 0x7f, 0, 0, 0, 2]));
  await expect(unknown).rejects.toMatchObject({ reason: 'unknown_schema' });
  const tiny = codec.decode('model.promoted', Buffer.from([0, 1]));
  await expect(tiny).rejects.toMatchObject({ reason: 'bad_value' });
  await assert(
    asyncProperty(randomEvent('model.registered'), async (event) => {
      const value = await codec.encode(event);
      const cut = codec.decode(event.type, value.subarray(0, value.length >> 1));
      await expect(cut).rejects.toMatchObject({ reason: 'bad_value' });
    }),
    { numRuns: 5 },
  );
});

test('a registry that is away is a failure that may pass, never an unreadable message', async () => {
  const away = avroCodec({ url: 'http://127.0.0.1:1', topic });
  const decoded = away.decode('model.promoted', Buffer.from([0, 0, 0, 0, 1, 2]));
  await expect(decoded).rejects.toMatchObject({ name: 'BrokerFailure', retryable: true });
});

test('what a training pipeline wrote by its own schema is read by that schema', async () => {
  const registry = new SchemaRegistry({ host: url });
  const { id } = await registry.register(
    {
      type: SchemaType.AVRO,
      schema: JSON.stringify({
        type: 'record',
        name: 'TrainingCompleted',
        namespace: 'acme',
        fields: [
          { name: 'model_name', type: 'string' },
          { name: 'label', type: ['null', 'string'], default: null },
          { name: 'metrics', type: { type: 'map', values: 'double' } },
        ],
      }),
    },
    { subject: `${topic}-acme.TrainingCompleted` },
  );
  const sent = { model_name: 'fraud', label: null, metrics: { auc: 0.93 } };
  const value = await registry.encode(id, sent);
  expect(await avroCodec({ url, topic }).decode('training.completed', value)).toEqual(sent);
});

test('a field that comes or goes is compatible; one that changes its type is refused with the reason', async () => {
  const changing = `${topicPrefix()}changing`;
  const registry = new SchemaRegistry({ host: url });
  const { type: schema } = avroFormOf('model.registered');
  const subject = subjectOf(changing, 'model.registered');
  const options = { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE };
  const older = { ...schema, fields: schema.fields.filter(({ name }) => name !== 'category') };
  await registry.register({ type: SchemaType.AVRO, schema: JSON.stringify(older) }, options);
  const registered = await register(changing);
  expect(registered.find((one) => one.subject === subject)?.version).toBe(2);

  const refusing = `${topicPrefix()}refusing`;
  const other = {
    ...schema,
    fields: schema.fields.map((field) =>
      field.name === 'serial' ? { ...field, type: ['null', 'boolean'] } : field,
    ),
  };
  const refusingSubject = subjectOf(refusing, 'model.registered');
  await registry.register(
    { type: SchemaType.AVRO, schema: JSON.stringify(other) },
    { ...options, subject: refusingSubject },
  );
  await expect(register(refusing)).rejects.toThrow(
    new RegExp(`${refusingSubject} was not registered: .*incompatib`, 'i'),
  );
});

test('the command prints each subject with its version, and says what is wrong with exit code 1', async () => {
  const node = [process.execPath, 'infra/kafka/register-schemas.ts'] as const;
  const env = { ...process.env, SCHEMA_REGISTRY_URL: url };
  const printed = await run(node[0], [node[1]], { env });
  expect(printed.stdout).toContain('model-lifecycle-modelog.ModelPromoted version ');
  const helped = await run(node[0], [node[1], '--help'], { env });
  expect(helped.stdout).toContain('FULL_TRANSITIVE');
  const unset = run(node[0], [node[1]], { env: { ...env, SCHEMA_REGISTRY_URL: '' } });
  await expect(unset).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('SCHEMA_REGISTRY_URL is not set') as string,
  });
});

test('the random data fit the shapes of the catalogue', async () => {
  for (const type of types) {
    await assert(
      asyncProperty(randomData(type), async (data) => {
        expect(catalogue[type].data.safeParse(data).error).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  }
});
