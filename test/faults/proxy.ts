// A TCP proxy that does to a connection what networks do: it delays, cuts, falls silent, or loses the answer.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

type FaultMode =
  /** Everything passes. */
  | { fault: 'none' }
  /** Everything arrives this much later, in order. */
  | { fault: 'delay'; delayMs: number }
  /** Every connection is reset, and so is each new one. */
  | { fault: 'cut' }
  /** Connections are taken and stay open, and nothing passes in either direction: no error shows by itself. */
  | { fault: 'black-hole' }
  /** Requests arrive and are obeyed; the answers are lost, and the connection with them. */
  | { fault: 'drop-answers' };

export type FaultProxy = {
  host: string;
  port: number;
  /** Applies to the connections there are and to new ones. */
  set: (mode: FaultMode) => void;
  /** How often the present mode has done something to a connection; a test whose fault never struck is void. */
  struck: () => number;
  /** How many connections there are. */
  open: () => number;
  close: () => Promise<void>;
};

/** Changes what the server says, answer by answer; one is made for each connection. */
export type AnswerFilter = (chunk: Buffer) => Buffer;

type Pair = { client: Socket; server: Socket };

/** Listens on a free port of the loopback address, and passes on to the target. */
export async function openFaultProxy(
  target: { host: string; port: number },
  makeAnswerFilter: (proxyPort: number) => AnswerFilter = () => (chunk) => chunk,
): Promise<FaultProxy> {
  let mode: FaultMode = { fault: 'none' };
  let strikes = 0;
  const pairs = new Set<Pair>();

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (mode.fault === 'cut') {
      strikes++;
      client.resetAndDestroy();
      return;
    }
    const pair = { client, server: connect({ ...target, allowHalfOpen: true }) };
    pairs.add(pair);
    const filter = makeAnswerFilter(port);
    carry(pair, client, pair.server, (chunk) => chunk);
    carry(pair, pair.server, client, filter);
  });

  function end(pair: Pair): void {
    pair.client.resetAndDestroy();
    pair.server.resetAndDestroy();
  }

  function carry(pair: Pair, from: Socket, to: Socket, filter: AnswerFilter): void {
    /** What was heard and not yet said; null is the end. */
    const waiting: (Buffer | null)[] = [];
    const sayNext = () => {
      const next = waiting.shift();
      if (!to.writable) return;
      if (next === null || next === undefined) return void to.end();
      if (to.write(next)) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
    const say = (next: Buffer | null) => {
      waiting.push(next);
      // Also behind a delay that is over, nothing overtakes.
      if (mode.fault === 'delay') setTimeout(sayNext, mode.delayMs);
      else if (waiting.length > 1) setTimeout(sayNext);
      else sayNext();
    };
    from.setNoDelay(true);
    from.on('data', (chunk: Buffer) => {
      if (mode.fault !== 'none') strikes++;
      if (mode.fault === 'black-hole') return;
      if (mode.fault === 'drop-answers' && from === pair.server) return end(pair);
      say(filter(chunk));
    });
    from.on('end', () => say(null));
    from.on('error', () => end(pair));
    from.on('close', () => pairs.delete(pair));
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { address: host, port } = server.address() as AddressInfo;
  return {
    host,
    port,
    set: (next) => {
      const before = mode;
      mode = next;
      strikes = 0;
      if (mode.fault === 'cut') strikes += pairs.size;
      // What a black hole has swallowed is missing from its connections for ever.
      if (mode.fault === 'cut' || before.fault === 'black-hole')
        for (const pair of pairs) end(pair);
    },
    struck: () => strikes,
    open: () => pairs.size,
    close: async () => {
      for (const pair of pairs) end(pair);
      server.close();
      await once(server, 'close');
    },
  };
}
