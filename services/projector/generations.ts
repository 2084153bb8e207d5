// Which tables serve, how far they are, and who may write them: the checkpoints whose compare-and-set guards every batch.
import { lifecyclePartitions } from '#infra/kafka/topics.ts';
import type { Target } from './apply.ts';
import { tablesOf } from './views/view.ts';
import type { View } from './views/view.ts';
import type { Transaction, Writer } from './writer.ts';

/** The checkpoint of the log read directly; Kafka's partitions count from 0. */
export const logPartition = -1;
const partitions = Array.from(
  { length: lifecyclePartitions + 1 },
  (_, index) => index + logPartition,
);

/** Queries name that many parked streams as stale; an operator has been told long before there are more. */
const parkedShownMax = 10_000;

/** The generation that is written, and where each view's tables are. */
export type Serving = {
  generation: number;
  views: ReadonlyMap<string, { generation: number; viewVersion: number }>;
};

/** The right to write a partition of a generation, until somebody else claims it. */
export type Claim = {
  generation: number;
  partition: number;
  epoch: string;
  /** Of the last event applied. */
  position: number;
  /** Kafka's offset of the next message, or null before the first. */
  nextOffset: number | null;
  /** What tells the message before it from any other; null where there is none. */
  mark: string | null;
};

/** How far a batch brings a partition. */
export type Checkpoint = Pick<Claim, 'position' | 'nextOffset' | 'mark'>;

/** Somebody else has claimed the partition: nothing of the batch was written. */
export class ClaimLost extends Error {
  override name = 'ClaimLost';
  readonly retryable = true;
}

/** Makes the first generation where there is none. Any number of processes may do so at once. */
export async function prepareViews(writer: Writer, views: readonly View[]): Promise<void> {
  await writer.transaction(async (transaction) => {
    await transaction.query('lock table views.generations in share row exclusive mode');
    const { rowCount } = await transaction.query('select from views.generations where serves');
    if (rowCount !== 0) return;
    const generation = await createGeneration(transaction, views);
    await transaction.query('update views.generations set serves = true where generation = $1', [
      generation,
    ]);
    await serveFrom(transaction, generation, views);
  });
}

/** Makes the tables and checkpoints of a new generation with these views. */
export async function createGeneration(
  transaction: Transaction,
  views: readonly View[],
): Promise<number> {
  const { rows } = await transaction.query<{ generation: number }>(
    'insert into views.generations default values returning generation',
  );
  const { generation } = rows[0]!;
  for (const name of ['stream_versions', ...views.map((view) => view.name)])
    await transaction.query(tablesOf(name, generation));
  await transaction.query(
    'insert into views.offsets (generation, partition) select $1, unnest($2::smallint[])',
    [generation, partitions],
  );
  return generation;
}

/** From the commit on, these views are read from and written to the generation's tables. */
export async function serveFrom(
  transaction: Transaction,
  generation: number,
  views: readonly View[],
): Promise<void> {
  for (const { name, version } of views)
    await transaction.query(
      `insert into views.served (view, generation, view_version) values ($1, $2, $3)
       on conflict (view) do update set generation = excluded.generation, view_version = excluded.view_version`,
      [name, generation, version],
    );
}

export async function findServing(transaction: Transaction): Promise<Serving> {
  const { rows } = await transaction.query<{
    serving: number;
    view: string;
    generation: number;
    view_version: number;
  }>({
    name: 'find_serving',
    text: `select g.generation as serving, s.view, s.generation, s.view_version
           from views.generations g, views.served s where g.serves`,
  });
  const views = new Map(
    rows.map(({ view, generation, view_version }) => [
      view,
      { generation, viewVersion: view_version },
    ]),
  );
  return { generation: rows[0]!.serving, views };
}

/** Streams of the serving generation that are parked, up to a bound. */
export async function findParked(
  transaction: Transaction,
  generation: number,
): Promise<Set<string>> {
  const { rows } = await transaction.query<{ stream: string }>({
    name: 'find_parked',
    text: 'select stream from views.parked_streams where generation = $1 limit $2',
    values: [generation, parkedShownMax],
  });
  return new Set(rows.map(({ stream }) => stream));
}

/**
 * Takes a partition over: from now on only this claim can write it. The log's partition holds every stream, so claiming it
 * takes Kafka's too, and claiming one of Kafka's takes the log's.
 */
export async function claim(
  transaction: Transaction,
  generation: number,
  partition: number,
  owner: string,
): Promise<Claim> {
  const claimed = partition === logPartition ? partitions : [logPartition, partition];
  const rows = await raiseEpochs(transaction, generation, claimed, owner);
  const row = rows.find((row) => row.partition === partition)!;
  return {
    generation,
    partition,
    epoch: row.epoch,
    position: Number(row.position),
    nextOffset: row.next_offset === null ? null : Number(row.next_offset),
    mark: row.mark,
  };
}

/** Makes every claim on the generation void: their holders look again at what is stored, and go on. */
export async function voidClaims(transaction: Transaction, generation: number): Promise<void> {
  await raiseEpochs(transaction, generation, partitions, null);
}

type OffsetRow = {
  partition: number;
  epoch: string;
  owner: string | null;
  position: string;
  next_offset: string | null;
  mark: string | null;
};

