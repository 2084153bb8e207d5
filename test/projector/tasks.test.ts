// An operator's tasks as processes of their own: what they print, and that they begin without what only a service needs.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { liveAModel, openRegistry, registering } from './registry.ts';
import type { TestRegistry } from './registry.ts';

const program = fileURLToPath(import.meta.resolve('#services/projector/main.ts'));
const run = promisify(execFile);

/** Told to the process before its first module: writes the packages that it loads to standard error as it ends. */
const watch = `import { registerHooks } from 'node:module';
const loaded = new Set();
registerHooks({
  load(url, context, next) {
    loaded.add(/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1]);
    return next(url, context);
  },
});
process.on('exit', () => process.stderr.write(JSON.stringify([...loaded])));`;

let registry: TestRegistry;
beforeAll(async () => {
  registry = await openRegistry();
});
afterAll(() => registry.close());

const task = async (...words: string[]): Promise<{ printed: string; packages: string[] }> => {
  const hooks = `data:text/javascript,${encodeURIComponent(watch)}`;
  const { stdout, stderr } = await run(process.execPath, ['--import', hooks, program, ...words], {
    env: { ...process.env, DATABASE_URL: registry.url },
  });
  return { printed: stdout, packages: JSON.parse(stderr) as string[] };
};

test('a task loads neither the web server nor Kafka nor the logger', async () => {
  const { printed, packages } = await task('parked');
  expect(printed).toBe('No stream is parked.\n');
  expect(packages).toContain('pg');
  for (const unneeded of ['fastify', '@fastify/swagger', 'kafkajs', 'avsc', 'jose', 'pino'])
    expect(packages).not.toContain(unneeded);
});

test('a rebuild says how far it is and what it found', async () => {
  await liveAModel(registry, 'a');
  await registry.register(registering('b'));
  const head = await registry.log.head();
  const { printed } = await task('rebuild', 'all');
  expect(printed).toMatch(/^folding {2}0 % {2}0 of \d+ events/);
  expect(printed).toContain('\nswitching\n');
  expect(printed).toMatch(
    new RegExp(`^${head.position} events in \\d+\\.\\d s \\(\\d+/s\\)$`, 'm'),
  );
  expect(printed).toContain('The views that served were');
});

test.each([
  [['refold'], 'unknown task "refold"'],
  [['rebuild'], 'rebuild which? all, models, versions'],
])('%j is refused', async (words, said) => {
  await expect(task(...words)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(said) as string,
  });
});
