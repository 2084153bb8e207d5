// Avro schemas derived from the catalogue's shapes: pure, so that the same schema is registered and looked up.
import { z } from 'zod';
import { catalogue } from '#events/catalogue.ts';
import type { EventType } from '#events/catalogue.ts';

const namespace = 'modelog';

type AvroType =
  | 'string'
  | 'long'
  | 'double'
  | 'boolean'
  | { type: 'array'; items: AvroType }
  | { type: 'map'; values: AvroType }
  | AvroRecord;
export type AvroRecord = {
  type: 'record';
  name: string;
  namespace?: string;
  fields: { name: string; type: ['null', AvroType]; default: null }[];
};

/** How a JSON value is written as this type, and read back. */
type Form = {
  type: AvroType;
  toAvro: (value: unknown) => unknown;
  fromAvro: (value: unknown) => unknown;
};

export type AvroForm = Omit<Form, 'type'> & { type: AvroRecord };

/** The part of JSON Schema that zod makes of our shapes. */
type JsonSchema = {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
};

/** `model.versioned` → `ModelVersioned`, the record's name in its schema and its subject. */
const recordName = (type: string): string =>
  type.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The subject of an event type on a topic: per topic and record name (TopicRecordNameStrategy). */
export const subjectOf = (topic: string, type: EventType): string =>
  `${topic}-${namespace}.${recordName(type)}`;

/** Every field may be null and has a default, so that a field can come and go; free JSON is a string of JSON. */
export function avroFormOf(type: EventType): AvroForm {
  const schema = z.toJSONSchema(catalogue[type].data) as JsonSchema;
  const form = recordForm(schema, recordName(type));
  return { ...form, type: { ...form.type, namespace } };
}

function formOf(schema: JsonSchema, name: string): Form {
  const { anyOf, items, properties, additionalProperties } = schema;
  // A field may be null anyhow, so only the other half of a nullable shape counts.
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (anyOf?.length === 2 && anyOf[1]?.type === 'null') return formOf(anyOf[0]!, name);
  const plain = plainTypes.get(type);
  if (plain !== undefined) return { type: plain, toAvro: same, fromAvro: same };
  if (type === 'array') return arrayForm(formOf(items ?? {}, name));
  if (properties !== undefined) return recordForm(schema, name);
  const textValues =
    typeof additionalProperties === 'object' && additionalProperties.type === 'string';
  return textValues ? mapOfText : freeJson;
}

const same = (value: unknown): unknown => value;

const plainTypes: ReadonlyMap<string | undefined, AvroType> = new Map([
  ['string', 'string'],
  ['integer', 'long'],
  ['number', 'double'],
  ['boolean', 'boolean'],
]);

const freeJson: Form = {
  type: 'string',
  toAvro: (value) => JSON.stringify(value),
  fromAvro: (value) => JSON.parse(value as string) as unknown,
};

const mapOfText: Form = {
  type: { type: 'map', values: 'string' },
  toAvro: (value) => value,
  fromAvro: (value) => ({ ...(value as object) }),
};

const arrayForm = (item: Form): Form => ({
  type: { type: 'array', items: item.type },
  toAvro: (value) => (value as unknown[]).map(item.toAvro),
  fromAvro: (value) => (value as unknown[]).map(item.fromAvro),
});

function recordForm({ properties = {}, required = [] }: JsonSchema, name: string): AvroForm {
  const fields = Object.entries(properties).map(([field, schema]) => ({
    field,
    form: formOf(schema, `${name}${recordName(field)}`),
    optional: !required.includes(field),
  }));
  return {
    type: {
      type: 'record',
      name,
      fields: fields.map(({ field, form }) => ({
        name: field,
        type: ['null', form.type],
        default: null,
      })),
    },
    toAvro: (value) => {
      const given = value as Record<string, unknown>;
      const unknown = Object.keys(given).find((key) => !Object.hasOwn(properties, key));
      if (unknown !== undefined) throw new TypeError(`${name} has no field "${unknown}"`);
      const written: Record<string, unknown> = {};
      for (const { field, form } of fields) {
        const part = given[field] ?? null;
        written[field] = part === null ? null : form.toAvro(part);
      }
      return written;
    },
    fromAvro: (value) => {
      const given = value as Record<string, unknown>;
      const read: Record<string, unknown> = {};
      for (const { field, form, optional } of fields) {
        const part = given[field] ?? null;
        if (part !== null) read[field] = form.fromAvro(part);
        else if (!optional) read[field] = null;
      }
      return read;
    },
  };
}
