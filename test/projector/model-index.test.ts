// What models are listed by, in memory: it is all that there is, as the last change left it, or says that it does not know.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { parseStream } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import type { ListedModel } from '#services/projector/listed-model.ts';
import { openModelIndex } from '#services/projector/model-index.ts';
import type { ModelIndex, ModelPlace } from '#services/projector/model-index.ts';
import type { Reader } from '#services/projector/reader.ts';
import { eventually } from '#test/eventually.ts';

const newestFirst = { column: 'm.serial', type: 'bigint', direction: 'desc' } as const;
const byName = { column: 'm.name', type: 'text', direction: 'asc' } as const;
const caller = { tenant: 'default', sees: null };

const model = (serial: number, facts: Partial<ListedModel> = {}): ListedModel => ({
  tenant: 'default',
  model_id: `id-${serial}`,
  serial,
  name: `model-${serial}`,
  framework: 'jax',
  team: 'risk',
  project: null,
  model_type: null,
  task: null,
  category: null,
  tags: {},
  is_active: true,
  is_deleted: false,
  stages: [],
  stream_version: 1,
  position: serial,
  ...facts,
});

/** A database whose answers come when the test lets them come. */
function heldDatabase() {
  const asked: { answer: (rows: ListedModel[]) => void; fail: (error: Error) => void }[] = [];
  const rows = (() => {
    const { promise, resolve, reject } = Promise.withResolvers<ListedModel[]>();
    asked.push({ answer: resolve, fail: reject });
    return promise;
  }) as unknown as Reader['rows'];
  const next = async () => {
    await eventually(() => asked.length > 0);
    return asked.shift()!;
  };
  return {
    rows,
    asked,
    next,
    /** Answers all that there is, and that there is no more. */
    async answer(models: ListedModel[]): Promise<void> {
      if (models.length > 0) (await next()).answer(models);
      (await next()).answer([]);
    },
  };
}

const idOf = ({ stream }: ModelPlace): string => parseStream(stream)!.id;

const open = (database: Pick<Reader, 'rows'>, bytesMax?: number): ModelIndex =>
  openModelIndex(database, openLogger('silent'), bytesMax);
/** An index that holds these models. */
async function holding(models: ListedModel[], bytesMax?: number): Promise<ModelIndex> {
  const database = heldDatabase();
  const index = open(database, bytesMax);
  index.claimed();
  await database.answer(models);
  await eventually(() => serials(index) !== null);
  return index;
}
const serials = (index: ModelIndex, asked: object = {}): string[] | null =>
  index.page(caller, asked, newestFirst)?.rows.map(idOf) ?? null;

