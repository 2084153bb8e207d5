// What models are listed by, in memory: it is all that there is, as the last change left it, or says that it does not know.
import { describe, expect, test } from 'vitest';
import { openLogger } from '#infra/telemetry/logger.ts';
import type { ListedModel } from '#services/projector/listed-model.ts';
import { openModelIndex } from '#services/projector/model-index.ts';
import type { ModelIndex } from '#services/projector/model-index.ts';
import type { Reader } from '#services/projector/reader.ts';
import { TextCodes } from '#services/projector/text-codes.ts';
import { eventually } from '#test/eventually.ts';

const newestFirst = { column: 'm.serial', type: 'bigint', direction: 'desc' } as const;
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
      (await next()).answer(models);
      (await next()).answer([]);
    },
  };
}

const open = (database: Pick<Reader, 'rows'>): ModelIndex =>
  openModelIndex(database, openLogger('silent'));
const serials = (index: ModelIndex, asked: object = {}): string[] | null =>
  index.page(caller, asked, newestFirst)?.rows.map(({ model_id }) => model_id) ?? null;

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
    expect([rows.map(({ model_id }) => model_id), totalCount]).toEqual([['id-2', 'id-1'], 2]);
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

test('a code belongs to its text for as long as a row has it, and then to another', () => {
  const codes = new TextCodes();
  const jax = codes.take('jax');
  expect(codes.take('jax')).toBe(jax);
  codes.release(jax);
  expect(codes.find('jax')).toBe(jax);
  codes.release(jax);
  expect(codes.find('jax')).toBeUndefined();
  expect(codes.take('torch')).toBe(jax);
  expect(codes.take('jax')).not.toBe(jax);
  expect(codes.take(null)).toBe(codes.take(null));
});
