// The derived Avro schemas, pinned by example: what is registered may only change where the catalogue does.
import { expect, test } from 'vitest';
import { avroFormOf, subjectOf } from '#infra/kafka/avro-schemas.ts';
import type { AvroRecord } from '#infra/kafka/avro-schemas.ts';

const field = (schema: AvroRecord, name: string) =>
  schema.fields.find((one) => one.name === name)?.type[1];

test('an event type has its own subject per topic and record name', () => {
  expect(subjectOf('model-lifecycle', 'deployment.traffic_shifted')).toBe(
    'model-lifecycle-modelog.DeploymentTrafficShifted',
  );
});

test('every field may be null and has a default', () => {
  const { type: schema } = avroFormOf('model.archived');
  expect(schema).toMatchObject({ type: 'record', name: 'ModelArchived', namespace: 'modelog' });
  for (const one of schema.fields) {
    expect(one.type[0]).toBe('null');
    expect(one.default).toBeNull();
  }
  expect(schema.fields.length).toBeGreaterThan(8);
});

test('numbers, text, lists, maps and records keep their kind; free JSON is a string', () => {
  const { type: versioned } = avroFormOf('model.versioned');
  expect(field(versioned, 'number')).toBe('long');
  expect(field(versioned, 'eval_score')).toBe('double');
  expect(field(versioned, 'slo_ok')).toBe('boolean');
  expect(field(versioned, 'label')).toBe('string');
  expect(field(versioned, 'stage')).toBe('string');
  expect(field(versioned, 'tags')).toEqual({ type: 'map', values: 'string' });
  expect(field(versioned, 'metadata')).toBe('string');
  expect(field(versioned, 'metrics')).toEqual({
    type: 'array',
    items: {
      type: 'record',
      name: 'ModelVersionedMetrics',
      fields: [
        { name: 'name', type: ['null', 'string'], default: null },
        { name: 'split', type: ['null', 'string'], default: null },
        { name: 'value', type: ['null', 'double'], default: null },
      ],
    },
  });
});
