// The system under test, as `npm start` runs it: on a data folder of its own, quiet, and ended with the scenario.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startLocalKafka } from '#infra/local/kafka.ts';
import { startLocalPostgres } from '#infra/local/postgres.ts';
import { freePort, lastLines, spawnServer, type ServerProcess } from '#infra/local/process.ts';
import type { DriverConfig, DriverResult } from './driver.ts';
import { lagOf, type Lag } from './metrics.ts';
import { runDriver } from './run-driver.ts';
import type { Bench } from './scenario.ts';

const packageFile = fileURLToPath(new URL('../../package.json', import.meta.url));
const sourceFile = /\.(ts|mjs)$/;
/** The arguments of `npm start` or `npm run projector`, so that what is measured is what runs. */
export const scriptArguments = (script: 'start' | 'projector'): string[] => {
  const { scripts } = JSON.parse(readFileSync(packageFile, 'utf8')) as {
    scripts: Record<typeof script, string>;
  };
  return scripts[script]
    .split(' ')
    .slice(1)
    .map((word) => (sourceFile.test(word) ? join(dirname(packageFile), word) : word));
};
const hello = fileURLToPath(import.meta.resolve('./hello.ts'));

// A warm start takes 5 s at most; folding a long log after a restart may take longer.
const readyTimeoutMs = 120_000;
const requestTimeoutMs = 30_000;
const pollIntervalMs = 50;
// Work in flight ends within seconds; then it is ended.
const endingLadder = [
  { signal: 'SIGTERM', waitMs: 20_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
] as const;

type Answer = { status: number; body: Record<string, unknown> };

export type System = {
  port: number;
  databaseUrl: string;
  /** Empty without Kafka. */
  brokers: string[];
  /** What every process of the system is started with. */
  environment: NodeJS.ProcessEnv;
  /** One request by the admin, or with another key; throws if there is no answer in 30 s. */
  ask(method: string, path: string, body?: unknown, key?: string): Promise<Answer>;
  /** The same for a call that must succeed: throws with the answer if it is no 2xx. */
  demand(
    method: string,
    path: string,
    body?: unknown,
    key?: string,
  ): Promise<Record<string, unknown>>;
  /** One load by the admin in a driver process of its own. */
  load(config: Omit<DriverConfig, 'port' | 'headers'>): Promise<DriverResult>;
  lag(): Promise<Lag>;
  /** The position of the last event. */
  head(): Promise<number>;
  /** Resident memory of the Node process, in MB of 1,000,000 bytes. */
  residentMb(): Promise<number>;
  /** Ends the Node process and starts it again on the same data, after `meanwhile`. */
  restart(meanwhile?: () => Promise<void>): Promise<void>;
};

/**
 * Starts PostgreSQL, Kafka if asked, and the whole system in one Node process; each ends with the scenario.
 * PostgreSQL runs with the settings of `npm start`; it is started here so that its address is known.
 */
export async function startSystem(
  bench: Bench,
  options: { kafka: boolean } = { kafka: false },
): Promise<System> {
  const dataDir = await mkdtemp(join(tmpdir(), 'modelog-bench-'));
  bench.endings.defer(() => rm(dataDir, { recursive: true, force: true }));
  // PostgreSQL may run as another user, who has to pass.
  await chmod(dataDir, 0o711);
  const postgres = bench.endings.adopt(await startLocalPostgres({ dataDir }), (it) => it.stop());
  const kafka = options.kafka
    ? bench.endings.adopt(await startLocalKafka({ dataDir }), (it) => it.stop())
    : null;
  const port = await freePort();
  const adminKey = randomBytes(32).toString('hex');
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    HOST: '127.0.0.1',
    PORT: String(port),
    DATA_DIR: dataDir,
    DATABASE_URL: postgres.url,
    LOG_LEVEL: 'warn',
    MODELOG_ADMIN_KEY: adminKey,
    // also of a system that is to have none, though the environment names one
    KAFKA_BROKERS: kafka?.brokers.join(',') ?? '',
  };
  const headers = { authorization: `Bearer ${adminKey}` };
  const base = `http://127.0.0.1:${port}`;

  const start = async (): Promise<ServerProcess> => {
    const logFile = join(dataDir, 'system.log');
    const server = await spawnServer({
      program: process.execPath,
      args: scriptArguments('start'),
      environment,
      workingDir: dataDir,
      logFile,
    });
    await waitUntilReady(bench, server, `${base}/ready`, logFile);
    return server;
  };
  let server = await start();
  bench.endings.defer(() => server.end(endingLadder));

  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    key = adminKey,
  ): Promise<Answer> => {
    const response = await fetch(base + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.any([bench.signal, AbortSignal.timeout(requestTimeoutMs)]),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const demand = async (method: string, path: string, body?: unknown, key?: string) => {
    const answer = await ask(method, path, body, key);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return {
    port,
    databaseUrl: postgres.url,
    brokers: kafka?.brokers ?? [],
    environment,
    ask,
    demand,
    load: (config) => runDriver({ ...config, port, headers }, bench.signal),
    async lag() {
      const signal = AbortSignal.any([bench.signal, AbortSignal.timeout(requestTimeoutMs)]);
      const response = await fetch(`${base}/metrics`, { headers, signal });
      if (!response.ok) throw new Error(`GET /metrics: ${response.status}`);
      return lagOf(await response.text());
    },
    async head() {
      return Number((await demand('GET', '/api/v1/events?limit=1'))['head']);
    },
    async residentMb() {
      const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
      const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
      if (kibibytes === undefined) throw new Error(`process ${server.pid} has no VmRSS`);
      return (Number(kibibytes) * 1024) / 1_000_000;
    },
    async restart(meanwhile) {
      await server.end(endingLadder);
      await meanwhile?.();
      server = await start();
    },
  };
}

/** Starts the hello-world that everything is compared with; it ends with the scenario. Returns its port. */
export async function startHello(bench: Bench): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'modelog-hello-'));
  bench.endings.defer(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const logFile = join(folder, 'hello.log');
  const server = await spawnServer({
    program: process.execPath,
    args: [hello],
    environment: { ...process.env, PORT: String(port) },
    workingDir: folder,
    logFile,
  });
  bench.endings.defer(() => server.end(endingLadder));
  await waitUntilReady(bench, server, `http://127.0.0.1:${port}/`, logFile);
  return port;
}

/** Waits until the URL answers 200; ends the server and throws with its last words if it ends or takes too long. */
async function waitUntilReady(
  bench: Bench,
  server: ServerProcess,
  url: string,
  logFile: string,
): Promise<void> {
  let hasEnded = false;
  void server.exited.then(() => (hasEnded = true));
  const deadline = performance.now() + readyTimeoutMs;
  try {
    while (!(await answersOk(url))) {
      if (hasEnded || performance.now() > deadline)
        throw new Error(`${url} does not answer. It said:\n${await lastLines(logFile)}`);
      await delay(pollIntervalMs, undefined, { signal: bench.signal });
    }
  } catch (cause) {
    await server.end(endingLadder);
    throw cause;
  }
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(requestTimeoutMs) });
    await response.arrayBuffer();
    return response.ok;
  } catch (cause) {
    // Nobody listens yet: fetch says so with a TypeError.
    if (cause instanceof TypeError) return false;
    throw cause;
  }
}
