// A data directory for one test, inside the run's folder, so that whatever is started there ends with the run at last.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';

/** Makes a folder that the user PostgreSQL runs as can pass through; removed when the test has finished. */
export async function temporaryDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(inject('runFolder'), 'data-'));
  await chmod(dataDir, 0o711);
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  return dataDir;
}
