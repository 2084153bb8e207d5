// Rebuilding views beside those that serve, also while events are written, and redriving what is parked.
import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { Client } from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { projectFromLog } from '#services/projector/from-log.ts';
import { findServing } from '#services/projector/generations.ts';
import { findParkedStreams, redrive } from '#services/projector/parking.ts';
import type { Projection } from '#services/projector/projection.ts';
import { rebuild, RebuildRefused } from '#services/projector/rebuild.ts';
import type { RebuildProgress } from '#services/projector/rebuild.ts';
import { findViewPosition } from '#services/projector/view-position.ts';
import { views } from '#services/projector/views.ts';
import type { View } from '#services/projector/views/view.ts';
import { openWriter } from '#services/projector/writer.ts';
import type { Writer } from '#services/projector/writer.ts';
import { checkViews } from '#test/checker/views.ts';
import { eventually } from '#test/eventually.ts';
import { liveAModel, newVersion, openRegistry, registering } from './registry.ts';
import type { TestRegistry } from './registry.ts';

let registry: TestRegistry;
let projection: Projection;
let writer: Writer;
const at = { position: 0 };
/** What the projection wrote as an error. */
let errors: string[];
beforeEach(async () => {
  registry = await openRegistry();
  at.position = 0;
  errors = [];
  writer = openWriter({ url: registry.url, name: 'test', onError: () => undefined });
  projection = projectFromLog({
    log: registry.log,
    head: registry.head,
    writer,
    views,
    owner: randomUUID(),
    failpoint: () => undefined,
    observer: {
      serving: () => undefined,
      claimed: () => undefined,
      changed: () => undefined,
      applied: () => undefined,
      reached: (position) => void (at.position = position),
    },
    logger: pino(
      { level: 'error' },
      new Writable({
        write(line: Buffer, _encoding, done) {
          errors.push(line.toString());
          done();
        },
      }),
    ),
  });
});
afterEach(async () => {
  await projection.stop();
  await writer.close();
  await registry.close();
});

const caughtUp = () => eventually(async () => at.position === (await registry.log.head()).position);

const rebuildViews = (
  rebuilt: readonly View[],
  onProgress: (progress: RebuildProgress) => void = () => undefined,
  batches: { batchEvents?: number } = {},
) =>
  rebuild({
    url: registry.url,
    log: registry.log,
    views,
    rebuilt,
    servingPosition: () =>
      findViewPosition({
        views: registry.pool,
        log: registry.pool,
        topic: 'none',
        onServing: () => undefined,
      }),
    onProgress,
    ...batches,
  });

const viewsNamed = (...names: string[]): View[] => views.filter(({ name }) => names.includes(name));

/** A change by hand, as nobody should make it. */
async function edit(sql: string): Promise<void> {
  const admin = new Client({ connectionString: registry.url });
  await admin.connect();
  await admin.query(sql);
  await admin.end();
}

const tables = async (): Promise<string[]> => {
  const { rows } = await registry.pool.query<{ table: string }>(
    `select tablename as table from pg_tables where schemaname = 'views' and tablename ~ '_g[0-9]+$' order by 1`,
  );
  return rows.map(({ table }) => table);
};

test('views rebuilt while events are written equal the fold of the log, and go on', async () => {
  for (const name of ['a', 'b', 'c']) await liveAModel(registry, name);
  const rebuilt = new AbortController();
  const writing = (async () => {
    for (let nth = 0; !rebuilt.signal.aborted; nth++) await liveAModel(registry, `during-${nth}`);
  })();
  const report = await rebuildViews(views).finally(() => rebuilt.abort());
  await writing;
  expect(report.differences).toEqual([]);
  await liveAModel(registry, 'after');
  await caughtUp();
  expect(await checkViews(registry.url)).toEqual([]);
  const { generation } = await findServing(writer);
  expect(generation).toBe(report.generation);
  expect(await tables()).toEqual(
    [
      'bindings',
      'deployments',
      'models',
      'promotion_requests',
      'stats',
      'stream_versions',
      'timeline',
      'versions',
    ].map((name) => `${name}_g${generation}`),
  );
});

test('it makes no difference where a batch ends, in the middle of a stream too', async () => {
  for (const name of ['a', 'b', 'c', 'd']) await liveAModel(registry, name);
  await caughtUp();
  const folded: number[] = [];
  const note = (progress: RebuildProgress): void => {
    if (progress.step === 'folding') folded.push(progress.position);
  };
  const { events, differences } = await rebuildViews(views, note, { batchEvents: 3 });
  expect(differences).toEqual([]);
  const ends = Array.from({ length: Math.ceil(events / 3) }, (_, batch) => batch * 3);
  expect([...new Set(folded)]).toEqual([...ends, events]);
  await liveAModel(registry, 'after');
  await caughtUp();
  // the tables that it wrote until then are gone, which is no fault
  expect(errors).toEqual([]);
  expect(await checkViews(registry.url)).toEqual([]);
});

