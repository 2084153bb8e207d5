// An event's data as Avro in Confluent's wire format, by the schemas of a registry.
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import avro from 'avsc';
import { AssertionFailed } from '#events/decider.ts';
import { isEventType } from '#events/catalogue.ts';
import type { EventType } from '#events/catalogue.ts';
import { avroFormOf, subjectOf } from './avro-schemas.ts';
import type { AvroForm } from './avro-schemas.ts';
import { asObject, avroMagicByte, messageOf, parseObject, undecodable } from './codec.ts';
import type { EventCodec } from './codec.ts';
import { withDeadline } from './deadline.ts';
import { BrokerFailure } from './port.ts';
import { UndecodableMessage } from './undecodable.ts';

/** Magic byte and schema id. */
const avroPrefixBytes = 5;
const longBytes = 8;
const registryDeadlineMs = 5_000;
const notFound = 404;

/**
 * Avro by a Confluent-compatible registry. Nothing is registered here: `npm run schemas` does that.
 * @param topic the topic whose subjects events are written by
 */
export function avroCodec({ url, topic }: { url: string; topic: string }): EventCodec {
  const long = wholeLong();
  const registry = new SchemaRegistry(
    { host: url, retry: { retries: 0 } },
    { [SchemaType.AVRO]: { typeHook: (schema) => (schema === 'long' ? long : undefined) } },
  );
  const forms = new Map<EventType, AvroForm>();
  const schemaIds = new Map<EventType, number>();

  const formOf = (type: EventType): AvroForm => {
    const known = forms.get(type) ?? avroFormOf(type);
    forms.set(type, known);
    return known;
  };

  const schemaIdOf = async (type: EventType): Promise<number> => {
    const known = schemaIds.get(type);
    if (known !== undefined) return known;
    const subject = subjectOf(topic, type);
    const found = registry.getRegistryIdBySchema(subject, {
      schema: JSON.stringify(formOf(type).type),
    } as Parameters<typeof registry.getRegistryIdBySchema>[1]);
    try {
      const id = await withDeadline(found, registryDeadlineMs, 'asking the schema registry');
      schemaIds.set(type, id);
      return id;
    } catch (error) {
      throw new BrokerFailure(
        `the schema of ${type} is not registered as ${subject}, or the registry does not answer ` +
          `(${messageOf(error)}): run "npm run schemas"`,
        { retryable: true, cause: error },
      );
    }
  };

  return {
    encode: async ({ type, data }) => {
      if (!isEventType(type)) throw new AssertionFailed(`no schema for the event type ${type}`);
      return registry.encode(await schemaIdOf(type), formOf(type).toAvro(data));
    },
    decode: async (type, value) => {
      if (value[0] !== avroMagicByte) return parseObject(value);
      if (value.length < avroPrefixBytes)
        throw new UndecodableMessage('bad_value', 'it ends within the schema id');
      await loadSchema(registry, value.readInt32BE(1));
      try {
        const decoded: unknown = await registry.decode(value);
        const data = isEventType(type) ? formOf(type).fromAvro(decoded) : toPlain(decoded);
        return asObject(data);
      } catch (error) {
        throw undecodable(error);
      }
    },
  };
}

/** avsc's own long refuses the largest whole number that JSON can say, and an event that holds it could not be sent. */
const wholeLong = () =>
  avro.types.LongType.__with({
    isValid: Number.isSafeInteger,
    compare: (one: number, other: number) => one - other,
    toJSON: (number: number) => number,
    fromJSON: (number: number) => number,
    toBuffer: (number: number) => {
      const bytes = Buffer.alloc(longBytes);
      bytes.writeBigInt64LE(BigInt(number));
      return bytes;
    },
    fromBuffer: (bytes: Buffer) => {
      const number = Number(bytes.readBigInt64LE());
      if (!Number.isSafeInteger(number)) throw new RangeError('a whole number is beyond 2^53');
      return number;
    },
  });

async function loadSchema(registry: SchemaRegistry, id: number): Promise<void> {
  try {
    const loaded = Promise.resolve(registry.getSchema(id));
    await withDeadline(loaded, registryDeadlineMs, 'asking the schema registry');
  } catch (error) {
    if ((error as { status?: unknown }).status === notFound)
      throw new UndecodableMessage('unknown_schema', `its schema ${id} is not registered`, error);
    throw new BrokerFailure(`schema ${id} could not be had: ${messageOf(error)}`, {
      retryable: true,
      cause: error,
    });
  }
}

/** Avro records, maps and bytes of a foreign writer as what JSON can say. */
const toPlain = (decoded: unknown): unknown => JSON.parse(JSON.stringify(decoded)) as unknown;