describe('the index', () => {
  test('knows nothing before this process writes the views', () => {
    const index = open(heldDatabase());
    index.changed([model(1)]);
    expect(serials(index)).toBeNull();
  });

  test('lists once all that there was is read, with what has changed meanwhile', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    index.changed([model(2, { stream_version: 3, framework: 'torch' }), model(3)]);
    expect(serials(index)).toBeNull();
    await database.answer([model(1), model(2)]);
    await eventually(() => serials(index) !== null);
    expect(serials(index)).toEqual(['id-3', 'id-2', 'id-1']);
    expect(serials(index, { framework: 'jax' })).toEqual(['id-3', 'id-1']);
  });

  test('does not bring back what was deleted while an older row of it was still coming', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    index.changed([model(1, { stream_version: 2, is_deleted: true })]);
    await database.answer([model(1), model(2)]);
    await eventually(() => serials(index) !== null);
    expect(serials(index)).toEqual(['id-2']);
  });

  test('begins anew with another claim, whatever an earlier load still brings', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    const early = await database.next();
    index.claimed();
    early.answer([model(1)]);
    await database.answer([model(2)]);
    await eventually(() => serials(index) !== null);
    expect(serials(index)).toEqual(['id-2']);
  });

  test('says nothing from the moment that other tables serve until it has read them', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    await database.answer([model(1)]);
    await eventually(() => serials(index) !== null);
    index.forget();
    expect(serials(index)).toBeNull();
    // a second word of it asks for no second load
    index.forget();
    await database.answer([model(5)]);
    await eventually(() => serials(index) !== null);
    expect([serials(index), database.asked]).toEqual([['id-5'], []]);
  });

  test('is loaded although the database fails once', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    (await database.next()).fail(new Error('gone'));
    await database.answer([model(1)]);
    await eventually(() => serials(index) !== null);
    expect(serials(index)).toEqual(['id-1']);
  });

  test('leaves a registry with too many models to the database', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    await database.answer([model(1)]);
    await eventually(() => serials(index) !== null);
    index.changed([model(300_001)]);
    expect(serials(index)).toBeNull();
    index.changed([model(2)]);
    expect(serials(index)).toBeNull();
  });

  test('reads nothing any more once this process ends', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    const { fail } = await database.next();
    index.close();
    fail(new Error('the pool has ended'));
    await nextTurn();
    index.claimed();
    index.forget();
    index.changed([model(1)]);
    expect([serials(index), database.asked]).toEqual([null, []]);
  });

  test('knows a tag from another one that reads alike', async () => {
    const tags = [{ a: 'b' }, { 'a:b': 'c' }, { b: 'a' }, { a: '' }, { '': 'b' }, { a: 'b:c' }];
    const index = await holding(tags.map((tags, nth) => model(nth + 1, { tags, category: 'a' })));
    expect(serials(index, { tag: 'a' })).toEqual(['id-6', 'id-4', 'id-1']);
    expect(serials(index, { tag: 'a:b' })).toEqual(['id-1']);
    expect(serials(index, { tag: 'a:b:c' })).toEqual(['id-6']);
    expect(serials(index, { tag: 'a:' })).toEqual(['id-4']);
    expect(serials(index, { tag: ':b' })).toEqual(['id-5']);
    expect(serials(index, { tag: 'jax' })).toEqual([]);
  });

  test('leads from page to page to the end, and no further', async () => {
    const index = await holding([1, 2, 3, 4, 5, 6].map((serial) => model(serial)));
    const byChange = { column: 'm.position', type: 'bigint', direction: 'asc' } as const;
    for (const order of [newestFirst, byName, byChange])
      for (let size = 1; size <= 7; size++) {
        const sizes: number[] = [];
        let page_token: string | undefined;
        do {
          const page = index.page(caller, { page_size: size, page_token }, order)!;
          const numbered = index.page(caller, { page: sizes.length + 1, size }, order)!;
          expect(numbered).toEqual(page);
          sizes.push(page.rows.length);
          page_token = page.nextPageToken ?? undefined;
        } while (page_token !== undefined);
        expect(sizes).toHaveLength(Math.ceil(6 / size));
        expect(sizes.reduce((sum, rows) => sum + rows)).toBe(6);
        const beyond = index.page(caller, { page: sizes.length + 1, size }, order)!;
        expect(beyond).toMatchObject({ rows: [], nextPageToken: null, totalCount: 6 });
      }
  });

  test('finds many by name in their order, whatever names they had before', async () => {
    // some sort otherwise by UTF-16 than by code points
    const letters = ['b', '\uff5e', '\u{1f600}', 'a', 'aa', 'Z'];
    const nameOf = (serial: number, version: number) =>
      `${letters[(serial * version) % letters.length]}${(serial * 7_919) % 5_003}`;
    const models = Array.from({ length: 5_000 }, (_, nth) =>
      model(nth + 1, { name: nameOf(nth + 1, 1), project: nth < 500 ? 'cards' : null }),
    );
    const index = await holding(models);
    for (let version = 1; version <= 4; version++) {
      for (const [nth, { serial }] of models.entries()) {
        if (version === 1 || serial % version !== 0) continue;
        const facts = { ...models[nth]!, name: nameOf(serial, version), stream_version: version };
        models[nth] = model(serial, { ...facts, is_deleted: serial % 17 === version });
        index.changed([models[nth]]);
      }
      for (const direction of ['asc', 'desc'] as const)
        for (const project of [undefined, 'cards']) {
          const names = models
            .filter((one) => !one.is_deleted && (project ?? one.project) === one.project)
            .map(({ name }) => name)
            .toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
          const expected = direction === 'asc' ? names : names.toReversed();
          const seen: string[] = [];
          let page_token: string | undefined;
          do {
            const page = index.page(
              caller,
              { project, page_size: 1_000, page_token },
              { ...byName, direction },
            )!;
            expect(page.totalCount).toBe(names.length);
            seen.push(...page.rows.map((row) => models[Number(idOf(row).slice(3)) - 1]!.name));
            page_token = page.nextPageToken ?? undefined;
          } while (page_token !== undefined);
          expect(seen).toEqual(expected);
          const last = index.page(
            caller,
            { project, page: Math.ceil(names.length / 70), size: 70 },
            { ...byName, direction },
          )!;
          expect(last.nextPageToken).toBeNull();
          expect(last.rows.map((row) => models[Number(idOf(row).slice(3)) - 1]!.name)).toEqual(
            expected.slice(Math.floor((names.length - 1) / 70) * 70),
          );
        }
    }
  });

  test('counts to the end, however many there are', async () => {
    const index = await holding(Array.from({ length: 10_001 }, (_, nth) => model(nth + 1)));
    expect(index.page(caller, { framework: 'jax', team: 'risk' }, newestFirst)).toMatchObject({
      totalCount: 10_001,
      isCapped: false,
    });
  });

  test('makes no page that cannot be', async () => {
    const index = await holding([model(1)]);
    for (const query of [{ page: 1, page_size: 3 }, { page_token: 'x' }])
      expect(() => index.page(caller, query, newestFirst)).toThrow(Problem);
  });

  test('shows nobody what is of another tenant, or of another team', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    await database.answer([
      model(1),
      model(2, { team: null, project: 'cards' }),
      model(3, { team: 'fraud' }),
    ]);
    await eventually(() => serials(index) !== null);
    const seen = (tenant: string, sees: readonly ('team:risk' | 'project:cards')[] | null) =>
      index.page({ tenant, sees }, {}, newestFirst)!;
    expect(seen('other', null)).toMatchObject({ rows: [], totalCount: 0 });
    const { rows, totalCount } = seen('default', ['team:risk', 'project:cards']);
    expect([rows.map(idOf), totalCount]).toEqual([['id-2', 'id-1'], 2]);
    expect(seen('default', []).totalCount).toBe(0);
  });

  test('finds a model by what it is now, and not by what it was', async () => {
    const database = heldDatabase();
    const index = open(database);
    index.claimed();
    await database.answer([model(1, { tags: { tier: 'gold', 'a:b': 'c' } }), model(2)]);
    await eventually(() => serials(index) !== null);
    expect(serials(index, { tag: 'tier:gold' })).toEqual(['id-1']);
    expect(serials(index, { tag: 'tier' })).toEqual(['id-1']);
    expect(serials(index, { tag: 'a:b' })).toEqual([]);
    index.changed([
      model(1, {
        stream_version: 2,
        team: 'fraud',
        tags: { tier: 'tin' },
        stages: ['production'],
        is_active: false,
      }),
    ]);
    const now = (asked: object) => serials(index, asked);
    expect([now({ team: 'risk' }), now({ team: 'fraud' })]).toEqual([['id-2'], ['id-1']]);
    expect([now({ tag: 'tier:gold' }), now({ tag: 'tier:tin' })]).toEqual([[], ['id-1']]);
    expect([now({ stage: 'production' }), now({ is_active: true })]).toEqual([['id-1'], ['id-2']]);
    expect(now({ framework: 'jax', team: 'fraud', is_active: false })).toEqual(['id-1']);
  });
});

