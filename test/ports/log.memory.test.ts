// The log in memory keeps the log's promises, so that rules can be tested on it.
import { expect, test } from 'vitest';
import { memoryLogStore, openMemoryLog } from '#test/memory-log.ts';
import { asked, entryOf, logContract } from './log.contract.ts';

logContract('memory', async () => {
  const store = memoryLogStore();
  return { open: async () => openMemoryLog(store), close: async () => undefined };
});

test('its time never goes back, whatever the clock says', async () => {
  const times = ['2026-01-02', '2026-01-01', '2026-01-03'].map((day) => new Date(day));
  const log = openMemoryLog(memoryLogStore(), () => times.shift() ?? new Date('2026-01-01'));
  for (const version of [0, 1, 2]) await log.append([entryOf('model:t:a', version, asked())]);
  expect((await log.readAll(0, 3)).map((event) => event.recorded_at)).toEqual([
    '2026-01-02T00:00:00.000Z',
    '2026-01-03T00:00:00.000Z',
    '2026-01-03T00:00:00.000Z',
  ]);
});