/** Locks in the order of the partitions, so that two that claim at once cannot wait for each other. */
async function raiseEpochs(
  transaction: Transaction,
  generation: number,
  claimed: readonly number[],
  owner: string | null,
): Promise<OffsetRow[]> {
  const { rows } = await transaction.query<OffsetRow>(
    `with locked as materialized (
       select partition from views.offsets where generation = $1 and partition = any($2::smallint[])
       order by partition for update)
     update views.offsets o set epoch = o.epoch + 1, owner = coalesce($3, o.owner)
     from locked l where o.generation = $1 and o.partition = l.partition
     returning o.partition, o.epoch, o.owner, o.position, o.next_offset, o.mark`,
    [generation, claimed, owner],
  );
  return rows;
}

/**
 * Writes the checkpoints of a batch, of one generation, in the transaction of the batch: all of them, or none.
 * @throws ClaimLost where somebody else has claimed one of the partitions since
 */
export async function advance(
  transaction: Transaction,
  moves: readonly { held: Claim; to: Checkpoint }[],
): Promise<void> {
  // Locked in the order of the partitions, as a claim locks them.
  const { rowCount } = await transaction.query({
    name: 'advance',
    text: `with moved as materialized (
             select o.partition, n.position, n.next_offset, n.mark
             from views.offsets o,
               unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
                 n (partition, epoch, position, next_offset, mark)
             where o.generation = $1 and o.partition = n.partition and o.epoch = n.epoch
             order by o.partition for update of o)
           update views.offsets o set position = m.position, next_offset = m.next_offset, mark = m.mark
           from moved m where o.generation = $1 and o.partition = m.partition`,
    values: [
      moves[0]?.held.generation,
      moves.map(({ held }) => held.partition),
      moves.map(({ held }) => held.epoch),
      moves.map(({ to }) => to.position),
      moves.map(({ to }) => to.nextOffset),
      moves.map(({ to }) => to.mark),
    ],
  });
  if (rowCount !== moves.length)
    throw new ClaimLost(
      `one of the partitions ${moves.map(({ held }) => held.partition).join()} was claimed by another`,
    );
}

export type Offset = {
  partition: number;
  owner: string | null;
  position: number;
  nextOffset: number | null;
};

/** How far each partition of a generation is. */
export async function findOffsets(transaction: Transaction, generation: number): Promise<Offset[]> {
  const { rows } = await transaction.query<OffsetRow>({
    name: 'find_offsets',
    text: 'select partition, owner, position, next_offset from views.offsets where generation = $1',
    values: [generation],
  });
  return rows.map(({ partition, owner, position, next_offset }) => ({
    partition,
    owner,
    position: Number(position),
    nextOffset: next_offset === null ? null : Number(next_offset),
  }));
}

/** A view that this code knows in another version than the tables have: they must be built anew. */
class ViewOutdated extends Error {
  override name = 'ViewOutdated';
  readonly retryable = false;
}

/** The tables that serve, for an applier. @throws ViewOutdated */
export function targetOf(serving: Serving, views: readonly View[]): Target {
  return {
    generation: serving.generation,
    views: views.map((view) => {
      const served = serving.views.get(view.name);
      if (served?.viewVersion !== view.version)
        throw new ViewOutdated(
          `the view ${view.name} has version ${served?.viewVersion ?? 0} where this code has ${view.version}: ` +
            `run "npm run projector -- rebuild ${view.name}" with the newer one`,
        );
      return { view, generation: served.generation };
    }),
  };
}

/** Makes the generation serve whose views are all there are, and lets its checkpoints go on where the old ones stand. */
export async function takeOver(transaction: Transaction, from: number, to: number): Promise<void> {
  await transaction.query('update views.generations set serves = false where generation = $1', [
    from,
  ]);
  await transaction.query('update views.generations set serves = true where generation = $1', [to]);
  await transaction.query(
    `update views.offsets n set epoch = o.epoch + 1, owner = o.owner, position = o.position,
       next_offset = o.next_offset, mark = o.mark
     from views.offsets o where o.generation = $1 and n.generation = $2 and o.partition = n.partition`,
    [from, to],
  );
}

/** Notes that everything up to a position is applied, wherever it came from. */
export async function noteApplied(
  transaction: Transaction,
  generation: number,
  position: number,
): Promise<void> {
  await transaction.query(
    'update views.offsets set position = greatest(position, $2) where generation = $1 and partition = $3',
    [generation, position, logPartition],
  );
}

/** Drops what no view is read from or written to: old tables after a switch, and those of a rebuild that did not end. */
export async function dropUnused(transaction: Transaction): Promise<void> {
  const serving = await findServing(transaction);
  const used = new Set([`stream_versions_g${serving.generation}`]);
  for (const [view, { generation }] of serving.views) used.add(`${view}_g${generation}`);
  const { rows } = await transaction.query<{ table: string }>(
    `select tablename as table from pg_tables where schemaname = 'views' and tablename ~ '_g[0-9]+$'`,
  );
  for (const { table } of rows)
    if (!used.has(table)) await transaction.query(`drop table views.${table}`);
  for (const table of ['parked_events', 'parked_streams', 'offsets'])
    await transaction.query(`delete from views.${table} where generation <> $1`, [
      serving.generation,
    ]);
  await transaction.query(
    'delete from views.generations where not serves and generation not in (select generation from views.served)',
  );
}
