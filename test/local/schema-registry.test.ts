// The local schema registry keeps its schemas where it has a folder for them.
import { expect, onTestFinished, test } from 'vitest';
import { isAlive } from '#infra/local/process.ts';
import { startLocalSchemaRegistry } from '#infra/local/schema-registry.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';

test('a schema outlives the process, and a second process on the same data is refused', async () => {
  const dataDir = await temporaryDataDir();
  const first = await startLocalSchemaRegistry({ dataDir });
  onTestFinished(() => first.stop());
  await expect(startLocalSchemaRegistry({ dataDir })).rejects.toMatchObject({ code: 'in_use' });
  const registered = await fetch(`${first.url}/subjects/kept/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ schema: '"string"' }),
  });
  expect(registered.status).toBe(200);
  await first.stop();
  expect(isAlive(first.pid)).toBe(false);

  const second = await startLocalSchemaRegistry({ dataDir });
  onTestFinished(() => second.stop());
  const subjects = await fetch(`${second.url}/subjects`);
  expect(await subjects.json()).toEqual(['kept']);
});
