// Retention as a process of its own, killed between the decision and the order.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { serviceKey, startRegistry } from './registry.ts';
import type { TestRegistry } from './registry.ts';

const main = path.join(import.meta.dirname, '../../services/retention/main.ts');

let registry: TestRegistry;
let folder: string;
beforeEach(async () => {
  registry = await startRegistry();
  folder = await mkdtemp(path.join(tmpdir(), 'modelog-retention-'));
});
afterEach(async () => {
  await registry.stop();
  await rm(folder, { recursive: true, force: true });
});

/** All that is recorded happened last year: only an owner of the tables can say so, past the triggers. */
async function recordedLastYear(): Promise<void> {
  const client = new Client({ connectionString: registry.databaseUrl });
  await client.connect();
  await client.query('set session_replication_role = replica');
  await client.query("update log.events set recorded_at = recorded_at - interval '400 days'");
  await client.end();
}

function startProcess(environment: Record<string, string>) {
  return spawn(process.execPath, [main], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DATABASE_URL: registry.databaseUrl,
      COMMAND_API_URL: registry.apiUrl,
      MODELOG_SERVICE_KEY: serviceKey,
      RETENTION_SWEEP_SECONDS: '1',
      ...environment,
    },
  });
}

it('a crash after the decision loses nothing and archives nothing twice', async () => {
  await registry.model('churn', 5);
  await recordedLastYear();
  const proof = path.join(folder, 'proof');
  const killed = startProcess({
    MODELOG_FAILPOINT: 'retention:after-decision=kill',
    MODELOG_FAILPOINT_PROOF: proof,
  });
  const [, signal] = await once(killed, 'exit');
  expect(signal).toBe('SIGKILL');
  expect(await readFile(proof, 'utf8')).toBe('retention:after-decision fired\n');
  expect(await registry.archived()).toEqual([]);

  const next = startProcess({});
  try {
    await eventually(async () => expect(await registry.archived()).toHaveLength(2), {
      timeoutMs: 40_000,
    });
    expect((await registry.archived()).map(({ number }) => number)).toEqual([2, 1]);
  } finally {
    next.kill('SIGTERM');
    expect(await once(next, 'exit')).toEqual([0, null]);
  }
});
