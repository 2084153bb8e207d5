// The whole system as a real process, which a test may kill, stop and start again on the same database.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { eventually } from '#test/eventually.ts';

export const adminKey = 'admin-key-of-a-crash-test-0123456789';
const main = path.join(import.meta.dirname, '..', '..', 'services', 'standalone', 'main.ts');
const outputCharactersMax = 20_000;

export type RunningSystem = {
  url: string;
  process: ChildProcess;
  /** Resolves when the process has ended, however. */
  ended: Promise<void>;
  output: () => string;
  kill: (signal: NodeJS.Signals) => Promise<void>;
};

/** Starts `services/standalone` and waits until it is ready, or (with a failpoint) until it has ended. */
export async function startSystem(options: {
  databaseUrl: string;
  dataDir: string;
  kafka?: { brokers: string[]; topicPrefix: string };
  environment?: Record<string, string>;
}): Promise<RunningSystem> {
  const { databaseUrl, dataDir, kafka } = options;
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATABASE_URL: databaseUrl,
      DATA_DIR: dataDir,
      PORT: '0',
      LOG_LEVEL: 'warn',
      MODELOG_ADMIN_KEY: adminKey,
      ...(kafka && {
        KAFKA_BROKERS: kafka.brokers.join(','),
        KAFKA_TOPIC_PREFIX: kafka.topicPrefix,
      }),
      ...options.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on(
      'data',
      (text: Buffer) => (output = (output + text.toString()).slice(-outputCharactersMax)),
    );
  const ended = once(child, 'exit').then(() => undefined);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const url = await eventually(
    () => {
      const listens = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
      if (listens === undefined && hasEnded())
        throw new Error(`the system ended at its start: ${output}`);
      return listens ?? null;
    },
    { timeoutMs: 60_000 },
  );
  return {
    url: url!,
    process: child,
    ended,
    output: () => output,
    async kill(signal) {
      child.kill(signal);
      await ended;
    },
  };
}
