// A projector that is killed between two steps, frozen, or cut off from its database: afterwards the views are exact.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkViews } from '#test/checker/views.ts';
import { eventually } from '#test/eventually.ts';
import { liveAModel, openRegistry } from './registry.ts';
import type { TestRegistry } from './registry.ts';

const program = fileURLToPath(import.meta.resolve('#services/projector/main.ts'));
/** A process has to start, and Kafka is not there to be waited for. */
const patience = { timeoutMs: 30_000 };

let registry: TestRegistry;
let folder: string;
const running: ChildProcess[] = [];
beforeEach(async () => {
  registry = await openRegistry();
  folder = await mkdtemp(path.join(tmpdir(), 'modelog-crash-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((child) => end(child, 'SIGKILL')));
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

function startProjector(environment: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      DATABASE_URL: registry.url,
      PORT: '0',
      LOG_LEVEL: 'silent',
      KAFKA_BROKERS: '',
      ...environment,
    },
    stdio: 'ignore',
  });
  running.push(child);
  return child;
}

/** Every stream is in the views up to its last event. */
const isComplete = async (): Promise<boolean> => {
  const { rows } = await registry.pool.query<{ missing: number }>(
    `select count(*)::int as missing from log.streams s
     where not exists (select from views.stream_versions_g1 v where v.stream = s.stream and v.version = s.version)`,
  );
  return rows[0]!.missing === 0;
};

for (const place of ['projector:after-apply', 'projector:after-commit'])
  test(`killed at ${place}, the next start goes on where the last commit was`, async () => {
    await liveAModel(registry, 'before');
    const proof = path.join(folder, 'proof');
    const doomed = startProjector({
      MODELOG_FAILPOINT: `${place}=kill`,
      MODELOG_FAILPOINT_PROOF: proof,
    });
    const [, signal] = (await once(doomed, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
    expect(await readFile(proof, 'utf8')).toBe(`${place} fired\n`);
    const { rows } = await registry.pool.query(
      'select count(*)::int as models from views.models_g1',
    );
    expect(rows).toEqual([{ models: place === 'projector:after-commit' ? 1 : 0 }]);
    await liveAModel(registry, 'while it was dead');
    startProjector();
    await eventually(isComplete, patience);
    expect(await checkViews(registry.url)).toEqual([]);
  });

test('a frozen projector is taken over from, and does no harm when it wakes', async () => {
  await liveAModel(registry, 'one');
  const frozen = startProjector();
  await eventually(isComplete, patience);
  const second = startProjector();
  await eventually(async () => {
    const { rows } = await registry.pool.query<{ owners: number }>(
      `select count(distinct pid)::int as owners from pg_stat_activity
       where datname = current_database() and application_name = 'modelog-projector' and query <> ''`,
    );
    return rows[0]!.owners >= 2;
  }, patience);
  frozen.kill('SIGSTOP');
  await liveAModel(registry, 'two');
  await eventually(isComplete, patience);
  frozen.kill('SIGCONT');
  second.kill('SIGSTOP');
  for (const name of ['three', 'four']) await liveAModel(registry, name);
  await eventually(isComplete, patience);
  second.kill('SIGCONT');
  await liveAModel(registry, 'five');
  await eventually(isComplete, patience);
  expect(await checkViews(registry.url)).toEqual([]);
});

test('a projector whose connections are cut goes on by itself', async () => {
  startProjector();
  // one that cannot start says so and ends, to be started anew
  await liveAModel(registry, 'first');
  await eventually(isComplete, patience);
  const admin = new Client({ connectionString: registry.url });
  await admin.connect();
  for (let nth = 0; nth < 10; nth++) {
    await liveAModel(registry, `model-${nth}`);
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'modelog-%' and pid <> pg_backend_pid()
         and application_name <> 'modelog-append'`,
    );
  }
  await admin.end();
  await eventually(isComplete, patience);
  expect(await checkViews(registry.url)).toEqual([]);
});

test('SIGTERM ends a projector cleanly, after its batch', async () => {
  await liveAModel(registry, 'one');
  const child = startProjector();
  await eventually(isComplete, patience);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(await checkViews(registry.url)).toEqual([]);
});
