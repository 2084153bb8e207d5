// Makes recorded events of every type with random data that fit the catalogue's shapes, for properties of codecs.
import {
  array,
  boolean,
  constant,
  dictionary,
  double,
  jsonValue,
  integer,
  oneof,
  option,
  record,
  string,
  uuid,
} from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { z } from 'zod';
import { catalogue } from '#events/catalogue.ts';
import type { EventType } from '#events/catalogue.ts';
import type { RecordedEvent } from '#events/envelope.ts';

type Shape = z.core.JSONSchema.BaseSchema;

const text = string({ unit: 'grapheme', maxLength: 20 });

function fitting(shape: Shape): Arbitrary<unknown> {
  const { type, anyOf, items, properties, additionalProperties, enum: values } = shape;
  if (Array.isArray(type)) return option(fitting({ ...shape, type: type[0]! }));
  if (anyOf?.length === 2 && (anyOf[1] as Shape).type === 'null')
    return option(fitting(anyOf[0] as Shape));
  if (values !== undefined) return oneof(...values.map((value) => constant(value)));
  if (type === 'string') return text;
  if (type === 'integer') return integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  if (type === 'number')
    return double({ noNaN: true, noDefaultInfinity: true }).map(withoutMinusZero);
  if (type === 'boolean') return boolean();
  if (type === 'array') return array(fitting((items ?? {}) as Shape), { maxLength: 3 });
  if (properties !== undefined)
    return record(
      Object.fromEntries(
        Object.entries(properties).map(([name, one]) => [name, fitting(one as Shape)]),
      ),
    );
  if (type === 'object')
    return dictionary(text, fitting((additionalProperties ?? {}) as Shape), { maxKeys: 3 }).map(
      plain,
    );
  return jsonValue({ maxDepth: 2 }).map(plain);
}

/** JSON has neither -0 nor objects without a prototype. */
const withoutMinusZero = (value: number): number => (value === 0 ? 0 : value);
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

/** Data of this type, as they could be in the log. */
export const randomData = (type: EventType): Arbitrary<unknown> =>
  fitting(z.toJSONSchema(catalogue[type].data, { unrepresentable: 'any' }));

const integerFromOne = (): Arbitrary<number> => integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const time = constant('2026-11-21T04:05:06.789Z');

/** A recorded event of this type with everything around it. */
export const randomEvent = (type: EventType): Arbitrary<RecordedEvent> =>
  record({
    position: integerFromOne(),
    id: uuid(),
    type: constant(type),
    schema_version: constant<number>(catalogue[type].schema_version),
    tenant: constant('default'),
    stream: uuid().map((id) => `model:default:${id}`),
    stream_version: integer({ min: 1, max: 2 ** 31 - 1 }),
    actor: record({
      subject: text,
      type: constant('user' as const),
      auth_method: constant('api_key' as const),
      key_id: option(uuid()),
      declared_by: option(text),
    }),
    occurred_at: time,
    recorded_at: time,
    reason: option(text),
    command_id: uuid(),
    correlation_id: option(text),
    causation_id: option(uuid()),
    traceparent: option(constant('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')),
    data: randomData(type),
  });
