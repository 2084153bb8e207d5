// Reads the CloudEvents that training pipelines send: binary mode, or structured as application/cloudevents+json.
import { isOrdinaryTime } from '#events/days.ts';
import { defaultTenant, isStorableText, tenantSchema } from '#events/names.ts';
import type { EventCodec } from './codec.ts';
import { jsonCodec } from './codec.ts';
import type { ReceivedMessage } from './port.ts';
import { UndecodableMessage } from './undecodable.ts';

const trainingCompletedType = 'training.completed';

/** What a pipeline told, its data not yet checked; unique by tenant, source and id. */
export type TrainingCompleted = {
  id: string;
  source: string;
  type: typeof trainingCompletedType;
  /** RFC 3339 UTC with milliseconds; null if the producer gave none. */
  time: string | null;
  tenant: string;
  data: Record<string, unknown>;
};

const structuredMediaType = 'application/cloudevents+json';
/** As an event's data may have: the version that comes of it holds no more. */
const dataBytesMax = 512 * 1024;
/** An id and a source are keys of a table; nobody's are longer. */
const attributeCharactersMax = 1024;

/**
 * A message on `training-completed` as the event it is.
 * @throws UndecodableMessage; BrokerFailure if it is Avro and the registry does not answer
 */
export async function readTrainingCompleted(
  { headers, value, fault }: ReceivedMessage,
  codec: EventCodec,
): Promise<TrainingCompleted> {
  if (fault !== undefined) throw new UndecodableMessage('unpackable', fault);
  const structured = headers['content-type']
    ?.toString()
    .trim()
    .toLowerCase()
    .startsWith(structuredMediaType);
  if (!structured && headers.ce_type === undefined)
    throw new UndecodableMessage('not_ours', 'it is no CloudEvent');
  if (value === null || value.length === 0)
    throw new UndecodableMessage('empty', 'it has no value');
  if (value.length > dataBytesMax)
    throw new UndecodableMessage('oversized', `its value has ${value.length} bytes`);
  if (structured)
    return trainingCompletedOf(await jsonCodec().decode(trainingCompletedType, value));
  const attribute = (name: string) => headers[`ce_${name}`]?.toString();
  const names = ['specversion', 'id', 'source', 'type', 'time', 'tenant'];
  const attributes = Object.fromEntries(names.map((name) => [name, attribute(name)]));
  // Before the value is decoded: a foreign type needs no schema of ours.
  trainingCompletedOf({ ...attributes, data: {} });
  return trainingCompletedOf({
    ...attributes,
    data: await codec.decode(trainingCompletedType, value),
  });
}

/**
 * A structured CloudEvent, parsed from JSON, as the event it is.
 * @throws UndecodableMessage
 */
export function trainingCompletedOf(event: Record<string, unknown>): TrainingCompleted {
  const { specversion, type, time, tenant, data } = event;
  if (specversion !== '1.0')
    throw new UndecodableMessage('bad_header', 'its CloudEvents specversion is not 1.0');
  if (type !== trainingCompletedType)
    throw new UndecodableMessage('not_ours', `its type is not ${trainingCompletedType}`);
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw new UndecodableMessage('bad_value', 'its data is no object');
  return {
    id: attributeOf(event, 'id'),
    source: attributeOf(event, 'source'),
    type,
    time: timeOf(time),
    tenant: tenantOf(tenant),
    data: data as Record<string, unknown>,
  };
}

function attributeOf(event: Record<string, unknown>, name: string): string {
  const given = event[name];
  if (typeof given !== 'string' || given === '')
    throw new UndecodableMessage('bad_header', `its ${name} is missing`);
  if (given.length > attributeCharactersMax || !isStorableText(given))
    throw new UndecodableMessage('bad_header', `its ${name} is too long or no valid text`);
  return given;
}

/** The event that comes of it is published with this time, and read back: of a year beyond these it would be no event. */
function timeOf(time: unknown): string | null {
  if (time === undefined || time === null) return null;
  const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
  const isTime = typeof time === 'string' && rfc3339.test(time) && isDay(time.slice(0, 10));
  const date = new Date(isTime ? time : Number.NaN);
  if (!isOrdinaryTime(date.getTime()))
    throw new UndecodableMessage('bad_header', 'its time is no RFC 3339 time from 1970 to 9999');
  return date.toISOString();
}

/** A day that there is not, such as 30 February, becomes another one in a date. */
function isDay(day: string): boolean {
  const midnight = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}

function tenantOf(tenant: unknown): string {
  if (tenant === undefined || tenant === null) return defaultTenant;
  const slug = tenantSchema.safeParse(tenant);
  if (!slug.success) throw new UndecodableMessage('bad_header', 'its tenant is no slug');
  return slug.data;
}
