// Holds our partition function equal to the one that deals the messages out.
import { assert, integer, property, string } from 'fast-check';
import { Partitioners } from 'kafkajs';
import { expect, test } from 'vitest';
import { partitionOf } from '#infra/kafka/partition.ts';

const partitionByKafkajs = (key: string, partitions: number): number =>
  Partitioners.DefaultPartitioner()({
    topic: 'any',
    partitionMetadata: Array.from({ length: partitions }, (_, partitionId) => ({
      partitionErrorCode: 0,
      partitionId,
      leader: 1,
      replicas: [1],
      isr: [1],
    })),
    message: { key, value: null },
  });

test('a key has the partition that the producer gives it, whatever its characters', () => {
  assert(
    property(
      string({ unit: 'binary', maxLength: 40 }),
      integer({ min: 1, max: 100 }),
      (key, partitions) => {
        expect(partitionOf(key, partitions)).toBe(partitionByKafkajs(key, partitions));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('the streams of one tenant spread over every partition', () => {
  const seen = new Set(
    Array.from({ length: 500 }, (_, n) => partitionOf(`model:default:модель-${n}`, 12)),
  );
  expect(seen.size).toBe(12);
});
