// An event's data as bytes: JSON here, or Avro in Confluent's wire format (`avro-codec.ts`) when a schema registry is set.
import type { RecordedEvent } from '#events/envelope.ts';
import { UndecodableMessage } from './undecodable.ts';

export type EventCodec = {
  encode: (event: RecordedEvent) => Promise<Buffer>;
  /**
   * The data of a message of this type. Both codecs tell JSON and Avro apart by the first byte, so that a registry can be
   * set on a topic that has messages already.
   * @throws UndecodableMessage for bytes that are neither; BrokerFailure if the registry does not answer
   */
  decode: (type: string, value: Buffer) => Promise<Record<string, unknown>>;
};

/** First byte of Confluent's wire format; JSON cannot begin with it. */
export const avroMagicByte = 0;

export function jsonCodec(): EventCodec {
  return {
    encode: async (event) => Buffer.from(JSON.stringify(event.data)),
    decode: async (_, value) => {
      if (value[0] === avroMagicByte)
        throw new UndecodableMessage(
          'no_schema_registry',
          'it is Avro, and SCHEMA_REGISTRY_URL is not set',
        );
      return parseObject(value);
    },
  };
}

export function parseObject(value: Buffer): Record<string, unknown> {
  try {
    return asObject(JSON.parse(strictText.decode(value)));
  } catch (error) {
    throw undecodable(error);
  }
}

const strictText = new TextDecoder('utf-8', { fatal: true });

export function asObject(data: unknown): Record<string, unknown> {
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw new UndecodableMessage('bad_value', 'its value is no object');
  return data as Record<string, unknown>;
}

export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export const undecodable = (error: unknown): UndecodableMessage =>
  error instanceof UndecodableMessage
    ? error
    : new UndecodableMessage('bad_value', `its value cannot be read: ${messageOf(error)}`, error);
