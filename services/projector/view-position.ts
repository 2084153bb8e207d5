// How far the serving views are, as anybody can tell from the database, whether the projector reads the log or Kafka.
import { lifecyclePartitions } from '#infra/kafka/topics.ts';
import { findOffsets, findServing, logPartition } from './generations.ts';
import type { Offset, Serving } from './generations.ts';
import type { Transaction } from './writer.ts';

/** What the relay has published: its checkpoint, and the last that it sent to each partition. */
type Relayed = {
  position: number;
  partitions: Record<string, { position: number; offset: number }>;
};

/** Every event up to the answer is in the views (or its stream is parked); more may be. */
export async function findViewPosition(options: {
  views: Transaction;
  log: Transaction;
  topic: string;
  onServing: (serving: Serving) => void;
}): Promise<number> {
  const serving = await findServing(options.views);
  options.onServing(serving);
  const offsets = await findOffsets(options.views, serving.generation);
  const byLog = offsets.find(({ partition }) => partition === logPartition)!.position;
  const relayed = await findRelayed(options.log, options.topic);
  return relayed === null ? byLog : Math.max(byLog, positionByKafka(offsets, relayed));
}

async function findRelayed(log: Transaction, topic: string): Promise<Relayed | null> {
  const { rows } = await log.query<{ position: string; partitions: Relayed['partitions'] }>({
    name: 'find_relayed',
    text: 'select position, partitions from log.relay_state where topic = $1',
    values: [topic],
  });
  const row = rows[0];
  return row === undefined ? null : { position: Number(row.position), partitions: row.partitions };
}

/**
 * The least over the partitions: the relay's checkpoint where all that was sent is applied, else the last applied.
 * Offset and position must both be reached: a topic that was made anew begins again at offset 0.
 */
export function positionByKafka(offsets: readonly Offset[], relayed: Relayed): number {
  let least = relayed.position;
  for (let partition = 0; partition < lifecyclePartitions; partition++) {
    const sent = relayed.partitions[partition];
    const applied = offsets.find((offset) => offset.partition === partition);
    if (sent === undefined) continue;
    const isApplied =
      applied !== undefined &&
      applied.position >= sent.position &&
      (applied.nextOffset ?? 0) > sent.offset;
    if (!isApplied) least = Math.min(least, applied?.position ?? 0);
  }
  return least;
}
