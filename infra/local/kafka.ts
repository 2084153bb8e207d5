// A real Kafka of our own without Docker: one node that is broker and controller, on a folder that outlives the process.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  endLeftOverJavaServer,
  javaEndingLadder,
  requirePort,
  startJavaServer,
} from './java-server.ts';
import { waitUntilKafkaServes } from './kafka-readiness.ts';
import { makeHome } from './home.ts';
import { fetchWithMaven, requireJava } from './maven.ts';
import { ownFolder } from './owner.ts';
import { LocalServerError, freePort, hasCode, messageOf, type ProcessExit } from './process.ts';

const run = promisify(execFile);

export type LocalKafka = {
  brokers: string[];
  pid: number;
  /** Settles when the server has ended, asked or not; never rejects. */
  exited: Promise<ProcessExit>;
  /** Ends the server and frees the folder. Resolves too if the server is dead already. */
  stop(): Promise<void>;
};

// The version in infra/local/kafka/pom.xml; it names the cache's folder.
const kafkaVersion = '4.3.1';
// Formatting takes 0.9 s and starting 3 s on two cores; recovery of many logs on a slow disk takes longer.
const formatTimeoutMs = 60_000;
const readyTimeoutMs = 120_000;

/**
 * Starts Kafka on `dataDir/kafka`, fetched by Maven and formatted the first time.
 * A server left over by a killed owner is ended first; a live owner is an error (`in_use`).
 * @param options.port a free one is chosen if absent
 * @param options.cacheDir where the jars are kept, else the user's cache folder
 * @param options.signal gives the start up
 * @throws LocalServerError
 */
export async function startLocalKafka(options: {
  dataDir: string;
  port?: number | undefined;
  cacheDir?: string | undefined;
  onProgress?: ((message: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}): Promise<LocalKafka> {
  await requireJava();
  const home = await makeHome(options.dataDir, 'kafka');
  const owner = await ownFolder(home);
  try {
    const jars = await fetchKafka(options);
    const propertiesFile = join(home, 'server.properties');
    await endLeftOverJavaServer(home, propertiesFile);
    if (options.port !== undefined) {
      await requirePort(options.port, 'Kafka', 'Choose another one (LOCAL_KAFKA_PORT).');
    }
    const port = options.port ?? (await freePort());
    await writeFile(
      propertiesFile,
      properties({ port, controllerPort: await freePort(), logDir: join(home, 'data') }),
    );
    await format(home, jars, propertiesFile, options.onProgress);
    const server = await startJavaServer({
      title: 'Kafka',
      home,
      signal: options.signal,
      args: [
        ...heapOptions,
        ...quietOptions,
        '-cp',
        join(jars, '*'),
        'kafka.Kafka',
        propertiesFile,
      ],
      untilReady: (signal) =>
        waitUntilKafkaServes({ host: '127.0.0.1', port }, { timeoutMs: readyTimeoutMs, signal }),
    });
    return {
      brokers: [`127.0.0.1:${port}`],
      pid: server.pid,
      exited: server.exited,
      async stop() {
        await server.end(javaEndingLadder);
        await owner.release();
      },
    };
  } catch (cause) {
    await owner.release();
    throw cause;
  }
}

const heapOptions = ['-Xms128m', '-Xmx384m'];
// Errors alone, so that the file they go to stays small: it is made anew with each start.
const quietOptions = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];

async function fetchKafka(options: {
  cacheDir?: string | undefined;
  onProgress?: ((message: string) => void) | undefined;
}): Promise<string> {
  const pom = fileURLToPath(new URL('kafka/pom.xml', import.meta.url));
  return fetchWithMaven({
    name: `kafka-${kafkaVersion}`,
    cacheDir: options.cacheDir,
    args: (folder) => [
      '--file',
      pom,
      'dependency:copy-dependencies',
      `-DoutputDirectory=${folder}`,
    ],
    onProgress: options.onProgress,
  });
}

function properties(places: { port: number; controllerPort: number; logDir: string }): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${places.controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${places.port},CONTROLLER://127.0.0.1:${places.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${places.port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': places.logDir,
    // Modelog makes its topics itself; a misspelt name must not become a topic.
    'auto.create.topics.enable': 'false',
    // There is one node, so nothing can have two copies.
    'default.replication.factor': '1',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // Fewer than the default of 50 are ready sooner. The readiness check asks each of these.
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.num.partitions': '4',
    // A group of one machine need not wait for members that may still come.
    'group.initial.rebalance.delay.ms': '0',
    'num.network.threads': '2',
    'num.io.threads': '4',
    // A third of the heap by default.
    'log.cleaner.dedupe.buffer.size': String(32 * 1024 * 1024),
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('');
}

/** Gives the data folder its cluster id, once. */
async function format(
  home: string,
  jars: string,
  propertiesFile: string,
  onProgress: ((message: string) => void) | undefined,
): Promise<void> {
  if (await isThere(join(home, 'data', 'meta.properties'))) return;
  onProgress?.(`Making a Kafka log in ${home}`);
  const args = [
    'kafka.tools.StorageTool',
    'format',
    '--ignore-formatted',
    '-t',
    newClusterId(),
    '-c',
    propertiesFile,
  ];
  try {
    await run('java', ['-Xmx128m', ...quietOptions, '-cp', join(jars, '*'), ...args], {
      timeout: formatTimeoutMs,
    });
  } catch (cause) {
    throw new LocalServerError(
      'not_started',
      `Kafka could not be formatted in ${home}: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

/** 16 random bytes in base64url; the tool takes an id that begins with "-" for an option. */
function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id;
}

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return false;
    throw cause;
  }
}
