// A Confluent-compatible schema registry of our own without Docker: Apicurio, in memory or on a folder.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeHome } from './home.ts';
import {
  endLeftOverJavaServer,
  javaEndingLadder,
  requirePort,
  startJavaServer,
} from './java-server.ts';
import { fetchWithMaven, requireJava } from './maven.ts';
import { ownFolder } from './owner.ts';
import { becomesTrue, freePort, type ProcessExit } from './process.ts';

export type LocalSchemaRegistry = {
  /** The Confluent API's base URL, as SCHEMA_REGISTRY_URL takes it. */
  url: string;
  pid: number;
  /** Settles when the server has ended, asked or not; never rejects. */
  exited: Promise<ProcessExit>;
  /** Ends the server and frees the folder. Resolves too if the server is dead already. */
  stop(): Promise<void>;
};

// The newest release that runs on Java 17 and can be had.
const apicurioVersion = '2.6.13.Final';
const unpackGoal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack';
// It takes 5 s on two cores.
const readyTimeoutMs = 120_000;
const requestTimeoutMs = 2_000;

/**
 * Starts Apicurio Registry, fetched by Maven the first time.
 * @param options.dataDir its schemas are kept in `dataDir/schema-registry`; without it they live in memory
 * @param options.port a free one is chosen if absent
 * @param options.signal gives the start up
 * @throws LocalServerError
 */
export async function startLocalSchemaRegistry(options: {
  dataDir?: string | undefined;
  port?: number | undefined;
  cacheDir?: string | undefined;
  onProgress?: ((message: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}): Promise<LocalSchemaRegistry> {
  await requireJava();
  const isKept = options.dataDir !== undefined;
  const home =
    options.dataDir === undefined
      ? await mkdtemp(join(tmpdir(), 'modelog-schema-registry-'))
      : await makeHome(options.dataDir, 'schema-registry');
  const owner = await ownFolder(home);
  async function leave(): Promise<void> {
    await owner.release();
    if (!isKept) await rm(home, { recursive: true, force: true });
  }
  try {
    const program = await fetchApicurio(options);
    const homeOption = `-Dmodelog.home=${home}`;
    await endLeftOverJavaServer(home, homeOption);
    if (options.port !== undefined) {
      await requirePort(options.port, 'the schema registry', 'End that program.');
    }
    const port = options.port ?? (await freePort());
    const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
    const server = await startJavaServer({
      title: 'The schema registry',
      home,
      signal: options.signal,
      args: [
        '-Xmx256m',
        homeOption,
        '-Dquarkus.http.host=127.0.0.1',
        `-Dquarkus.http.port=${port}`,
        // Errors alone, so that the file they go to stays small: it is made anew with each start.
        '-Dquarkus.log.console.level=ERROR',
        '-jar',
        program,
      ],
      environment: isKept
        ? { REGISTRY_DATASOURCE_URL: `jdbc:h2:file:${join(home, 'registry')}` }
        : {},
      async untilReady(signal) {
        const isSettled = async () => signal.aborted || (await answers(url));
        if (!(await becomesTrue(isSettled, readyTimeoutMs)) || signal.aborted) {
          throw new Error(`${url} does not answer`);
        }
      },
    });
    return {
      url,
      pid: server.pid,
      exited: server.exited,
      async stop() {
        await server.end(javaEndingLadder);
        await leave();
      },
    };
  } catch (cause) {
    await leave();
    throw cause;
  }
}

/** The path of the program's jar. */
async function fetchApicurio(options: {
  cacheDir?: string | undefined;
  onProgress?: ((message: string) => void) | undefined;
}): Promise<string> {
  const artifact = `io.apicurio:apicurio-registry-app:${apicurioVersion}:tar.gz:all`;
  const folder = await fetchWithMaven({
    name: `apicurio-registry-${apicurioVersion}`,
    cacheDir: options.cacheDir,
    args: (folder) => [unpackGoal, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`],
    onProgress: options.onProgress,
  });
  const runner = (await readdir(folder)).find((name) => name.endsWith('-runner.jar'));
  if (runner === undefined) throw new Error(`${folder} has no runner; remove it to fetch it again`);
  return join(folder, runner);
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(requestTimeoutMs) })).ok;
  } catch {
    return false;
  }
}
