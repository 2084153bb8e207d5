// Where the tests' real parts come from: given by the environment, else a Docker engine, else run here by infra/local.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { GenericContainer, Wait, getContainerRuntimeClient } from 'testcontainers';
import { startLocalKafka } from '#infra/local/kafka.ts';
import { waitUntilKafkaServes } from '#infra/local/kafka-readiness.ts';
import { startLocalPostgres } from '#infra/local/postgres.ts';
import { freePort } from '#infra/local/process.ts';
import { startLocalSchemaRegistry } from '#infra/local/schema-registry.ts';

export type RealParts = {
  postgresUrl: string;
  kafkaBrokers: string[];
  schemaRegistryStarterUrl: string;
  stop(): Promise<void>;
};

type Part<Value> = { value: Value; stop(): Promise<void> };
type Report = (message: string) => void;

/** What the three sources of a part have to know. */
type Place = { dataDir: string; hasDocker: boolean; report: Report };

// An engine answers at once; one that hangs is as good as none.
const dockerAnswerTimeoutMs = 5_000;
const kafkaReadyTimeoutMs = 120_000;

const postgresImage = 'postgres:17.10';
const kafkaImage = 'apache/kafka:4.3.1';
const schemaRegistryImage = 'apicurio/apicurio-registry-mem:2.6.13.Final';

/** Starts what the environment does not give. If one part cannot be had, the others are ended and it fails. */
export async function startRealParts(dataDir: string, report: Report): Promise<RealParts> {
  const place = { dataDir, hasDocker: await dockerAnswers(), report };
  const starting = [startPostgres(place), startKafka(place), startRegistryStarter(place)] as const;
  const stop = async (): Promise<void> => {
    const started = await Promise.allSettled(starting);
    const parts = started.filter((part) => part.status === 'fulfilled');
    await Promise.all(parts.map((part) => part.value.stop()));
  };
  try {
    const [postgres, kafka, registryStarter] = await Promise.all(starting);
    return {
      postgresUrl: postgres.value,
      kafkaBrokers: kafka.value,
      schemaRegistryStarterUrl: registryStarter.value,
      stop,
    };
  } catch (cause) {
    await stop();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The tests need a real PostgreSQL and a real Kafka. ${reason}`, { cause });
  }
}

async function startPostgres({ dataDir, hasDocker, report }: Place): Promise<Part<string>> {
  const given = process.env['DATABASE_URL'];
  if (given) return { value: given, stop: async () => {} };
  if (!hasDocker) {
    // What the tests write need not outlive the machine, and is written sooner so.
    const settings = { fsync: 'off', max_connections: '300' };
    const local = await startLocalPostgres({ dataDir, settings, onProgress: report });
    return { value: local.url, stop: () => local.stop() };
  }
  const container = await new GenericContainer(postgresImage)
    .withEnvironment({
      POSTGRES_PASSWORD: 'test',
      POSTGRES_INITDB_ARGS: '--locale=C --locale-provider=builtin --builtin-locale=C.UTF-8',
    })
    .withCommand(['postgres', '-c', 'fsync=off', '-c', 'max_connections=300'])
    .withExposedPorts(5432)
    // It starts twice: first for its own setup, without a port.
    .withWaitStrategy(Wait.forLogMessage('ready to accept connections', 2))
    .start();
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`;
  return {
    value: `postgres://postgres:test@${address}/postgres`,
    async stop() {
      await container.stop();
    },
  };
}

async function startKafka({ dataDir, hasDocker, report }: Place): Promise<Part<string[]>> {
  const given = process.env['KAFKA_BROKERS'];
  if (given) return { value: given.split(','), stop: async () => {} };
  if (!hasDocker) {
    const local = await startLocalKafka({ dataDir, onProgress: report });
    return { value: local.brokers, stop: () => local.stop() };
  }
  // Kafka tells its clients where it is, so the port outside has to be known before it starts.
  const port = await freePort();
  const { host } = (await getContainerRuntimeClient()).info.containerRuntime;
  const container = await new GenericContainer(kafkaImage)
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${host}:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '4',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withExposedPorts({ container: 9092, host: port })
    .start();
  await waitUntilKafkaServes({ host, port }, { timeoutMs: kafkaReadyTimeoutMs });
  return {
    value: [`${host}:${port}`],
    async stop() {
      await container.stop();
    },
  };
}

/** Few tests need the registry, so the first that asks makes it start; all get the same. */
async function startRegistryStarter(place: Place): Promise<Part<string>> {
  let registry: Promise<Part<string>> | undefined;
  const server = createServer((_request, response) => {
    registry ??= startSchemaRegistry(place);
    registry.then(
      ({ value }) => response.end(value),
      (cause: unknown) => response.writeHead(503).end(cause instanceof Error ? cause.message : ''),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    value: `http://127.0.0.1:${port}`,
    async stop() {
      server.close();
      server.closeAllConnections();
      await registry?.then(
        (part) => part.stop(),
        // The test that asked has been told.
        () => {},
      );
    },
  };
}

async function startSchemaRegistry({ dataDir, hasDocker, report }: Place): Promise<Part<string>> {
  const given = process.env['SCHEMA_REGISTRY_URL'];
  if (given) return { value: given, stop: async () => {} };
  if (!hasDocker) {
    const local = await startLocalSchemaRegistry({ dataDir, onProgress: report });
    return { value: local.url, stop: () => local.stop() };
  }
  const path = '/apis/ccompat/v7';
  const container = await new GenericContainer(schemaRegistryImage)
    .withExposedPorts(8080)
    .withWaitStrategy(Wait.forHttp(`${path}/subjects`, 8080))
    .start();
  return {
    value: `http://${container.getHost()}:${container.getMappedPort(8080)}${path}`,
    async stop() {
      await container.stop();
    },
  };
}

async function dockerAnswers(): Promise<boolean> {
  const answer = getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
  const { promise: deadline, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), dockerAnswerTimeoutMs);
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
