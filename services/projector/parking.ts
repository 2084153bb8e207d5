// Parked streams: which there are, and trying them again once the cause is gone.
import type { EventLog } from '#events/log.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import { openApplier } from './apply.ts';
import { findServing, targetOf, voidClaims } from './generations.ts';
import type { View } from './views/view.ts';
import type { Transaction, Writer } from './writer.ts';

/** Streams that one call lists or redrives; the rest is for the next. */
const streamsMax = 10_000;

export type ParkedStream = {
  stream: string;
  /** Of the event that cannot be applied. */
  version: number;
  event_type: string;
  reason: string;
  parked_at: Date;
  /** Events that wait, that one included. */
  waiting: number;
};

/** The parked streams of the serving views, those parked first at the beginning. */
export async function findParkedStreams(views: Transaction): Promise<ParkedStream[]> {
  const { rows } = await views.query<ParkedStream>(
    `select p.stream, p.version, p.event_type, p.reason, p.parked_at,
       (select count(*)::integer from views.parked_events e
        where e.generation = p.generation and e.stream = p.stream) as waiting
     from views.parked_streams p join views.generations g on g.generation = p.generation and g.serves
     order by p.parked_at, p.stream limit ${streamsMax}`,
  );
  return rows;
}

/** How many streams of the serving views are parked. */
export async function countParkedStreams(views: Transaction): Promise<number> {
  const { rows } = await views.query<{ streams: number }>({
    name: 'count_parked',
    text: `select count(*)::integer as streams
           from views.parked_streams p join views.generations g on g.generation = p.generation and g.serves`,
  });
  return rows[0]!.streams;
}

/** Of one stream: how many waiting events were applied, and what of them could not be, again. */
export type Redriven = { stream: string; events: number; stillParked: string | null };

/**
 * Applies the waiting events of a parked stream, or of all, in order; what fails again stays parked. Whoever projects
 * meanwhile goes on after each stream.
 */
export async function redrive(options: {
  writer: Writer;
  log: Pick<EventLog, 'readStream'>;
  views: readonly View[];
  stream: string | null;
}): Promise<Redriven[]> {
  const { writer, log, stream } = options;
  const parked = await findParkedStreams(writer);
  const target = targetOf(await findServing(writer), options.views);
  const { generation } = target;

  const redriveStream = (name: string): Promise<Redriven> =>
    writer.transaction(async (transaction) => {
      await voidClaims(transaction, generation);
      const { rows } = await transaction.query<{ event: RecordedEvent }>(
        'select event from views.parked_events where generation = $1 and stream = $2 order by version',
        [generation, name],
      );
      await transaction.query(
        'delete from views.parked_streams where generation = $1 and stream = $2',
        [generation, name],
      );
      await transaction.query(
        `update views.stream_versions_g${generation} set parked = false where stream = $1`,
        [name],
      );
      const applier = openApplier({
        target,
        writer,
        readStream: log.readStream,
        failpoint: () => undefined,
      });
      const applied = await applier.applyWithin(
        transaction,
        rows.map(({ event }) => event),
      );
      return {
        stream: name,
        events: rows.length - applied.waiting.length,
        stillParked: applied.parked[0]?.reason ?? null,
      };
    });

  const redriven: Redriven[] = [];
  for (const { stream: name } of parked)
    if (stream === null || stream === name) redriven.push(await redriveStream(name));
  return redriven;
}
