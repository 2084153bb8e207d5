// A relay with all that it needs, for a test in its own process or for the process of one that a test kills or stops.
import { pino } from 'pino';
import type { Logger } from 'pino';
import { failpointsFrom } from '#infra/failpoint.ts';
import { createBroker } from '#infra/kafka/broker.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import type { EventCodec } from '#infra/kafka/codec.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { openRelayState } from '#infra/postgres/relay-state.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { Registry } from '#infra/telemetry/metrics.ts';
import { openRelay } from '#services/command-api/relay.ts';
import type { Relay } from '#services/command-api/relay.ts';

export type RunningRelay = Relay & {
  registry: Registry;
  /** Its relay's metric of this name. */
  metric: (name: string) => Promise<number>;
};

/** Starts a relay of the database's log to the lifecycle topic with this prefix. */
export function startRelay(options: {
  databaseUrl: string;
  brokers: readonly string[];
  prefix: string;
  environment?: NodeJS.ProcessEnv;
  logger?: Logger;
  codec?: EventCodec;
}): RunningRelay {
  const { databaseUrl, brokers, logger = pino({ level: 'silent' }) } = options;
  const onError = (error: Error) => logger.warn({ err: error }, 'the database connection broke');
  const pool = openPool({
    url: databaseUrl,
    name: 'relay',
    role: 'modelog_service',
    size: 3,
    onError,
  });
  const failpoint = failpointsFrom(options.environment ?? {});
  const log = openPostgresLog({ url: databaseUrl, pool, failpoint, onError });
  const follower = followHead({ url: databaseUrl, onError });
  const registry = new Registry();
  const topic = topicsOf(options.prefix).modelLifecycle;
  const relay = openRelay({
    log,
    state: openRelayState(pool, topic.topic),
    follower,
    broker: createBroker({ brokers, clientId: 'relay', log: logger }),
    topic,
    codec: options.codec ?? jsonCodec(),
    registry,
    logger,
    failpoint,
  });
  const stop = async () => {
    await relay.stop();
    await follower.close();
    await log.close();
    await pool.end();
  };
  let stopped: Promise<void> | undefined;
  relay.start();
  return {
    ...relay,
    registry,
    metric: async (name) => {
      const metric = await registry.getSingleMetric(name)?.get();
      if (metric === undefined) throw new Error(`there is no metric ${name}`);
      return metric.values[0]!.value;
    },
    stop: () => (stopped ??= stop()),
  };
}