test('a rebuild that fails among its batches says why, and leaves no connection that goes on', async () => {
  for (let nth = 0; nth < 12; nth++) await liveAModel(registry, `model-${nth}`);
  await caughtUp();
  const models = views.find(({ name }) => name === 'models')!;
  let made = 0;
  const failing: View = {
    ...models,
    columns: {
      ...models.columns,
      serial: [
        'integer',
        () => {
          if (++made === 1) throw new Error('the machine is broken');
          return made;
        },
      ],
    },
  };
  const rebuilding = rebuildViews([failing], undefined, { batchEvents: 60 });
  await expect(rebuilding).rejects.toThrow('the machine is broken');
  const madeUntilThen = made;
  await rebuildViews(views);
  expect(made).toBe(madeUntilThen);
  const { rows } = await registry.pool.query(
    `select from pg_stat_activity where application_name = 'modelog-rebuild'`,
  );
  expect(rows).toEqual([]);
});

test('one view can be rebuilt alone; the others stay where they are', async () => {
  await liveAModel(registry, 'a');
  await caughtUp();
  const { generation } = await rebuildViews(viewsNamed('stats'));
  await liveAModel(registry, 'b');
  await caughtUp();
  expect(await checkViews(registry.url)).toEqual([]);
  expect((await tables()).filter((name) => name.startsWith('stats'))).toEqual([
    `stats_g${generation}`,
  ]);
  expect(await tables()).toContain('models_g1');
  await rebuildViews(viewsNamed('models', 'stats'));
  await liveAModel(registry, 'c');
  await caughtUp();
  expect(await checkViews(registry.url)).toEqual([]);
});

test('a rebuild says which rows were wrong, and corrects them', async () => {
  const model = await liveAModel(registry, 'edited');
  await liveAModel(registry, 'untouched');
  await caughtUp();
  const modelId = model.state.model!.model_id;
  await edit(`update views.models_g1 set name = 'forged' where model_id = '${modelId}'`);
  await edit(`delete from views.timeline_g1 where model_id = '${modelId}' and stream_version = 2`);
  await edit(`insert into views.timeline_g1
    select model_id, 99, state from views.timeline_g1 where model_id = '${modelId}' and stream_version = 1`);
  await edit(`update views.versions_g1 v set state = o.state from views.versions_g1 o
    where v.model_id = '${modelId}' and o.model_id = v.model_id and v.number + o.number = 3`);
  await edit(`update views.stats_g1 set count = 77 where dimension = 'versions'`);
  expect(await checkViews(registry.url)).not.toEqual([]);
  const { differences } = await rebuildViews(views);
  expect(differences).toEqual(
    expect.arrayContaining([
      { view: 'models', row: modelId, in: 'both' },
      { view: 'timeline', row: `${modelId}/2`, in: 'rebuilt' },
      { view: 'timeline', row: `${modelId}/99`, in: 'serving' },
      // each has the other's state: the sum of the states alone is what it should be
      { view: 'versions', row: `${modelId}/1`, in: 'both' },
      { view: 'versions', row: `${modelId}/2`, in: 'both' },
      { view: 'stats', row: expect.stringMatching(/^default\/versions\/\//), in: 'both' },
    ]),
  );
  await caughtUp();
  expect(await checkViews(registry.url)).toEqual([]);
});

test('a rebuild that was given up leaves what serves, and the next one clears away', async () => {
  await liveAModel(registry, 'a');
  await caughtUp();
  const giveUp = ({ step }: RebuildProgress): void => {
    if (step === 'switching') throw new Error('given up');
  };
  await expect(rebuildViews(views, giveUp)).rejects.toThrow('given up');
  expect((await tables()).some((name) => name.endsWith('_g2'))).toBe(true);
  await liveAModel(registry, 'b');
  await caughtUp();
  expect(await checkViews(registry.url)).toEqual([]);
  await rebuildViews(viewsNamed('timeline'));
  expect((await tables()).some((name) => name.endsWith('_g2'))).toBe(false);
});

test('a view that cannot take what is served now is not switched to', async () => {
  await liveAModel(registry, 'a');
  await caughtUp();
  const stats = views.find(({ name }) => name === 'stats')!;
  const failing: View = {
    ...stats,
    columns: { ...stats.columns, bucket: ['smallint', () => Number.NaN] },
  };
  await expect(rebuildViews([failing])).rejects.toThrow(RebuildRefused);
  expect((await findServing(writer)).views.get('stats')?.generation).toBe(1);
});

test('parked streams are applied once the cause is gone; what fails again stays parked', async () => {
  await edit(`alter table views.versions_g1 add constraint no_v1 check (label <> 'v1')`);
  const broken = await registry.register(registering('broken', {}, newVersion('v1')));
  const hopeless = await registry.register(registering('hopeless'));
  await registry.record(hopeless, 'model.exploded', {});
  await registry.tell(broken, { type: 'UpdateModel', patch: { owner: 'Grace' } });
  await caughtUp();
  const parked = (await findParkedStreams(writer)).map(({ stream }) => stream);
  expect(new Set(parked)).toEqual(new Set([broken.stream, hopeless.stream]));
  await expect(rebuildViews(viewsNamed('stats'))).rejects.toThrow(RebuildRefused);
  await edit('alter table views.versions_g1 drop constraint no_v1');
  const { log } = registry;
  const redriven = await redrive({ writer, log, views, stream: null });
  expect(redriven.find(({ stream }) => stream === hopeless.stream)?.stillParked).toContain(
    'model.exploded',
  );
  expect((await findParkedStreams(writer)).map(({ stream }) => stream)).toEqual([hopeless.stream]);
  await registry.tell(broken, { type: 'UpdateModel', patch: { owner: 'Ada' } });
  await caughtUp();
  expect(await checkViews(registry.url)).toEqual([]);
});
