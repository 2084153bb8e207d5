// The outside parts that are not given by settings, started here: PostgreSQL, and with --kafka a Kafka and a schema registry.
import { startLocalKafka } from '#infra/local/kafka.ts';
import { startLocalPostgres } from '#infra/local/postgres.ts';
import { startLocalSchemaRegistry } from '#infra/local/schema-registry.ts';

export type LocalParts = {
  databaseUrl: string;
  kafkaBrokers: string[] | null;
  schemaRegistryUrl: string | null;
  /** Resolves with the name of a part that ended without being asked to. */
  lost: Promise<string>;
  /** Ends them, last started first. */
  stop: () => Promise<void>;
};

type Part = { exited: Promise<unknown>; stop: () => Promise<void> };

/** Starts what is missing; if one cannot start, those that did are ended again. */
export async function startLocalParts(options: {
  dataDir: string;
  databaseUrl: string | undefined;
  kafka: { brokers: string[] | undefined; port: number; withSchemaRegistry: boolean } | null;
  schemaRegistryUrl: string | undefined;
  onProgress: (message: string) => void;
}): Promise<LocalParts> {
  const { dataDir, kafka, onProgress } = options;
  const started: Part[] = [];
  const stop = async (): Promise<void> => {
    for (const part of started.toReversed()) await part.stop();
  };
  const losses: Promise<string>[] = [];
  const keep = <P extends Part>(name: string, part: P): P => {
    started.push(part);
    losses.push(part.exited.then(() => name));
    return part;
  };
  try {
    const databaseUrl =
      options.databaseUrl ?? keep('PostgreSQL', await startLocalPostgres({ dataDir })).url;
    let kafkaBrokers = kafka?.brokers ?? null;
    let schemaRegistryUrl = options.schemaRegistryUrl ?? null;
    if (kafka !== null && kafkaBrokers === null) {
      onProgress('starting a local Kafka (the first time it is fetched from Maven Central) …');
      kafkaBrokers = keep(
        'Kafka',
        await startLocalKafka({ dataDir, port: kafka.port, onProgress }),
      ).brokers;
    }
    if (kafka?.withSchemaRegistry && schemaRegistryUrl === null) {
      onProgress('starting a local schema registry …');
      schemaRegistryUrl = keep(
        'the schema registry',
        await startLocalSchemaRegistry({ dataDir, onProgress }),
      ).url;
    }
    return { databaseUrl, kafkaBrokers, schemaRegistryUrl, lost: Promise.race(losses), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
