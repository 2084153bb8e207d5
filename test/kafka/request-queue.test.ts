// Holds kafkajs's request queue mended: no timer for nothing, and what waits is still sent.
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { createBroker } from '#infra/kafka/broker.ts';
import { eventually } from '#test/eventually.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

type Queue = {
  throttleCheckTimeoutId: unknown;
  maybeThrottle: (throttleMs: number) => void;
  checkPendingRequests: () => void;
  push: (request: { entry: object; expectResponse: boolean; sendRequest: () => void }) => void;
  destroy: () => void;
};

function newQueue(): Queue {
  createBroker({ brokers: ['127.0.0.1:1'], clientId: 'test', log: silent });
  const RequestQueue = createRequire(import.meta.url)(
    'kafkajs/src/network/requestQueue/index.js',
  ) as new (options: object) => Queue;
  return new RequestQueue({ maxInFlightRequests: null, requestTimeout: 1_000, logger: silent });
}

test('a connection on which nothing waits sets no timer', () => {
  const queue = newQueue();
  queue.checkPendingRequests();
  expect(queue.throttleCheckTimeoutId).toBeNull();
});

test('a request that was held back by the broker is sent when the time is over', async () => {
  const queue = newQueue();
  let sent = false;
  queue.maybeThrottle(50);
  queue.push({
    entry: { correlationId: 1 },
    expectResponse: true,
    sendRequest: () => (sent = true),
  });
  expect(sent).toBe(false);
  await eventually(() => sent);
  queue.destroy();
});
