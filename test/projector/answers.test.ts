// What is answered from memory is what the database would answer: whoever wrote, whoever asks, whatever happened to the views.
import { Client } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { modelStream } from '#events/names.ts';
import { openAnswers } from '#services/projector/answers.ts';
import type { ShownModel } from '#services/projector/answers.ts';
import { redrive } from '#services/projector/parking.ts';
import { rebuild } from '#services/projector/rebuild.ts';
import { findViewPosition } from '#services/projector/view-position.ts';
import { views } from '#services/projector/views.ts';
import { openWriter } from '#services/projector/writer.ts';
import { eventually } from '#test/eventually.ts';
import { entryOf } from './registry.ts';
import { serveRegistry } from './served.ts';
import type { ServedRegistry } from './served.ts';

describe('what is kept', () => {
  const caller = { tenant: 'default', sees: null, audience: 'default' };
  const model = (version: number, facts: Partial<ShownModel> = {}): ShownModel => ({
    stream: 'model:default:1',
    tenant: 'default',
    model_id: '1',
    serial: 7,
    name: 'a',
    is_active: true,
    is_deleted: false,
    stages: [],
    tags: {},
    team: 'risk',
    project: null,
    framework: null,
    model_type: null,
    task: null,
    category: null,
    version_count: 0,
    stream_version: version,
    position: version,
    json: `{"stream_version":${version}}`,
    ...facts,
  });
  const kept = () => {
    const answers = openAnswers();
    answers.claimed();
    answers.reached(1);
    answers.keep(answers.reading(), model(1));
    return answers;
  };

  test('is vouched for up to what was told, and not before this process writes the views', () => {
    const answers = openAnswers();
    answers.reached(5);
    expect(answers.covers(0)).toBe(false);
    answers.claimed();
    answers.reached(5);
    expect([answers.covers(5), answers.covers(6)]).toEqual([true, false]);
  });

  test('is replaced by every change, and is found by name, id and serial', () => {
    const answers = kept();
    answers.changed([model(2)]);
    for (const reference of ['a', '1', '7'])
      expect(answers.recall(caller, reference)?.shown.stream_version).toBe(2);
  });

  test('is not found by its name any more once it has another, or is not there', () => {
    for (const change of [{ name: 'b' }, { is_deleted: true }]) {
      const answers = kept();
      answers.changed([model(2, change)]);
      expect(answers.recall(caller, 'a')).toBeUndefined();
      expect(answers.ofStream('model:default:1')?.shown.stream_version).toBe(2);
    }
  });

  test('is found by a name that another one has given up, in whichever order they are told', () => {
    const other = { stream: 'model:default:2', model_id: '2', serial: 8 };
    for (const told of [
      [model(2, { name: 'b' }), model(3, other)],
      [model(3, other), model(2, { is_deleted: true })],
    ]) {
      const answers = kept();
      answers.changed(told);
      expect(answers.recall(caller, 'a')?.shown.model_id).toBe('2');
    }
  });

  test('is not what was read before a change', () => {
    const answers = kept();
    const read = answers.reading();
    answers.changed([model(2)]);
    const late = answers.keep(read, model(1));
    expect(late.shown.stream_version).toBe(1);
    expect(answers.recall(caller, 'a')?.shown.stream_version).toBe(2);
    answers.forget();
    answers.keep(read, model(1));
    expect(answers.recall(caller, 'a')).toBeUndefined();
  });

  test('holds no answer about a model beyond its next change', () => {
    const answers = kept();
    const before = answers.recall(caller, 'a')!;
    answers.keepAnswer(caller, before, 'versions', '[]');
    expect(answers.recallAnswer(caller, answers.recall(caller, 'a')!, 'versions')).toBe('[]');
    answers.changed([model(2)]);
    const after = answers.recall(caller, 'a')!;
    expect(answers.recallAnswer(caller, after, 'versions')).toBeUndefined();
    answers.keepAnswer(caller, before, 'versions', 'late');
    expect(answers.recallAnswer(caller, after, 'versions')).toBeUndefined();
  });

  test('is for those who may see it', () => {
    const answers = kept();
    answers.reached(9);
    const of = (tenant: string, sees: 'team:risk' | 'team:growth') =>
      answers.recall({ tenant, sees: [sees], audience: `${tenant} ${sees}` }, 'a');
    expect(of('default', 'team:risk')).toBeDefined();
    expect(of('default', 'team:growth')).toBeUndefined();
    expect(of('other', 'team:risk')).toBeUndefined();
  });
});

