// `npm start` as a person runs it, in a process that a test may end, with the admin key that it keeps.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { eventually } from '#test/eventually.ts';

export const main = path.join(import.meta.dirname, '..', '..', 'services', 'standalone', 'main.ts');
const startTimeoutMs = 60_000;

type Started = {
  child: ChildProcess;
  output: () => string;
  url: () => Promise<string>;
  exit: Promise<number | null>;
};

/** Starts it on a data folder; it ends with the test, if not before. */
export function start(
  dataDir: string,
  environment: Record<string, string> = {},
  args: string[] = [],
): Started {
  const child = spawn(process.execPath, [main, ...args], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATA_DIR: dataDir,
      PORT: '0',
      LOG_LEVEL: 'warn',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (output += text.toString()));
  // its output is whole then, too
  const exit = once(child, 'close').then(([code]) => code as number | null);
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await exit;
  });
  return {
    child,
    output: () => output,
    exit,
    url: async () => {
      const listens = eventually(
        () => /listens\s+(?<url>http:\S+)/.exec(output)?.groups?.['url'] ?? null,
        { timeoutMs: startTimeoutMs },
      );
      const ended = exit.then(() => Promise.reject(new Error(`it ended at its start: ${output}`)));
      return (await Promise.race([listens, ended]))!;
    },
  };
}

export const keyIn = (dataDir: string): string =>
  fs.readFileSync(path.join(dataDir, 'admin-key'), 'utf8').trim();

/** Registers a model by the admin key in the data folder; returns the status of the answer. */
export async function register(dataDir: string, url: string, name: string): Promise<number> {
  const response = await fetch(`${url}/api/v1/models`, {
    method: 'POST',
    headers: { authorization: `Bearer ${keyIn(dataDir)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  await response.body?.cancel();
  return response.status;
}
