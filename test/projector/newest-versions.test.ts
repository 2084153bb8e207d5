// The first page of a model's versions, which is read with those of other models: the page that the list itself would be.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openFind } from '#services/projector/find.ts';
import type { Reader } from '#services/projector/reader.ts';
import { serveRegistry } from './served.ts';
import type { ServedRegistry } from './served.ts';

const versions = 5;
const names = ['none', 'some', 'same', 'gone'];
let registry: ServedRegistry;

beforeAll(async () => {
  registry = await serveRegistry();
  const { post, call } = registry;
  for (const name of names) await post('/models', { name });
  for (let nth = 0; nth < versions; nth++)
    for (const name of ['some', 'same', 'gone']) await post(`/models/${name}/versions`, {});
  for (const number of [5, 2]) await call('DELETE', `/models/gone/versions/${number}`);
});
afterAll(() => registry.stop());

test('it has the same versions, the same total and the same way on, at every size', async () => {
  const sizes = Array.from({ length: versions + 1 }, (_, nth) => nth + 1);
  const asked = names.flatMap((name) => sizes.map((size) => ({ name, size })));
  const page = async (query: (size: number) => string) =>
    await Promise.all(
      asked.map(async ({ name, size }) => {
        const { body } = await registry.get(`/models/${name}/versions?${query(size)}`);
        return body as unknown as { items: { number: number }[]; total_count: number };
      }),
    );
  // all at once, so that they are read together
  const first = await page((size) => `page_size=${size}`);
  expect(first).toEqual(await page((size) => `page=1&size=${size}`));
  const numbersOf = (name: string, size: number) => {
    const nth = asked.findIndex((one) => one.name === name && one.size === size);
    return first[nth]!.items.map(({ number }) => number);
  };
  expect(numbersOf('some', 5)).toEqual([5, 4, 3, 2, 1]);
  expect(numbersOf('gone', 3)).toEqual([4, 3, 1]);
  expect(numbersOf('none', 1)).toEqual([]);
});

test('a page that is filled to its end leads to no other', async () => {
  for (const [name, left] of [
    ['some', versions],
    ['gone', versions - 2],
  ] as const) {
    const wayOn = async (size: number) =>
      (await registry.get(`/models/${name}/versions?page_size=${size}`)).body['next_page_token'];
    expect(await wayOn(left)).toBeNull();
    const next = await registry.get(
      `/models/${name}/versions?page_size=${left}&page_token=${await wayOn(left - 1)}`,
    );
    expect(next.body).toMatchObject({ items: [{ number: 1 }], next_page_token: null });
  }
});

test('however many are asked for at once, a query reads a bounded number of versions', async () => {
  const queries: { models: number; versions: number }[] = [];
  const reader = {
    rows: async ({ values }: { values: [string[], number] }) => {
      const [ids, count] = values;
      queries.push({ models: ids.length, versions: ids.length * count });
      return await Promise.resolve([]);
    },
  } as unknown as Reader;
  const { newestVersions } = openFind(reader);
  for (const count of [2, 51, 1_001]) {
    queries.length = 0;
    const ids = Array.from({ length: 1_000 }, (_, nth) => `${nth}`);
    await Promise.all(ids.map((id) => newestVersions(id, count)));
    expect(queries.reduce((sum, { models }) => sum + models, 0)).toBe(1_000);
    expect(Math.max(...queries.map(({ versions }) => versions))).toBeLessThanOrEqual(11_000);
  }
});
