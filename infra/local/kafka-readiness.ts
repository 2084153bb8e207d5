// Tells when a Kafka serves idempotent producers and consumer groups, which is seconds after its port is open.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalServerError, messageOf } from './process.ts';

// The numbers of https://kafka.apache.org/protocol: requests in their oldest version that Kafka 4 still speaks.
const findCoordinator = { key: 10, version: 0 };
const heartbeat = { key: 12, version: 0 };
const initProducerId = { key: 22, version: 0 };
const noError = 0;
const unknownMemberId = 25;

// Groups are dealt to the partitions of the offsets topic by Java's hash of their name, and names that differ in the last
// digit only have hashes in a row: so these ask every partition's coordinator where there are at most this many.
const coordinatorsMax = 4;
const requestTimeoutMs = 2_000;
const retryDelayMs = 50;

/**
 * Resolves when the broker has given a producer id and when its group coordinators have loaded their state.
 * @throws LocalServerError with the last answer, after `timeoutMs`
 */
export async function waitUntilKafkaServes(
  address: { host: string; port: number },
  options: { timeoutMs: number; signal?: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    try {
      await askOnce(address);
      return;
    } catch (cause) {
      if (options.signal?.aborted) throw cause;
      if (performance.now() > deadline) {
        const text = `Kafka on ${address.host}:${address.port} did not get ready in ${options.timeoutMs} ms`;
        throw new LocalServerError('not_started', `${text}: ${messageOf(cause)}`, {
          retryable: true,
          cause,
        });
      }
    }
    await delay(retryDelayMs);
  }
}

async function askOnce(address: { host: string; port: number }): Promise<void> {
  const socket = connect({ ...address, timeout: requestTimeoutMs });
  socket.once('timeout', () => socket.destroy(new Error('no answer in time')));
  try {
    await once(socket, 'connect');
    // The error code follows the throttle time; no transactional id is a length of -1.
    const producer = await ask(socket, initProducerId, Buffer.concat([int16(-1), int32(60_000)]));
    expectCode('InitProducerId', producer.readInt16BE(4), noError);
    for (let digit = 0; digit < coordinatorsMax; digit++) {
      const group = string(`modelog-readiness-${digit}`);
      // The first question of this kind makes the broker make its offsets topic.
      const coordinator = await ask(socket, findCoordinator, group);
      expectCode('FindCoordinator', coordinator.readInt16BE(0), noError);
      const beat = await ask(socket, heartbeat, Buffer.concat([group, int32(-1), string('')]));
      expectCode('Heartbeat', beat.readInt16BE(0), unknownMemberId);
    }
  } finally {
    socket.destroy();
  }
}

/** Sends one request and returns the body of its response. */
async function ask(
  socket: Socket,
  api: { key: number; version: number },
  body: Buffer,
): Promise<Buffer> {
  const correlationId = 1;
  const header = Buffer.concat([
    int16(api.key),
    int16(api.version),
    int32(correlationId),
    string('modelog-readiness'),
  ]);
  socket.write(Buffer.concat([int32(header.length + body.length), header, body]));
  let received = Buffer.alloc(0);
  while (received.length < 4 || received.length < 4 + received.readInt32BE(0)) {
    const [chunk] = (await Promise.race([
      once(socket, 'data'),
      once(socket, 'close').then(() => Promise.reject(new Error('the connection was closed'))),
    ])) as [Buffer];
    received = Buffer.concat([received, chunk]);
  }
  return received.subarray(8);
}

function expectCode(request: string, code: number, expected: number): void {
  if (code !== expected) throw new Error(`${request} answers error ${code}`);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(text: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)]);
}
