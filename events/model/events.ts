// Every event of a model's stream. This is a storage format: add, never edit (a changed shape is a new schema version).
import type { z } from 'zod';
import type { DomainEvent, RecordedEvent } from '../envelope.ts';
import { bindingEvents } from './binding-events.ts';
import { deploymentEvents } from './deployment-events.ts';
import { promotionEvents } from './promotion-events.ts';
import { releaseEvents } from './release-events.ts';

/** Every event type of a model's stream, with its current schema version and the shape of its data. */
export const modelEvents = {
  ...releaseEvents,
  ...deploymentEvents,
  ...bindingEvents,
  ...promotionEvents,
} as const;

export type ModelEventType = keyof typeof modelEvents;
export type ModelEventData<T extends ModelEventType> = z.infer<(typeof modelEvents)[T]['data']>;

/** An event of a model's stream, discriminated by `type`. */
export type ModelEvent = {
  [T in ModelEventType]: DomainEvent<T, ModelEventData<T>>;
}[ModelEventType];
/** The same with one type picked. */
export type ModelEventOf<T extends ModelEventType> = Extract<ModelEvent, { type: T }>;
export type RecordedModelEvent = RecordedEvent<ModelEvent>;

/** The events of one kind of row, by how their types begin; what handles them is total over these. */
export type ModelEventsNamed<Prefix extends string> = Extract<
  ModelEventType,
  `${Prefix}.${string}`
>;

/** A table with a handler for every event type; a new type does not compile until each table says what it means. */
export type ModelEventHandlers<Row, Result> = {
  [T in ModelEventType]: (row: Row, event: RecordedEvent<ModelEventOf<T>>) => Result;
};
