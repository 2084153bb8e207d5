// Lets another process own a local server, as Modelog does, and kills that process.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type Owner = {
  serverPid: number;
  /** PostgreSQL's URL, or Kafka's host and port. */
  address: string;
  /** Ends the owner as `kill -9` does, which leaves the server behind. */
  kill(): Promise<void>;
};

/** Starts a process that owns a server on `dataDir`, and waits until the server serves. */
export async function startOwner(kind: 'postgres' | 'kafka', dataDir: string): Promise<Owner> {
  const program = fileURLToPath(new URL('owner-process.ts', import.meta.url));
  const owner: ChildProcess = spawn(process.execPath, [program, kind, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(owner, 'exit');
  const [printed] = (await Promise.race([
    once(owner.stdout!, 'data'),
    exited.then(([code]) => Promise.reject(new Error(`The owner ended with ${String(code)}`))),
  ])) as [Buffer];
  const [pid, address] = printed.toString().trim().split(' ');
  return {
    serverPid: Number(pid),
    address: address!,
    async kill() {
      owner.kill('SIGKILL');
      await exited;
    },
  };
}
