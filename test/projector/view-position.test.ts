// How far views that read from Kafka are: the least over the partitions, and never more than is certain.
import { expect, test } from 'vitest';
import type { Offset } from '#services/projector/generations.ts';
import { positionByKafka } from '#services/projector/view-position.ts';

const applied = (partition: number, position: number, nextOffset: number | null): Offset => ({
  partition,
  owner: null,
  position,
  nextOffset,
});

test('where all that was sent is applied, the views are where the relay is', () => {
  const relayed = { position: 50, partitions: { 0: { position: 40, offset: 9 } } };
  expect(positionByKafka([applied(0, 40, 10)], relayed)).toBe(50);
});

test('a partition with something left to apply holds the views at its last event', () => {
  const partitions = { 0: { position: 40, offset: 9 }, 3: { position: 48, offset: 20 } };
  const offsets = [applied(0, 40, 10), applied(3, 30, 15)];
  expect(positionByKafka(offsets, { position: 50, partitions })).toBe(30);
});

test('a partition of which nothing is read yet holds the views at the beginning', () => {
  const relayed = { position: 50, partitions: { 7: { position: 3, offset: 0 } } };
  expect(positionByKafka([applied(7, 0, null)], relayed)).toBe(0);
  expect(positionByKafka([], relayed)).toBe(0);
});

test('offsets of a topic that was made anew since are not believed', () => {
  const relayed = { position: 90, partitions: { 0: { position: 80, offset: 5 } } };
  expect(positionByKafka([applied(0, 60, 100)], relayed)).toBe(60);
});

test('an event applied before the relay told of it does not count as more than the relay has sent', () => {
  const relayed = { position: 20, partitions: { 0: { position: 20, offset: 2 } } };
  expect(positionByKafka([applied(0, 70, 9)], relayed)).toBe(20);
});
