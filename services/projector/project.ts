// Starts the projection, from the log or from Kafka.
import type { EventLog } from '#events/log.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import { projectFromKafka } from './from-kafka.ts';
import { projectFromLog } from './from-log.ts';
import type { Observer, Projection } from './projection.ts';
import { views } from './views.ts';
import type { Writer } from './writer.ts';

const groupName = 'projector';

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
