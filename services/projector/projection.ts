// A running projection, whether it reads the log or Kafka.
import type { EventLog } from '#events/log.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { ShownModel } from './answers.ts';
import type { Applied } from './apply.ts';
import { projectFromKafka } from './from-kafka.ts';
import { projectFromLog } from './from-log.ts';
import type { Serving } from './generations.ts';
import { views } from './views.ts';
import type { Writer } from './writer.ts';

const groupName = 'projector';

export type Projection = {
  readonly state: 'connecting' | 'running' | 'standing by' | 'failing' | 'stopped';
  /** Ends after the running batch. */
  stop: () => Promise<void>;
};

/** Hears of each committed batch. */
export type Observer = {
  /** These tables are written from now on. */
  serving: (serving: Serving) => void;
  /** From here on nobody else writes the views. Not called by a source that shares them. */
  claimed: () => void;
  /** Models as they are now; told before `reached`. */
  changed: (models: readonly ShownModel[]) => void;
  applied: (events: number, durationMs: number, applied: Applied) => void;
  /** Every event up to this position is in the views, or waits parked. Not called by a source that cannot tell. */
  reached: (position: number) => void;
};

/** Starts to project in the background: from Kafka where one is given, else from the log. */
export function startProjection(options: {
  log: EventLog;
  follower: HeadFollower;
  writer: Writer;
  kafka: Kafka | null;
  /** Names this process among those that might apply. */
  owner: string;
  failpoint: Failpoint;
  observer: Observer;
  logger: Logger;
}): Projection {
  const { kafka, follower, ...common } = options;
  return kafka === null
    ? projectFromLog({ ...common, views, head: follower })
    : projectFromKafka({
        ...common,
        ...kafka,
        views,
        groupId: `${kafka.groupPrefix}${groupName}`,
      });
}