describe('a registry that answers from memory', () => {
  let registry: ServedRegistry;
  beforeEach(async () => {
    registry = await serveRegistry();
  });
  afterEach(() => registry.stop());

  /** A change by hand, as nobody should make it: what is in memory does not hear of it. */
  async function edit(sql: string): Promise<void> {
    const admin = new Client({ connectionString: registry.url });
    await admin.connect();
    await admin.query(sql);
    await admin.end();
  }

  async function made(name: string, facts: object = {}): Promise<string> {
    const { body } = await registry.post('/models', { name, owner: 'ada', ...facts });
    return String(body['id']);
  }

  test('does so, and shows each answered write to the next read in every way of asking', async () => {
    const { get, post, call } = registry;
    const id = await made('m', { team: 'risk' });
    await post('/models/m/versions', { label: 'v1' });
    await get('/models/m');
    await edit(`update views.models_g1 set state = replace(state, '"ada"', '"nobody"')`);
    expect((await get('/models/m')).body['owner']).toBe('ada');
    await Promise.all(
      Array.from({ length: 8 }, (_, nth) => made(`other-${nth}`, { team: 'risk' })),
    );
    for (let nth = 0; nth < 30; nth++) {
      const description = `round ${nth}`;
      const written = (await call('PATCH', '/models/m', { description })).body;
      const [byName, byId, list, version, versions, timeline] = await Promise.all([
        get('/models/m'),
        get(`/models/${id}`),
        get('/models?team=risk'),
        get('/models/m/versions/v1'),
        get('/models/m/versions'),
        get('/models/m/timeline?page_size=1000'),
        post('/models/m/versions', {}),
      ]);
      const version_of = (body: Record<string, unknown>) => Number(body['stream_version']);
      const least = version_of(written);
      for (const { body } of [byName, byId]) {
        expect(version_of(body)).toBeGreaterThanOrEqual(least);
        expect(body['description']).toBe(description);
      }
      const items = list.body['items'] as unknown as { id: string; description: string | null }[];
      expect(items).toHaveLength(9);
      expect(items.find((item) => item.id === id)?.description).toBe(description);
      expect(version_of(version.body)).toBeGreaterThanOrEqual(least);
      expect((versions.body['items'] as unknown as object[]).length).toBeGreaterThanOrEqual(
        nth + 1,
      );
      expect((timeline.body['items'] as unknown as object[]).length).toBeGreaterThanOrEqual(least);
    }
  });

  test('goes by the database where another process writes the views', async () => {
    const other = await serveRegistry({ beside: registry });
    try {
      for (const { get } of [registry, other]) await eventually(() => get('/models'));
      const id = await made('shared');
      for (let nth = 0; nth < 20; nth++) {
        const description = `round ${nth}`;
        const writer = nth % 2 === 0 ? registry : other;
        await writer.call('PATCH', '/models/shared', { description });
        for (const { get } of [registry, other])
          for (const path of ['/models/shared', `/models/${id}`]) {
            const { body, headers } = await get(path);
            expect([path, body['description']]).toEqual([path, description]);
            expect(headers.get('x-stale')).toBeNull();
          }
      }
    } finally {
      await other.stop();
    }
  });

  test('waits for no view to read a model that has not changed', async () => {
    const { get, call, post } = registry;
    const id = await made('m');
    await post('/models/m/versions', { label: 'v1' });
    await made('other');
    const paths = ['/models/m', `/models/${id}`, '/models/m/versions', '/models/m/versions/v1'];
    for (const path of [...paths, '/models/other']) await get(path);
    const release = await registry.holdViews();
    const { body: written } = await call('PATCH', '/models/other', { description: 'later' });
    for (const path of paths) {
      const { body, headers } = await get(path);
      expect([path, body['stale'], headers.get('x-stale')]).toEqual([path, undefined, null]);
      expect(Number(headers.get('x-position'))).toBeGreaterThanOrEqual(Number(written['position']));
    }
    const behind = await get('/models/other');
    expect([behind.headers.get('x-stale'), behind.body['description']]).toEqual(['true', null]);
    await release();
    await eventually(async () =>
      expect((await get('/models/other')).body['description']).toBe('later'),
    );
  });

  test('finds by a name whose it is now, also where the views lack that it was given up', async () => {
    const { get, call } = registry;
    const id = await made('m');
    await get('/models/m');
    const release = await registry.holdViews();
    await call('PATCH', '/models/m', { name: 'n' });
    const second = await made('m');
    const read = get('/models/m');
    await release();
    expect((await read).body['id']).toBe(second);
    expect((await get('/models/n')).body['id']).toBe(id);
  });

  test('forgets what it knew when other tables serve', async () => {
    const { get, post } = registry;
    await made('m');
    await post('/models/m/versions', { label: 'v1', description: 'right' });
    await get('/models/m');
    await edit(`update views.versions_g1 set state = replace(state, '"right"', '"wrong"')`);
    const described = async () => (await get('/models/m/versions/v1')).body['description'];
    expect(await described()).toBe('wrong');
    await rebuild({
      url: registry.url,
      log: registry.log,
      views,
      rebuilt: views,
      servingPosition: () =>
        findViewPosition({
          views: registry.pool,
          log: registry.pool,
          topic: 'none',
          onServing: () => undefined,
        }),
      onProgress: () => undefined,
    });
    // A page that nobody has asked for yet comes from the tables that serve.
    let size = 0;
    await eventually(async () => {
      const { body } = await get(`/models/m/versions?page_size=${++size}`);
      expect(body['items']).toMatchObject([{ description: 'right' }]);
    });
    expect(await described()).toBe('right');
  });

  test('says of a parked stream that it is behind, and shows it as soon as it was redriven', async () => {
    const { get, post } = registry;
    await made('m');
    await post('/models/m/versions', { label: 'v1' });
    await get('/models/m');
    await get('/models/m/versions');
    await edit(`alter table views.versions_g1 add constraint no_v2 check (label <> 'v2')`);
    await post('/models/m/versions', { label: 'v2' });
    await eventually(async () => {
      for (const path of ['/models/m', '/models/m/versions/v1'])
        expect((await get(path)).body['stale']).toBe(true);
      const { body } = await get('/models/m/versions');
      expect(body['items']).toMatchObject([{ label: 'v1', stale: true }]);
    });
    await edit('alter table views.versions_g1 drop constraint no_v2');
    const writer = openWriter({ url: registry.url, name: 'test', onError: () => undefined });
    await redrive({ writer, log: registry.log, views, stream: null });
    await writer.close();
    await eventually(async () => !('stale' in (await get('/models/m/versions/v1')).body));
    const { body } = await get('/models/m');
    expect([body['stale'], body['latest_version']]).toEqual([undefined, 2]);
    expect((await get('/models/m/versions/v2')).body['label']).toBe('v2');
  });

  test('goes by the database while a stream is parked, as nobody tells of what a redrive changes', async () => {
    const { get, post } = registry;
    await made('m');
    await post('/models/m/versions', { label: 'v1' });
    const refuse = (label: string) =>
      edit(`alter table views.versions_g1 add constraint refused check (label <> '${label}')`);
    await refuse('v2');
    for (const label of ['v2', 'v3']) await post('/models/m/versions', { label });
    const labels = async () => {
      const { body } = await get('/models/m/versions');
      return (body['items'] as unknown as { label: string }[]).map(({ label }) => label);
    };
    await eventually(async () => expect((await get('/models/m')).body['stale']).toBe(true));
    expect(await labels()).toEqual(['v1']);
    // the second version can be applied now, the third not yet, so that the stream stays parked
    await edit('alter table views.versions_g1 drop constraint refused');
    await refuse('v3');
    const writer = openWriter({ url: registry.url, name: 'test', onError: () => undefined });
    const redriven = await redrive({ writer, log: registry.log, views, stream: null });
    await writer.close();
    expect(redriven).toMatchObject([
      { events: 1, stillParked: expect.stringContaining('refused') },
    ]);
    const { body } = await get('/models/m');
    expect([body['stale'], body['latest_version']]).toEqual([true, 2]);
    expect((await labels()).toSorted()).toEqual(['v1', 'v2']);
  });

  test('answers nobody with what only others may see', async () => {
    const { get, post, call } = registry;
    const id = await made('m', { team: 'risk' });
    for (const path of ['/models/m', `/models/${id}`, '/models/m/versions', '/models'])
      expect((await get(path)).status).toBe(200);
    const key = String(
      (await post('/api-keys', { subject: 'tess', role: 'member' })).body['secret'],
    );
    const grant = (scope: string) =>
      call('PUT', '/role-bindings', { subject: 'tess', role: 'viewer', scope });
    await grant('team:growth');
    await eventually(async () => (await get('/models', key)).status === 200);
    for (const path of ['/models/m', `/models/${id}`, '/models/m/versions', '/models/m/timeline'])
      expect([path, (await get(path, key)).status]).toEqual([path, 404]);
    expect((await get('/models', key)).body['items']).toEqual([]);
    await grant('team:risk');
    await eventually(async () => (await get('/models/m', key)).status === 200);
    await call('PATCH', '/models/m', { team: 'growth-2' });
    expect((await get('/models/m', key)).status).toBe(404);
  });

  test('tells who has the newest already that they have it, and nothing else', async () => {
    const { call } = registry;
    await made('m');
    const address = async (etag: string) =>
      await registry.fetch('/models/m', { 'if-none-match': etag });
    const first = await address('"0"');
    expect(first.status).toBe(200);
    const etag = first.headers.get('etag')!;
    for (const known of [etag, `W/${etag}`, `"0", ${etag}`, '*']) {
      const again = await address(known);
      expect([known, again.status, await again.text()]).toEqual([known, 304, '']);
      expect(again.headers.get('etag')).toBe(etag);
      expect(again.headers.get('x-position')).not.toBeNull();
    }
    await call('PATCH', '/models/m', { description: 'changed' });
    expect((await address(etag)).status).toBe(200);
  });

  test('hears of a parked stream at once', async () => {
    const { get, log } = registry;
    const id = await made('m');
    const { body } = await get('/models/m');
    const event = {
      id: uuidv7(),
      type: 'model.exploded',
      schema_version: 1,
      data: {},
      serial_kind: null,
    };
    await log.append([
      entryOf(modelStream('default', id), Number(body['stream_version']), [event], []),
    ]);
    expect((await get('/models/m')).body['stale']).toBe(true);
  });
});
