// Runs the load driver in a process of its own, as every measurement does.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DriverConfig, DriverResult } from './driver.ts';

const driver = fileURLToPath(import.meta.resolve('./driver.ts'));
// After the last request is due: to connect, to wait for answers up to their timeout, and to print.
const endingMsMax = 60_000;
const outputBytesMax = 16 * 1024 * 1024;

/** One run, ended by `signal` or, if it does not end by itself, a minute after its time. Rejects if it cannot run. */
export async function runDriver(config: DriverConfig, signal?: AbortSignal): Promise<DriverResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [driver, JSON.stringify(config)], {
    timeout: config.durationMs + (config.timeoutMs ?? 10_000) + endingMsMax,
    killSignal: 'SIGKILL',
    maxBuffer: outputBytesMax,
    ...(signal && { signal }),
  });
  return JSON.parse(stdout) as DriverResult;
}
