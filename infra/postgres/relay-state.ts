// The relay's lease, fence and checkpoint in `log.relay_state`: one row a topic, judged by the database's clock alone.
import type { Pool } from 'pg';

/** The last event that was sent to a partition, and where it lies there. */
export type SentMark = { position: number; offset: number };

/** How far a topic is published: everything up to `position`, which is the event `event_id` (null at position 0). */
export type Checkpoint = {
  position: number;
  event_id: string | null;
  partitions: Readonly<Record<number, SentMark>>;
};

/** What whoever leads goes by. `epoch` is the fence: who has another is not the leader any more. */
export type Lease = {
  epoch: number;
  checkpoint: Checkpoint;
  /** The event that the log has at the checkpoint's position; null where it has none. */
  logged_event_id: string | null;
};

/** Events of the log beyond the checkpoint, and the age of the first of them. */
export type RelayLag = { events: number; seconds: number };

export type RelayState = {
  /** Takes the lease if it is free, expired or already this holder's, and raises the epoch; null while another has it. */
  acquire: (holder: string, leaseMs: number) => Promise<Lease | null>;
  /**
   * Moves the checkpoint from the position `from` and renews the lease. False: the row is no longer as this leader left
   * it, because another has taken over or the database was restored. Nothing has changed then.
   */
  checkpoint: (lease: {
    holder: string;
    epoch: number;
    leaseMs: number;
    from: number;
    to: Checkpoint;
  }) => Promise<boolean>;
  /** Gives the lease up, if it is still this holder's, so that the next one need not wait for its expiry. */
  release: (holder: string, epoch: number) => Promise<void>;
  lag: () => Promise<RelayLag>;
};

const acquireStatement = `
insert into log.relay_state as state (topic, epoch, holder, lease_until)
values ($1, 1, $2, clock_timestamp() + $3 * interval '1 ms')
on conflict (topic) do update
  set epoch = state.epoch + 1, holder = excluded.holder, lease_until = excluded.lease_until
  where state.holder is null or state.holder = excluded.holder or state.lease_until < clock_timestamp()
returning epoch, position, event_id, partitions,
  (select event.event_id from log.events event where event.position = state.position) as logged_event_id`;

// Nobody waits for the disk: a checkpoint that a crash of the database takes back is only sent again.
const checkpointStatement = `
update log.relay_state
set position = $5, event_id = $6, partitions = $7, lease_until = clock_timestamp() + $8 * interval '1 ms'
where topic = $1 and holder = $2 and epoch = $3 and position = $4
returning set_config('synchronous_commit', 'off', true)`;

const releaseStatement = `
update log.relay_state set holder = null, lease_until = null where topic = $1 and holder = $2 and epoch = $3`;

const lagStatement = `
select head.position - coalesce(state.position, 0) as events,
  coalesce((
    select extract(epoch from clock_timestamp() - event.recorded_at) from log.events event
    where event.position = coalesce(state.position, 0) + 1
  ), 0) as seconds
from log.log_head head left join log.relay_state state on state.topic = $1`;

/** The state of one topic's relay. Its queries go through the pool, with the pool's time limits. */
export function openRelayState(pool: Pool, topic: string): RelayState {
  return {
    async acquire(holder, leaseMs) {
      const { rows } = await pool.query<{
        epoch: string;
        position: string;
        event_id: string | null;
        partitions: Record<number, SentMark>;
        logged_event_id: string | null;
      }>({ name: 'relay_acquire', text: acquireStatement, values: [topic, holder, leaseMs] });
      const [row] = rows;
      if (row === undefined) return null;
      const { event_id, partitions, logged_event_id } = row;
      return {
        epoch: Number(row.epoch),
        checkpoint: { position: Number(row.position), event_id, partitions },
        logged_event_id,
      };
    },

    async checkpoint({ holder, epoch, leaseMs, from, to }) {
      const { position, event_id, partitions } = to;
      const { rowCount } = await pool.query({
        name: 'relay_checkpoint',
        text: checkpointStatement,
        values: [topic, holder, epoch, from, position, event_id, partitions, leaseMs],
      });
      return rowCount === 1;
    },

    async release(holder, epoch) {
      await pool.query(releaseStatement, [topic, holder, epoch]);
    },

    async lag() {
      const { rows } = await pool.query<{ events: string; seconds: string }>({
        name: 'relay_lag',
        text: lagStatement,
        values: [topic],
      });
      const { events, seconds } = rows[0]!;
      return { events: Math.max(0, Number(events)), seconds: Math.max(0, Number(seconds)) };
    },
  };
}
