// Sends as programs in other languages do: compressed, also by what kafkajs does not have.
import kafkajs from 'kafkajs';
import type { Message } from 'kafkajs';
import { kafkaBrokers } from '#test/real/kafka.ts';

const { GZIP, Snappy } = kafkajs.CompressionTypes;

/** Snappy's format without its art: one literal of at most 64 KiB. */
function snappy(bytes: Buffer): Buffer {
  const length = bytes.length;
  const preamble: number[] = [];
  for (let rest = length; rest > 0; rest >>= 7)
    preamble.push(rest > 127 ? (rest & 127) | 128 : rest);
  const literal = [61 << 2, (length - 1) & 255, (length - 1) >> 8];
  return Buffer.concat([Buffer.from([...preamble, ...literal]), bytes]);
}

/** Sends all messages as one batch. */
export async function sendCompressed(
  by: 'gzip' | 'snappy',
  topic: string,
  messages: readonly Message[],
): Promise<void> {
  const client = new kafkajs.Kafka({
    brokers: kafkaBrokers(),
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const producer = client.producer({ retry: { retries: 1 } });
  const unknown = kafkajs.CompressionCodecs[Snappy];
  await producer.connect();
  kafkajs.CompressionCodecs[Snappy] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => snappy(buffer),
  });
  try {
    await producer.send({
      topic,
      compression: by === 'gzip' ? GZIP : Snappy,
      messages: [...messages],
    });
  } finally {
    kafkajs.CompressionCodecs[Snappy] = unknown;
    await producer.disconnect();
  }
}
