// Applies events to the views, effectively once: the stream version decides, one transaction a batch, one statement a table.
import { LRUCache } from 'lru-cache';
import type { QueryConfig } from 'pg';
import { AssertionFailed } from '#events/decider.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import type { Model } from '#events/model/model-row.ts';
import { UnreadableEvent, upcast } from '#events/upcasters.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import { columnArray } from '#infra/postgres/array-literal.ts';
import { isOfTheValues } from '#infra/postgres/connect.ts';
import { openTextBatch } from '#infra/postgres/text-batch.ts';
import { changesOf, forGeneration } from './views/view.ts';
import type { Change, KnownEvent, View } from './views/view.ts';
import { writeParameters, writeStatement } from './write-rows.ts';
import type { Transaction, Writer } from './writer.ts';

/** Streams whose version is remembered between batches. */
const streamsKeptMax = 50_000;
const reasonCharactersMax = 1_000;
/** What a row weighs in memory beside its text. */
const keptCharacters = 200;

/** The views that a generation writes, each with the generation of its tables. */
export type Target = {
  generation: number;
  views: readonly { view: View; generation: number }[];
};

/** A stream that has an event which cannot be applied. */
type Parked = { event: RecordedEvent; reason: string };

/** What became of a batch beside the views. */
export type Applied = {
  /** Streams that were parked in it, by the event that did it. */
  parked: readonly Parked[];
  /** Events of parked streams, put aside. */
  waiting: readonly RecordedEvent[];
  /** Events beyond a gap that the log does not fill: they are not its own. */
  unexplained: readonly RecordedEvent[];
};

/** The same with the rows that it wrote of the view of models. */
type AppliedRows = Applied & { models: readonly Model[] };

export type Applier = {
  /**
   * Applies a batch of events in order, with its checkpoint, in one transaction. The checkpoint is told of what is not applied, as
   * the log has no events before it.
   * @throws what `checkpoint` throws, and what is worth trying again; then nothing was written
   */
  apply: (
    events: readonly RecordedEvent[],
    checkpoint: (transaction: Transaction, unexplained: readonly RecordedEvent[]) => Promise<void>,
  ) => Promise<AppliedRows>;
  /** The same within a transaction of the caller, who has locked the checkpoints. Slower. */
  applyWithin: (transaction: Transaction, events: readonly RecordedEvent[]) => Promise<Applied>;
  /** Forgets all rows: what is in memory is only true while nobody else writes. */
  forget: () => void;
};

/** Where a stream stands in a generation. */
type Place = { version: number; parked: boolean };
const beginning: Place = { version: 0, parked: false };

/**
 * An event and what it changes in each view, as the views stand; or why it cannot be read. Of a stream that is `new` to the
 * tables they hold nothing.
 */
type Step = { event: RecordedEvent; isNew: boolean } & (
  | { changes: readonly (readonly Change<unknown>[])[]; fault?: undefined }
  | { changes?: undefined; fault: Error }
);

/** A row that a batch changes; `json` is empty until it has been written. */
type Changed = { row: unknown; json: string };

/** What a batch changes, not yet written; it sees what lies under it and changes none of it. */
type Batch = {
  /** A view's changed rows, as the views stand. */
  rows: readonly Map<string, Changed>[];
  places: Map<string, Place>;
  parked: Parked[];
  waiting: RecordedEvent[];
  unexplained: RecordedEvent[];
};

