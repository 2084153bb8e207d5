// The local Kafka keeps what it was given, has one owner, and starts whatever happened to the one before.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createBroker } from '#infra/kafka/broker.ts';
import type { Broker } from '#infra/kafka/port.ts';
import { startLocalKafka } from '#infra/local/kafka.ts';
import { waitUntilKafkaServes } from '#infra/local/kafka-readiness.ts';
import { freePort, isAlive } from '#infra/local/process.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';
import { startOwner } from './killed-owner.ts';

const topic = { topic: 'kept', partitions: 1, config: {} };

function brokerAt(brokers: string[]): Broker {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  return createBroker({ brokers, clientId: 'local', log });
}

test('a second process is refused; after a killed owner the next start goes on with the same data', async () => {
  const dataDir = await temporaryDataDir();
  const owner = await startOwner('kafka', dataDir);
  onTestFinished(() => owner.kill());
  const broker = brokerAt([owner.address]);
  await broker.ensureTopics([topic]);
  const producer = await broker.createProducer();
  await producer.send(topic.topic, [{ key: 'key', value: 'value', headers: {} }]);
  await producer.close();
  await expect(startLocalKafka({ dataDir })).rejects.toMatchObject({
    code: 'in_use',
    message: expect.stringContaining('DATA_DIR'),
  });

  await owner.kill();
  expect(isAlive(owner.serverPid)).toBe(true);
  const kafka = await startLocalKafka({ dataDir });
  onTestFinished(() => kafka.stop());
  expect(isAlive(owner.serverPid)).toBe(false);
  expect(await brokerAt(kafka.brokers).topicEnds(topic.topic)).toEqual(new Map([[0, 1]]));

  await kafka.stop();
  expect(isAlive(kafka.pid)).toBe(false);
  await kafka.stop();
});

test('a port that is taken is said clearly', async () => {
  const dataDir = await temporaryDataDir();
  const taker = createServer();
  onTestFinished(() => void taker.close());
  const port = await freePort();
  taker.listen(port, '127.0.0.1');
  await once(taker, 'listening');
  await expect(startLocalKafka({ dataDir, port })).rejects.toMatchObject({
    code: 'port_busy',
    message: expect.stringMatching(new RegExp(`${port}.*LOCAL_KAFKA_PORT`)),
  });
});

test('what is not Kafka never counts as ready', async () => {
  const closesAtOnce = createServer((socket) => socket.end());
  onTestFinished(() => void closesAtOnce.close());
  const port = await freePort();
  closesAtOnce.listen(port, '127.0.0.1');
  await once(closesAtOnce, 'listening');
  const waiting = waitUntilKafkaServes({ host: '127.0.0.1', port }, { timeoutMs: 200 });
  await expect(waiting).rejects.toMatchObject({ code: 'not_started' });
});
