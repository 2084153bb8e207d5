// The outside parts that are not given by settings, started here: PostgreSQL, and with --kafka a Kafka and a schema registry.
import { keepUp } from '#infra/local/keep-up.ts';
import { startLocalKafka } from '#infra/local/kafka.ts';
import { startLocalPostgres } from '#infra/local/postgres.ts';
import { startLocalSchemaRegistry } from '#infra/local/schema-registry.ts';
import type { Logger } from '#infra/telemetry/logger.ts';

export type LocalParts = {
  databaseUrl: string;
  kafkaBrokers: string[] | null;
  schemaRegistryUrl: string | null;
  /** Resolves when PostgreSQL has ended by itself, without which there is nothing to go on with; never where it was given. */
  postgresLost: Promise<void>;
  /** Ends them, last started first. */
  stop: () => Promise<void>;
};

/**
 * Starts what is missing; if one cannot start, those that did are ended again. A Kafka or a schema registry that ends later
 * is started again in its place, as the log goes on without.
 */
export async function startLocalParts(options: {
  dataDir: string;
  databaseUrl: string | undefined;
  kafkaBrokers: string[] | undefined;
  /** The port of a Kafka to start where no brokers are given; null: there is none then. */
  localKafkaPort: number | null;
  schemaRegistryUrl: string | undefined;
  withSchemaRegistry: boolean;
  logger: Logger;
}): Promise<LocalParts> {
  const { dataDir, localKafkaPort: kafkaPort, logger } = options;
  if (options.withSchemaRegistry && !options.kafkaBrokers && kafkaPort === null)
    throw new Error('--schema-registry is of no use without Kafka: npm run start:kafka');
  const onProgress = (message: string): void => logger.info(message);
  const stops: (() => Promise<void>)[] = [];
  let isStopping = false;
  const stop = async (): Promise<void> => {
    isStopping = true;
    for (const end of stops.toReversed()) await end();
  };
  const tellOf = (name: string, meanwhile: string) => ({
    onLost: (exit: object) =>
      logger.error(exit, `${name} ended unexpectedly and is started again; ${meanwhile}`),
    onBack: () => logger.warn(`${name} is back`),
    onFailed: (error: unknown) =>
      logger.error({ err: error }, `${name} cannot be started again; trying on`),
  });
  const never = new Promise<void>(() => undefined);
  const unlessStopping = (): Promise<void> | void => (isStopping ? never : undefined);

  try {
    const postgres =
      options.databaseUrl === undefined ? await startLocalPostgres({ dataDir }) : null;
    if (postgres !== null) stops.push(() => postgres.stop());

    let kafkaBrokers = options.kafkaBrokers ?? null;
    if (kafkaBrokers === null && kafkaPort !== null) {
      onProgress('starting a local Kafka (the first time it is fetched from Maven Central) …');
      const kept = await keepUp({
        start: (signal) => startLocalKafka({ dataDir, port: kafkaPort, onProgress, signal }),
        ...tellOf('the local Kafka', 'what happens meanwhile is published then'),
      });
      stops.push(kept.stop);
      kafkaBrokers = kept.first.brokers;
    }

    let schemaRegistryUrl = options.schemaRegistryUrl ?? null;
    if (kafkaBrokers === null && schemaRegistryUrl !== null) {
      logger.warn('SCHEMA_REGISTRY_URL is of no use without Kafka: set KAFKA_BROKERS too');
      schemaRegistryUrl = null;
    }
    if (options.withSchemaRegistry && kafkaBrokers !== null && schemaRegistryUrl === null) {
      onProgress('starting a local schema registry …');
      let port: number | undefined;
      const kept = await keepUp({
        start: async (signal) => {
          const registry = await startLocalSchemaRegistry({ dataDir, port, onProgress, signal });
          // whoever knows its address finds the next one there too
          port = Number(new URL(registry.url).port);
          return registry;
        },
        ...tellOf('the local schema registry', 'schemas that are known stay known'),
      });
      stops.push(kept.stop);
      schemaRegistryUrl = kept.first.url;
    }

    return {
      databaseUrl: options.databaseUrl ?? postgres!.url,
      kafkaBrokers,
      schemaRegistryUrl,
      postgresLost: postgres === null ? never : postgres.exited.then(unlessStopping),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
