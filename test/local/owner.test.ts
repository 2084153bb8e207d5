// A data folder has one live owner.
import { spawnSync } from 'node:child_process';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownFolder } from '#infra/local/owner.ts';
import { processIdentity } from '#infra/local/process.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';

test('a folder that has a live owner is refused, with the pid of that owner and the remedy', async () => {
  const folder = await temporaryDataDir();
  await ownFolder(folder);
  await expect(ownFolder(folder)).rejects.toMatchObject({
    code: 'in_use',
    message: expect.stringMatching(new RegExp(`${process.pid}.*DATA_DIR`)),
  });
});

test('a folder that was released can be owned again, and names no owner any more', async () => {
  const folder = await temporaryDataDir();
  const first = await ownFolder(folder);
  await first.release();
  expect(await readdir(folder)).toEqual(['owner.lock']);
  const second = await ownFolder(folder);
  await first.release();
  await expect(ownFolder(folder)).rejects.toMatchObject({ code: 'in_use' });
  await second.release();
});

test('a dead owner is succeeded, whatever it left behind', async () => {
  const folder = await temporaryDataDir();
  for (const left of [`${process.pid}\nearlier-boot/1\n`, '4194304\n', '']) {
    await writeFile(join(folder, 'owner.pid'), left);
    const owner = await ownFolder(folder);
    expect(await readFile(join(folder, 'owner.pid'), 'utf8')).toBe(`${process.pid}\n`);
    await owner.release();
  }
});

test('an owner stays one, though nobody keeps what it was given', async () => {
  const folder = await temporaryDataDir();
  const script = `
    const { ownFolder } = await import('#infra/local/owner.ts');
    await ownFolder(process.argv[1]);
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
    await ownFolder(process.argv[1]).catch((error) => process.stdout.write(error.code));`;
  const owner = spawnSync(process.execPath, [
    '--expose-gc',
    '--input-type=module-typescript',
    '-e',
    script,
    folder,
  ]);
  expect(owner.stdout.toString()).toBe('in_use');
});

test('an owner that was killed is succeeded at once', async () => {
  const folder = await temporaryDataDir();
  const script = `
    const { ownFolder } = await import('#infra/local/owner.ts');
    await ownFolder(process.argv[1]);
    process.kill(process.pid, 'SIGKILL');`;
  const owner = spawnSync(process.execPath, [
    '--input-type=module-typescript',
    '-e',
    script,
    folder,
  ]);
  expect(owner.signal).toBe('SIGKILL');
  expect(await readFile(join(folder, 'owner.pid'), 'utf8')).toBe(`${owner.pid}\n`);
  await (await ownFolder(folder)).release();
});

test('of many that claim a dead owner’s folder at once, one gets it', async () => {
  const folder = await temporaryDataDir();
  await writeFile(join(folder, 'owner.pid'), '4194304\n');
  const claims = await Promise.allSettled(Array.from({ length: 20 }, () => ownFolder(folder)));
  expect(claims.filter((claim) => claim.status === 'fulfilled')).toHaveLength(1);
});

test('a process is known by more than its pid', () => {
  expect(processIdentity(process.pid)).toBe(processIdentity(process.pid));
  expect(processIdentity(process.pid)).not.toBe(processIdentity(process.ppid));
});
