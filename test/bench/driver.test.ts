// Shows that the load driver tells the truth: nothing that was due goes uncounted, and no freeze is hidden.
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { DriverConfig, DriverResult } from './driver.ts';
import { runDriver } from './run-driver.ts';

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

async function portOf(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
  });
  cleanUps.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const httpPort = (listener: RequestListener): Promise<number> => portOf(createHttpServer(listener));

/** A server that answers each request with the bytes that `answer` gives, and nothing else. */
function rawPort(answer: (socket: Socket, request: number) => void): Promise<number> {
  let requests = 0;
  return portOf(
    createServer((socket) => {
      socket.on('data', () => answer(socket, ++requests));
    }),
  );
}

const config = (port: number, more: Partial<DriverConfig>): DriverConfig => ({
  port,
  workload: { name: 'hello' },
  connections: 10,
  durationMs: 500,
  ...more,
});

/** What holds after every run, whatever the server did. */
function expectAllCounted(result: DriverResult): void {
  const { timeout, transport, protocol } = result.failures;
  expect(result.sent + result.dropped).toBe(result.due);
  expect(result.completed + result.failed).toBe(result.sent);
  expect(timeout + transport + protocol).toBeGreaterThanOrEqual(result.failed);
  expect(result.latencyMs.count).toBe(result.sent);
  expect(Object.values(result.statuses).reduce((sum, count) => sum + count, 0)).toBe(
    result.completed,
  );
}

const whole = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

describe('open loop', () => {
  test('a freeze of 500 ms shows in every request that was due in it, though none was sent then', async () => {
    const frozenMs = 500;
    const ratePerSecond = 1_000;
    let requests = 0;
    const port = await httpPort((_request, response) => {
      requests += 1;
      if (requests === 300) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, frozenMs);
      response.end('ok');
    });
    const thresholdMs = 100;
    const result = await runDriver(
      config(port, { ratePerSecond, durationMs: 1_500, thresholdsMs: [thresholdMs] }),
    );
    expectAllCounted(result);
    // Due before the last 100 ms of the freeze: 400, of which ten were in flight; a closed loop would count those ten.
    const certainlySlow = ((frozenMs - thresholdMs) * ratePerSecond) / 1000;
    expect(result.above[0]?.count).toBeGreaterThanOrEqual(certainlySlow - 1);
    expect(result.latencyMs.max).toBeGreaterThanOrEqual(frozenMs - thresholdMs);
    expect(result.completed).toBe(1_500);
    expect(result.backlogHighest).toBeGreaterThan(300);
  });

  test('as many requests are due as the rate says, evenly or at random times', async () => {
    const port = await httpPort((_request, response) => response.end('ok'));
    const even = await runDriver(config(port, { ratePerSecond: 2_000 }));
    expectAllCounted(even);
    expect(even.due).toBe(1_000);
    const poisson = await runDriver(
      config(port, { ratePerSecond: 2_000, arrivals: 'poisson', seed: 7 }),
    );
    expectAllCounted(poisson);
    // The seed fixes the gaps; a Poisson count of mean 1,000 lies within 200 of it for any honest one.
    expect(Math.abs(poisson.due - 1_000)).toBeLessThan(200);
    expect(poisson.due).not.toBe(1_000);
  });

  test('what waits longer than any timeout after the end is never sent, though the server goes on', async () => {
    const port = await httpPort((_request, response) => void setTimeout(() => response.end(), 20));
    const result = await runDriver(
      config(port, { connections: 2, ratePerSecond: 2_000, timeoutMs: 200 }),
    );
    expectAllCounted(result);
    expect(result.due).toBe(1_000);
    // Two connections, 20 ms each: 70 in the 700 ms of sending and waiting.
    expect(result.completed).toBeLessThanOrEqual(80);
    expect(result.dropped).toBe(1_000 - result.completed);
  });

  test('what finds no connection and no room to wait is counted as dropped', async () => {
    const port = await rawPort(() => {});
    const result = await runDriver(
      config(port, { connections: 2, ratePerSecond: 200, backlogMax: 5, timeoutMs: 2_000 }),
    );
    expectAllCounted(result);
    expect(result.due).toBe(100);
    expect(result.backlogHighest).toBe(5);
    expect(result.dropped).toBeGreaterThan(0);
    expect(result.failures.timeout).toBe(result.sent);
    expect(result.completed).toBe(0);
  });
});