export function openApplier(options: {
  target: Target;
  writer: Writer;
  /** The log's, to fill gaps. */
  readStream: (stream: string, afterVersion: number, limit: number) => Promise<RecordedEvent[]>;
  failpoint: Failpoint;
  /**
   * The tables were empty, and stream after stream is applied: one that begins is not looked for, and what is only a stream's own
   * is not remembered.
   */
  isFilling?: boolean;
}): Applier {
  const { target, writer, readStream, failpoint, isFilling = false } = options;
  const views = target.views.map(({ view, generation }) => ({
    view,
    load: view.load === null ? null : forGeneration(view.load, generation),
    write: writeStatement(view, generation),
    statement: `${view.name}_g${generation}`,
    texts: openTextBatch(),
    // as JSON: what few of the next events will ask for is one text to the collector, not fifty objects
    kept: new LRUCache<string, string>({
      maxSize: Math.max(1, view.keptCharactersMax),
      sizeCalculation: (json) => json.length + keptCharacters,
    }),
  }));
  const streamVersions = `stream_versions_g${target.generation}`;
  const keptPlaces = new LRUCache<string, Place>({ max: streamsKeptMax });

  const newBatch = (): Batch => ({
    rows: views.map(() => new Map<string, Changed>()),
    places: new Map(),
    parked: [],
    waiting: [],
    unexplained: [],
  });

  /** Moves what `batch` changed into the one under it. */
  function merge(batch: Batch, under: Batch): void {
    batch.rows.forEach((rows, index) => {
      for (const [key, row] of rows) under.rows[index]!.set(key, row);
    });
    for (const [stream, place] of batch.places) under.places.set(stream, place);
    under.parked.push(...batch.parked);
    under.waiting.push(...batch.waiting);
    under.unexplained.push(...batch.unexplained);
  }

  /** Once it is committed. */
  function keep(batch: Batch): void {
    batch.rows.forEach((rows, index) => {
      const { view, kept } = views[index]!;
      if (view.keptCharactersMax === 0 || (isFilling && view.hasModelId)) return;
      for (const [key, { json }] of rows) kept.set(key, json);
    });
    if (isFilling) keptPlaces.clear();
    else for (const [stream, place] of batch.places) keptPlaces.set(stream, place);
  }

  async function fold(
    transaction: Transaction,
    events: readonly RecordedEvent[],
    under: Batch | null,
  ): Promise<Batch> {
    const batch = newBatch();
    const placeOf = (stream: string): Place =>
      batch.places.get(stream) ?? under?.places.get(stream) ?? keptPlaces.get(stream) ?? beginning;

    await loadPlaces(transaction, events, under);
    const steps: Step[] = [];
    /** Where each stream will be after the steps so far. */
    const versions = new Map<string, number>();
    for (const event of events) {
      const { stream, stream_version } = event;
      const begun = placeOf(stream).version;
      const version = versions.get(stream) ?? begun;
      const isNew = begun === 0;
      if (stream_version <= version) continue;
      if (stream_version > version + 1 && !placeOf(stream).parked) {
        const missing = await readStream(stream, version, stream_version - version - 1);
        if (missing.length < stream_version - version - 1) {
          batch.unexplained.push(event);
          continue;
        }
        steps.push(...missing.map((one) => stepOf(one, isNew)));
      }
      steps.push(stepOf(event, isNew));
      versions.set(stream, stream_version);
    }

    const loaded = await loadRows(transaction, steps, under);
    for (const step of steps) {
      const { event } = step;
      const place = placeOf(event.stream);
      if (place.parked) {
        batch.waiting.push(event);
        continue;
      }
      try {
        if (step.fault !== undefined) throw step.fault;
        evolve(step.changes, batch, under, loaded);
      } catch (error) {
        if (!(error instanceof AssertionFailed || error instanceof UnreadableEvent)) throw error;
        park(batch, event, place, error);
        continue;
      }
      batch.places.set(event.stream, { version: event.stream_version, parked: false });
    }
    return batch;
  }

  function stepOf(recorded: RecordedEvent, isNew: boolean): Step {
    try {
      const event = upcast(recorded) as KnownEvent;
      return { event: recorded, isNew, changes: views.map(({ view }) => changesOf(view, event)) };
    } catch (error) {
      return { event: recorded, isNew, fault: error as Error };
    }
  }

  /** All rows of an event, or none of them if one cannot be made. */
  function evolve(
    changes: readonly (readonly Change<unknown>[])[],
    batch: Batch,
    under: Batch | null,
    loaded: readonly Map<string, string>[],
  ): void {
    /** As it stands now; undefined where there is none yet. */
    function rowOf(index: number, key: string): unknown {
      const changed = batch.rows[index]!.get(key) ?? under?.rows[index]!.get(key);
      if (changed !== undefined) return changed.row;
      const json = views[index]!.kept.get(key) ?? loaded[index]!.get(key);
      return json === undefined ? undefined : JSON.parse(json);
    }

    const made = changes.map((changesOfView, index) =>
      changesOfView.map(({ key, next }) => ({
        row: next(rowOf(index, key)),
        json: '',
      })),
    );
    changes.forEach((changesOfView, index) => {
      changesOfView.forEach(({ key }, nth) => batch.rows[index]!.set(key, made[index]![nth]!));
    });
  }

  function park(batch: Batch, event: RecordedEvent, place: Place, error: Error): void {
    const reason = `${error.name}: ${error.message}`.slice(0, reasonCharactersMax);
    batch.parked.push({ event, reason });
    batch.waiting.push(event);
    batch.places.set(event.stream, { version: place.version, parked: true });
  }

  async function loadPlaces(
    transaction: Transaction,
    events: readonly RecordedEvent[],
    under: Batch | null,
  ): Promise<void> {
    const unknown = new Set<string>();
    const begun = new Set<string>();
    for (const { stream, stream_version } of events) {
      if (unknown.has(stream) || begun.has(stream)) continue;
      if (under?.places.has(stream) || keptPlaces.has(stream)) continue;
      // The first event of a stream may be a repetition, but only of what is in the tables: that has to be looked up too.
      if (isFilling && stream_version === 1) begun.add(stream);
      else unknown.add(stream);
    }
    if (unknown.size === 0) return;
    const { rows } = await transaction.query<Place & { stream: string }>({
      name: `load ${streamVersions}`,
      text: `select k.stream, s.version, s.parked from unnest($1::text[]) k(stream),
               lateral (select version, parked from views.${streamVersions} where stream = k.stream limit 1) s`,
      values: [[...unknown]],
    });
    for (const stream of unknown) keptPlaces.set(stream, beginning);
    for (const { stream, version, parked } of rows) keptPlaces.set(stream, { version, parked });
  }

  /** The rows that the steps change and that neither memory holds nor the steps make; a view's, as the views stand. */
  async function loadRows(
    transaction: Transaction,
    steps: readonly Step[],
    under: Batch | null,
  ): Promise<readonly Map<string, string>[]> {
    const loaded: Map<string, string>[] = [];
    for (const [index, { view, load, statement, kept }] of views.entries()) {
      const rows = new Map<string, string>();
      loaded.push(rows);
      if (load === null) continue;
      const made = new Set<string>();
      const wanted = new Set<string>();
      for (const step of steps) {
        if (step.isNew && view.hasModelId) continue;
        for (const { key, isNew } of step.changes?.[index] ?? [])
          if (isNew) made.add(key);
          else if (!made.has(key) && !under?.rows[index]!.has(key) && !kept.has(key))
            wanted.add(key);
      }
      if (wanted.size === 0) continue;
      const found = await transaction.query<{ key: string; state: string }>({
        name: `load ${statement}`,
        text: load,
        values: [[...wanted]],
      });
      for (const { key, state } of found.rows) rows.set(key, state);
    }
    return loaded;
  }

  /** All statements are on their way before the first is answered; where one fails, so do those after it. */
  async function write(transaction: Transaction, batch: Batch): Promise<void> {
    const statements = batch.rows.flatMap((rows, index) =>
      rows.size === 0 ? [] : [rowsStatement(index, rows)],
    );
    if (batch.places.size > 0) statements.push(placesStatement(batch.places));
    await Promise.all(statements.map(async (statement) => await transaction.query(statement)));
    if (batch.waiting.length > 0) await writeParked(transaction, batch);
  }

  function rowsStatement(index: number, changed: ReadonlyMap<string, Changed>): QueryConfig {
    const { view, write, statement, texts } = views[index]!;
    const rows: unknown[] = [];
    for (const one of changed.values()) {
      one.json = JSON.stringify(one.row);
      rows.push(one.row);
      texts.add(one.json);
    }
    return {
      name: `write ${statement}`,
      text: write,
      values: writeParameters(view, rows, texts.take()),
    };
  }

  function placesStatement(places: ReadonlyMap<string, Place>): QueryConfig {
    const standing = [...places.values()];
    return {
      name: `write ${streamVersions}`,
      text: `merge into views.${streamVersions} as s
             using (select unnest($1::text[]) as stream, unnest($2::integer[]) as version,
                      unnest($3::boolean[]) as parked) as r
             on s.stream = r.stream
             when matched then update set version = r.version, parked = r.parked
             when not matched then insert (stream, version, parked) values (r.stream, r.version, r.parked)`,
      values: [
        columnArray([...places.keys()]),
        columnArray(standing.map(({ version }) => version)),
        columnArray(standing.map(({ parked }) => parked)),
      ],
    };
  }

  async function writeParked(transaction: Transaction, { parked, waiting }: Batch): Promise<void> {
    for (const { event, reason } of parked)
      await transaction.query(
        `insert into views.parked_streams (generation, stream, version, event_type, reason) values ($1, $2, $3, $4, $5)`,
        [target.generation, event.stream, event.stream_version, event.type, reason],
      );
    for (const event of waiting)
      await transaction.query(
        `insert into views.parked_events (generation, stream, version, event) values ($1, $2, $3, $4)
         on conflict do nothing`,
        [target.generation, event.stream, event.stream_version, JSON.stringify(event)],
      );
  }

  /** Halves until one event stands alone that the database refuses: its stream is parked, the others are applied. */
  async function applyHalves(
    transaction: Transaction,
    events: readonly RecordedEvent[],
    under: Batch,
  ): Promise<void> {
    await transaction.query('savepoint half');
    try {
      const batch = await fold(transaction, events, under);
      await write(transaction, batch);
      await transaction.query('release savepoint half');
      return merge(batch, under);
    } catch (error) {
      if (!isOfTheValues(error)) throw error;
      await transaction.query('rollback to savepoint half');
      if (events.length === 1)
        return await parkAlone(transaction, events[0]!, error as Error, under);
    }
    const middle = events.length >> 1;
    await applyHalves(transaction, events.slice(0, middle), under);
    await applyHalves(transaction, events.slice(middle), under);
  }

  async function parkAlone(
    transaction: Transaction,
    event: RecordedEvent,
    error: Error,
    under: Batch,
  ): Promise<void> {
    const batch = newBatch();
    const place = under.places.get(event.stream) ?? keptPlaces.get(event.stream) ?? beginning;
    park(batch, event, place, error);
    await write(transaction, batch);
    merge(batch, under);
  }

  function modelsOf({ rows }: Batch): Model[] {
    const changed = rows[views.findIndex(({ view }) => view.name === 'models')];
    return changed === undefined ? [] : Array.from(changed.values(), ({ row }) => row as Model);
  }

  return {
    apply: async (events, checkpoint) => {
      let batch = newBatch();
      try {
        batch = await fold(writer, events, null);
        await writer.transaction(async (transaction) => {
          await checkpoint(transaction, batch.unexplained);
          await write(transaction, batch);
          await failpoint('projector:after-apply');
        });
      } catch (error) {
        if (!isOfTheValues(error)) throw error;
        const { unexplained } = batch;
        batch = newBatch();
        await writer.transaction(async (transaction) => {
          await checkpoint(transaction, unexplained);
          await applyHalves(transaction, events, batch);
        });
      }
      keep(batch);
      await failpoint('projector:after-commit');
      return { ...outcomeOf(batch), models: modelsOf(batch) };
    },
    applyWithin: async (transaction, events) => {
      const batch = newBatch();
      await applyHalves(transaction, events, batch);
      return outcomeOf(batch);
    },
    forget: () => {
      keptPlaces.clear();
      for (const { kept } of views) kept.clear();
    },
  };
}

/** Without the rows, which nobody else needs, and which would be copied to whoever is told in another thread. */
const outcomeOf = ({ parked, waiting, unexplained }: Batch): Applied => ({
  parked,
  waiting,
  unexplained,
});
