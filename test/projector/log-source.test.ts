// The projector on the log: views equal the fold, gaps and repetitions do no harm, owners take turns, faults park one stream.
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Applied } from '#services/projector/apply.ts';
import { openApplier } from '#services/projector/apply.ts';
import { projectFromLog } from '#services/projector/from-log.ts';
import {
  advance,
  claim,
  ClaimLost,
  findServing,
  logPartition,
  targetOf,
} from '#services/projector/generations.ts';
import type { Projection } from '#services/projector/projection.ts';
import { views } from '#services/projector/views.ts';
import { openWriter } from '#services/projector/writer.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import { checkViews } from '#test/checker/views.ts';
import { eventually } from '#test/eventually.ts';
import { liveAModel, newVersion, openRegistry, registering } from './registry.ts';
import type { TestRegistry } from './registry.ts';

let registry: TestRegistry;
const projections: Projection[] = [];
beforeEach(async () => {
  registry = await openRegistry();
});
afterEach(async () => {
  await Promise.all(projections.splice(0).map((projection) => projection.stop()));
  await registry.close();
});

/** A projector process of its own, but for the process. */
function project(failpoint = (): void => undefined) {
  const seen = { position: 0, events: 0, parked: 0 };
  const writer = openWriter({ url: registry.url, name: 'test', onError: () => undefined });
  const projection = projectFromLog({
    log: registry.log,
    head: registry.head,
    writer,
    views,
    owner: randomUUID(),
    failpoint,
    observer: {
      serving: () => undefined,
      claimed: () => undefined,
      changed: () => undefined,
      applied: (events: number, _: number, applied: Applied) => {
        seen.events += events;
        seen.parked += applied.parked.length;
      },
      reached: (position) => void (seen.position = position),
    },
    logger: openLogger('silent'),
  });
  projections.push({
    state: 'running',
    stop: async () => {
      await projection.stop();
      await writer.close();
    },
  });
  return { seen, projection };
}

const isCaughtUp = async ({ seen }: { seen: { position: number } }): Promise<boolean> =>
  seen.position === (await registry.log.head()).position;

test('a view equals the fold of the log, whatever happened to the models', async () => {
  await liveAModel(registry, 'before');
  const projector = project();
  await liveAModel(registry, 'after');
  await eventually(() => isCaughtUp(projector));
  expect(await checkViews(registry.url)).toEqual([]);
  const { rows } = await registry.pool.query('select count(*)::int as models from views.models_g1');
  expect(rows).toEqual([{ models: 2 }]);
});

test('a row that somebody changed is found by the checker', async () => {
  await liveAModel(registry, 'edited');
  const projector = project();
  await eventually(() => isCaughtUp(projector));
  const admin = new Client({ connectionString: registry.url });
  await admin.connect();
  await admin.query(
    `update views.versions_g1 set state = jsonb_set(state::jsonb, '{stage}', '"archived"')::text where number = 2`,
  );
  await admin.query(`update views.models_g1 set framework = 'other'`);
  await admin.query(`update views.stats_g1 set count = count + 1 where dimension = 'versions'`);
  await admin.query('delete from views.timeline_g1 where stream_version = 3');
  await admin.end();
  const found = await checkViews(registry.url);
  expect(new Set(found.map(({ view }) => view))).toEqual(
    new Set(['versions', 'models', 'stats', 'timeline']),
  );
});

test('events that come twice, late, or with a gap leave the views exact', async () => {
  await liveAModel(registry, 'first');
  await liveAModel(registry, 'second');
  const { log, writer } = registry;
  const events = await log.readAll(0, 1000);
  const held = await claim(writer, 1, logPartition, 'test');
  const target = targetOf(await findServing(writer), views);
  const applier = openApplier({
    target,
    writer,
    readStream: log.readStream,
    failpoint: () => undefined,
  });
  const order = [3, 2, 2, 9, 4, events.length - 1, 0, 11, 7];
  for (const index of order)
    await applier.apply([events[index]!, events[(index * 7) % events.length]!], (transaction) =>
      advance(transaction, [{ held, to: { position: 0, nextOffset: null, mark: null } }]),
    );
  applier.forget();
  await applier.apply([...events, ...events.toReversed()], (transaction) =>
    advance(transaction, [{ held, to: { position: events.length, nextOffset: null, mark: null } }]),
  );
  expect(await checkViews(registry.url)).toEqual([]);
});

test('a batch of one whose claim was taken over leaves nothing', async () => {
  await liveAModel(registry, 'model');
  const { log, writer } = registry;
  const events = await log.readAll(0, 1000);
  const target = targetOf(await findServing(writer), views);
  const { readStream } = log;
  const applier = openApplier({ target, writer, readStream, failpoint: () => undefined });
  const held = await claim(writer, 1, logPartition, 'first');
  await claim(writer, 1, 3, 'second');
  await expect(
    applier.apply(events, (transaction) =>
      advance(transaction, [
        { held, to: { position: events.length, nextOffset: null, mark: null } },
      ]),
    ),
  ).rejects.toThrow(ClaimLost);
  const { rows } = await registry.pool.query(
    'select (select count(*)::int from views.models_g1) as models, (select max(position)::int from views.offsets) as position',
  );
  expect(rows).toEqual([{ models: 0, position: 0 }]);
});

test('of two projectors one applies; the other takes over when it ends', async () => {
  const first = project();
  await eventually(() => first.projection.state === 'running');
  const second = project();
  await eventually(() => second.projection.state === 'running');
  await liveAModel(registry, 'one');
  await eventually(() => isCaughtUp(second));
  await eventually(() => first.projection.state === 'standing by');
  await second.projection.stop();
  await liveAModel(registry, 'two');
  await eventually(() => isCaughtUp(first));
  expect(await checkViews(registry.url)).toEqual([]);
});

test('what cannot be applied parks its stream, and the others go on', async () => {
  const broken = await registry.register(registering('broken', {}, newVersion('v1')));
  await registry.record(broken, 'model.exploded', { loud: true });
  await registry.tell(broken, { type: 'CreateVersion', version: newVersion('v2') });
  const illegal = await registry.register(registering('illegal'));
  await registry.record(illegal, 'version.approved', {
    model_id: illegal.state.model!.model_id,
    number: 7,
  });
  const unstorable = await registry.register(registering('unstorable'));
  const version = { ...newVersion('v1'), version_id: 'no uuid' };
  await registry.tell(unstorable, { type: 'CreateVersion', version });
  await registry.tell(unstorable, { type: 'UpdateModel', patch: { owner: 'Grace' } });
  const projector = project();
  await liveAModel(registry, 'whole');
  await eventually(() => isCaughtUp(projector));
  expect(await checkViews(registry.url)).toEqual([]);
  const { rows } = await registry.pool.query(
    `select p.stream, p.version, count(*)::int as waiting from views.parked_streams p join views.parked_events e using (generation, stream)
     group by p.stream, p.version order by p.version`,
  );
  expect(rows).toEqual(
    expect.arrayContaining([
      { stream: broken.stream, version: 4, waiting: 2 },
      { stream: illegal.stream, version: 2, waiting: 1 },
      { stream: unstorable.stream, version: 2, waiting: 3 },
    ]),
  );
  expect(projector.seen.parked).toBe(3);
});