describe('closed loop', () => {
  test('each connection asks again as soon as it is answered, up to the number asked for', async () => {
    let inFlight = 0;
    let inFlightMax = 0;
    const port = await httpPort((_request, response) => {
      inFlight += 1;
      inFlightMax = Math.max(inFlightMax, inFlight);
      setImmediate(() => {
        inFlight -= 1;
        response.end('ok');
      });
    });
    const result = await runDriver(
      config(port, { mode: 'closed', connections: 4, requestsMax: 1_000, durationMs: 30_000 }),
    );
    expectAllCounted(result);
    expect(result.completed).toBe(1_000);
    expect(inFlightMax).toBeLessThanOrEqual(4);
  });
});

describe('what is no clean answer', () => {
  test('a connection cut in the middle of an answer is a failure, and the next request gets a new one', async () => {
    const port = await rawPort((socket, request) => {
      if (request === 3) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhal');
      else socket.write(whole);
    });
    const result = await runDriver(
      config(port, { mode: 'closed', connections: 1, requestsMax: 20, durationMs: 10_000 }),
    );
    expectAllCounted(result);
    expect(result.failures).toEqual({ timeout: 0, transport: 1, protocol: 0 });
    expect(result.completed).toBe(19);
  });

  test('bytes that are no HTTP answer are a protocol failure', async () => {
    const port = await rawPort((socket, request) => {
      socket.write(request === 3 ? 'SSH-2.0-OpenSSH_9.2\r\n\r\n' : whole);
    });
    const result = await runDriver(
      config(port, { mode: 'closed', connections: 1, requestsMax: 20, durationMs: 10_000 }),
    );
    expectAllCounted(result);
    expect(result.failures).toEqual({ timeout: 0, transport: 0, protocol: 1 });
    expect(result.samples.join()).toContain('SSH-2.0');
  });

  test('an answer doubled by the server is never taken for the answer to the next request', async () => {
    const port = await rawPort((socket, request) => {
      socket.write(request === 3 ? whole + whole : whole);
    });
    const result = await runDriver(
      config(port, { mode: 'closed', connections: 1, requestsMax: 20, durationMs: 10_000 }),
    );
    expectAllCounted(result);
    expect(result.failures.protocol).toBe(1);
  });

  test('statuses are counted apart, and the first refusals are shown', async () => {
    let requests = 0;
    const port = await httpPort((_request, response) => {
      requests += 1;
      response.statusCode = requests % 4 === 0 ? 503 : 200;
      response.end(response.statusCode === 503 ? '{"code":"overloaded"}' : 'ok');
    });
    const result = await runDriver(
      config(port, { mode: 'closed', requestsMax: 100, durationMs: 10_000 }),
    );
    expectAllCounted(result);
    expect(result.statuses).toEqual({ 200: 75, 503: 25 });
    expect(result.samples[0]).toContain('overloaded');
  });

  test('a server that closes after each answer costs new connections, not failures', async () => {
    const port = await httpPort((_request, response) => {
      response.setHeader('connection', 'close').end('ok');
    });
    const result = await runDriver(
      config(port, { mode: 'closed', connections: 5, requestsMax: 15, durationMs: 10_000 }),
    );
    expectAllCounted(result);
    expect(result.completed).toBe(15);
  });

  test('a server that cannot be reached at all fails the run', async () => {
    const server = createServer();
    const port = await portOf(server);
    server.close();
    await once(server, 'close');
    await expect(runDriver(config(port, {}))).rejects.toThrow('ECONNREFUSED');
  });
});
