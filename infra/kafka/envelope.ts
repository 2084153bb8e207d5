// A recorded event as a Kafka message and back: the whole envelope in CloudEvents headers, the data as the value.
import type { Actor, RecordedEvent } from '#events/envelope.ts';
import { isStorableText, parseStream } from '#events/names.ts';
import type { EventCodec } from './codec.ts';
import type { OutgoingMessage, ReceivedMessage } from './port.ts';
import { messageBytesMax } from './topics.ts';
import { UndecodableMessage } from './undecodable.ts';

/** What `ce_source` says: the events of this registry, whichever process sent them. */
const source = 'modelog';
const cloudEventsVersion = '1.0';
/** The largest of PostgreSQL's integers, which a stream's versions are. */
const streamVersionMax = 2 ** 31 - 1;
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const actorTypes: ReadonlySet<unknown> = new Set<Actor['type']>([
  'user',
  'service',
  'policy',
  'system',
]);

/**
 * The message that tells of an event; its key is the stream.
 * @throws the codec's error, if the data cannot be written (with Avro: a schema that is not registered)
 */
export async function toMessage(event: RecordedEvent, codec: EventCodec): Promise<OutgoingMessage> {
  const headers: Record<string, string> = {
    ce_id: event.id,
    ce_type: event.type,
    ce_source: source,
    ce_time: event.occurred_at,
    ce_subject: event.stream,
    ce_specversion: cloudEventsVersion,
    ce_position: String(event.position),
    ce_streamversion: String(event.stream_version),
    ce_recordedat: event.recorded_at,
    ce_tenant: event.tenant,
    ce_actor: JSON.stringify(event.actor),
    ce_schemaversion: String(event.schema_version),
    ce_commandid: event.command_id,
  };
  if (event.reason !== null) headers.ce_reason = event.reason;
  if (event.correlation_id !== null) headers.ce_correlationid = event.correlation_id;
  if (event.causation_id !== null) headers.ce_causationid = event.causation_id;
  if (event.traceparent !== null) headers.traceparent = event.traceparent;
  return { key: event.stream, value: await codec.encode(event), headers };
}

/**
 * The event that a message tells of, equal to the one in the log, in the shape of its own schema version.
 * @throws UndecodableMessage for what is not such a message
 */
export async function fromMessage(
  message: ReceivedMessage,
  codec: EventCodec,
): Promise<RecordedEvent> {
  const { headers, key, value } = message;
  if (message.fault !== undefined) throw new UndecodableMessage('unpackable', message.fault);
  if (headers.ce_source === undefined || headers.ce_source.toString() !== source)
    throw new UndecodableMessage('not_ours', `its ce_source is not "${source}"`);
  if (value === null || value.length === 0)
    throw new UndecodableMessage('empty', 'it has no value');
  if (value.length > messageBytesMax)
    throw new UndecodableMessage('oversized', `its value has ${value.length} bytes`);
  const type = text(headers, 'ce_type');
  const stream = text(headers, 'ce_subject');
  if (key === null || key.toString() !== stream)
    throw new UndecodableMessage('bad_header', 'its key is not its ce_subject');
  if (parseStream(stream) === null)
    throw new UndecodableMessage('bad_header', 'its ce_subject is no stream');
  const envelope = {
    position: count(headers, 'ce_position'),
    id: text(headers, 'ce_id'),
    type,
    schema_version: count(headers, 'ce_schemaversion'),
    tenant: text(headers, 'ce_tenant'),
    stream,
    stream_version: count(headers, 'ce_streamversion', streamVersionMax),
    actor: actor(headers),
    occurred_at: time(headers, 'ce_time'),
    recorded_at: time(headers, 'ce_recordedat'),
    reason: optionalText(headers, 'ce_reason'),
    command_id: text(headers, 'ce_commandid'),
    correlation_id: optionalText(headers, 'ce_correlationid'),
    causation_id: optionalText(headers, 'ce_causationid'),
    traceparent: optionalText(headers, 'traceparent'),
  };
  return { ...envelope, data: await codec.decode(type, value) };
}

type Headers = ReceivedMessage['headers'];

/** What PostgreSQL cannot hold was never in the log. */
function optionalText(headers: Headers, name: string): string | null {
  const given = headers[name]?.toString() ?? null;
  if (given !== null && !isStorableText(given))
    throw new UndecodableMessage('bad_header', `its header ${name} is no valid text`);
  return given;
}

function text(headers: Headers, name: string): string {
  const given = optionalText(headers, name);
  if (given === null || given === '')
    throw new UndecodableMessage('bad_header', `its header ${name} is missing`);
  return given;
}

function count(headers: Headers, name: string, max = Number.MAX_SAFE_INTEGER): number {
  const number = Number(text(headers, name));
  if (!Number.isInteger(number) || number < 1 || number > max)
    throw new UndecodableMessage(
      'bad_header',
      `its header ${name} is not a whole number from 1 to ${max}`,
    );
  return number;
}

function time(headers: Headers, name: string): string {
  const given = text(headers, name);
  if (!timePattern.test(given) || Number.isNaN(Date.parse(given)))
    throw new UndecodableMessage('bad_header', `its header ${name} is not a UTC time in ms`);
  return given;
}

function actor(headers: Headers): Actor {
  const given = text(headers, 'ce_actor');
  let parsed: unknown;
  try {
    parsed = JSON.parse(given);
  } catch (error) {
    throw new UndecodableMessage('bad_header', 'its header ce_actor is not JSON', error);
  }
  const { subject, type } = (parsed ?? {}) as Partial<Actor>;
  if (typeof subject !== 'string' || !actorTypes.has(type))
    throw new UndecodableMessage('bad_header', 'its header ce_actor names no actor');
  return parsed as Actor;
}
