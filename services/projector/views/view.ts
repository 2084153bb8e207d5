// What a view is: tables, what each event type changes in them, and how rows are read and written in batches.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { AnyEvent, EventType } from '#events/catalogue.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { modelEvents } from '#events/model/events.ts';
import type { ModelEventType, RecordedModelEvent } from '#events/model/events.ts';

/** An event of a known type, in its current shape. */
export type KnownEvent = RecordedEvent<AnyEvent>;

/** One row that an event changes. `next` is pure: it throws `AssertionFailed` where the history is broken. */
export type Change<Row> = {
  key: string;
  /** The event makes the row, so there is none to be loaded. */
  isNew: boolean;
  next: (row: Row | undefined) => Row;
};

/** What every event type changes; a new type does not compile until each view says what it means there. */
type EventHandlers<Row> = {
  [T in EventType]: (
    event: RecordedEvent<Extract<AnyEvent, { type: T }>>,
  ) => readonly Change<Row>[];
};

/** What the values of a column are, by its type. */
type ColumnValues = {
  bigint: number;
  boolean: boolean;
  integer: number;
  jsonb: object;
  smallint: number;
  text: string;
  'text[]': readonly string[];
  timestamptz: string;
  uuid: string;
};

/** A column: its type, and its value in a row. */
export type Column<Row = unknown> = {
  [Type in keyof ColumnValues]: readonly [
    type: Type,
    valueIn: (row: Row) => ColumnValues[Type] | null,
  ];
}[keyof ColumnValues];

export type View<Row = unknown> = {
  name: string;
  /** Raised when the tables or what the handlers make of an event change: the view is then built anew. */
  version: number;
  handlers: EventHandlers<Row>;
  /**
   * SQL; `_gN` stands for the generation. Selects `key` and `state` (the row as JSON text) of the rows with the keys `$1`.
   * null: rows are never read back.
   */
  load: string | null;
  /** The table's, but for `state`, which is the row as JSON. */
  columns: Readonly<Record<string, Column<Row>>>;
  /** The columns that tell a row from all others; null: rows are added, and none is ever changed. */
  key: readonly string[] | null;
  /** SQL; names a row of the table for a person. A table without `model_id` is only compared where all streams stand alike. */
  rowName: string;
  hasModelId: boolean;
  /** Rows kept in memory between batches, by their size as JSON, so that most batches load nothing; 0: none is kept. */
  keptCharactersMax: number;
};

/** A view among others, whose rows nobody else looks into. */
export const defineView = <Row>(view: View<Row>): View => view as unknown as View;

const untouched = (): readonly [] => [];

/** For a view of models, to which the events of a tenant and its policies mean nothing. */
export const tenantEventsUntouched = {
  'policy.set': untouched,
  'tenant.created': untouched,
  'api_key.issued': untouched,
  'api_key.revoked': untouched,
  'role.granted': untouched,
  'role.revoked': untouched,
} as const;

/** The same handler for every event of a model, for rows whose own fold knows every type. */
export function forEveryModelEvent<Row>(
  handler: (event: RecordedModelEvent) => readonly Change<Row>[],
): { [T in ModelEventType]: (event: RecordedModelEvent) => readonly Change<Row>[] } {
  const types = Object.keys(modelEvents) as ModelEventType[];
  return Object.fromEntries(types.map((type) => [type, handler])) as {
    [T in ModelEventType]: typeof handler;
  };
}

/** What an event changes in a view. */
export const changesOf = (view: View, event: KnownEvent): readonly Change<unknown>[] =>
  view.handlers[event.type](event as never);

/** SQL for one generation: `models_gN` becomes `models_g3`. */
export const forGeneration = (sql: string, generation: number): string =>
  sql.replaceAll(/_gN\b/g, `_g${generation}`);

/** The statements that make a view's tables, or those of `stream_versions`. */
export function tablesOf(name: string, generation: number): string {
  const file = path.join(import.meta.dirname, `${name}.sql`);
  return forGeneration(readFileSync(file, 'utf8'), generation);
}