describe('memory', () => {
  test.each([
    ['models', 400, (nth: number) => model(nth)],
    ['tenants', 30, (nth: number) => model(1, { tenant: `tenant-${nth}` })],
    [
      'texts',
      150,
      (nth: number) => model(1, { stream_version: nth, tags: { run: 'x'.repeat(nth * 1_000) } }),
    ],
    [
      'tags',
      30,
      (nth: number) => {
        const keys = Array.from({ length: nth * 20 }, (_, key) => [key, '']);
        return model(1, { stream_version: nth, tags: Object.fromEntries(keys) });
      },
    ],
  ])('for %s is bounded: more is listed by the database', async (_, many, nth) => {
    const index = await holding([], 100_000);
    index.changed([nth(1)]);
    expect(serials(index)).not.toBeNull();
    index.changed(Array.from({ length: many }, (_, more) => nth(more + 2)));
    expect(serials(index)).toBeNull();
  });

  test('is given back for what is there no more', async () => {
    const index = await holding([], 100_000);
    for (let nth = 1; nth <= 1_000; nth++)
      index.changed([
        model(1, { stream_version: nth, team: `team-${nth}`, tags: { run: `run-${nth}` } }),
      ]);
    expect(serials(index, { team: 'team-1000', tag: 'run:run-1000' })).toEqual(['id-1']);
    for (const gone of [{ team: 'team-999' }, { tag: 'run:run-999' }])
      expect(serials(index, gone)).toEqual([]);
  });

  test('for a tenant of one model is little', async () => {
    const index = await holding([]);
    const before = process.memoryUsage().arrayBuffers;
    index.changed(Array.from({ length: 1_000 }, (_, nth) => model(1, { tenant: `t${nth}` })));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000);
    expect(index.page({ tenant: 't999', sees: null }, {}, newestFirst)?.totalCount).toBe(1);
  });
});
