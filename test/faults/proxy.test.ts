// Shows that the fault proxy does to a connection what it says.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { openFaultProxy } from './proxy.ts';
import type { FaultProxy } from './proxy.ts';

let server: Server;
let proxy: FaultProxy;
/** What reached the server, which says the same again. */
let received: string;

beforeEach(async () => {
  received = '';
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received += String(chunk);
      socket.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await openFaultProxy({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
  });
});
afterEach(async () => {
  await proxy.close();
  server.close();
});

type Caller = { socket: Socket; heard: () => string; isEnded: () => boolean };

/** A connection through the proxy that keeps what it hears. */
function call(): Caller {
  const socket = connect(proxy);
  let heard = '';
  let isEnded = false;
  socket.on('data', (chunk) => (heard += String(chunk)));
  socket.on('error', () => undefined);
  socket.on('close', () => (isEnded = true));
  return { socket, heard: () => heard, isEnded: () => isEnded };
}

/** A caller that has been answered once. */
async function answeredCaller(): Promise<Caller> {
  const caller = call();
  caller.socket.write('a');
  await eventually(() => caller.heard() === 'a');
  return caller;
}

test('without a fault everything passes, and an end is passed on after the last word', async () => {
  const caller = await answeredCaller();
  caller.socket.end('b'.repeat(1_000_000));
  await eventually(caller.isEnded);
  expect(received).toHaveLength(1_000_001);
  expect(caller.heard()).toBe(received);
  expect(proxy.struck()).toBe(0);
});

test('delayed words arrive in order, also those said after the delay is over', async () => {
  const caller = await answeredCaller();
  proxy.set({ fault: 'delay', delayMs: 100 });
  caller.socket.write('b');
  await eventually(() => proxy.struck() > 0);
  expect(received).toBe('a');
  proxy.set({ fault: 'none' });
  caller.socket.write('c');
  await eventually(() => caller.heard() === 'abc');
  caller.socket.destroy();
});

test('a cut ends the connections there are, and the new ones, until it is healed', async () => {
  const before = await answeredCaller();
  proxy.set({ fault: 'cut' });
  expect(proxy.struck()).toBe(1);
  await eventually(before.isEnded);
  const during = call();
  await eventually(during.isEnded);
  expect(proxy.struck()).toBe(2);
  proxy.set({ fault: 'none' });
  (await answeredCaller()).socket.destroy();
});

test('a black hole takes words and connections, says nothing, and ends nothing until it is healed', async () => {
  const caller = await answeredCaller();
  proxy.set({ fault: 'black-hole' });
  caller.socket.write('b');
  await eventually(() => proxy.struck() > 0);
  expect(received).toBe('a');
  expect(caller.isEnded()).toBe(false);
  proxy.set({ fault: 'none' });
  await eventually(caller.isEnded);
  expect(received).toBe('a');
});

test('with lost answers the request arrives, and the connection ends without a word', async () => {
  const caller = await answeredCaller();
  proxy.set({ fault: 'drop-answers' });
  caller.socket.write('b');
  await eventually(caller.isEnded);
  expect(proxy.struck()).toBeGreaterThan(0);
  expect(received).toBe('ab');
  expect(caller.heard()).toBe('a');
});
