// The log as readers see it: pages, single events, and streams that go on where they broke off.
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { adminKey, openApis } from './api.ts';
import type { Api } from './api.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
let other: Api;
beforeAll(async () => {
  opened = await openApis(2);
  [api, other] = opened.apis as [Api, Api];
  for (const name of ['one', 'two', 'three']) await api.post('/models', { name });
});
afterAll(() => opened.close());

type Item = { position: number; type: string; id: string; data: object };
const page = async (query: string) => {
  const { status, body, headers } = await api.get(`/events${query}`);
  expect(status).toBe(200);
  const items = body['items'] as unknown as Item[];
  return { items, head: Number(body['head']), position: Number(headers['x-position']) };
};

/** Reads a stream of events until it is told to stop; a `:` line is only a sign of life. */
function listen(process: Api, query = '', headers: Record<string, string> = {}) {
  const stopping = new AbortController();
  const received: { id: number; event: string; data: Item }[] = [];
  const opening = fetch(new URL(`/api/v1/events${query}`, process.address), {
    headers: { authorization: `Bearer ${adminKey}`, accept: 'text/event-stream', ...headers },
    signal: stopping.signal,
  });
  const done = (async () => {
    const response = await opening;
    let rest = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + chunk).split('\n\n');
      rest = parts.pop()!;
      for (const part of parts) {
        const fields = new Map(
          part.split('\n').map((line): [string, string] => {
            const [name, ...value] = line.split(': ');
            return [name!, value.join(': ')];
          }),
        );
        if (fields.has('id'))
          received.push({
            id: Number(fields.get('id')),
            event: fields.get('event')!,
            data: JSON.parse(fields.get('data')!) as Item,
          });
      }
    }
  })();
  return {
    received,
    response: opening,
    async stop(): Promise<void> {
      stopping.abort();
      await done.catch((error: Error) => {
        if (error.name !== 'AbortError') throw error;
      });
    },
    ended: done,
  };
}

describe('pages', () => {
  test('hold whole envelopes in order, and the head', async () => {
    const { items, head, position } = await page('?type=model.registered');
    expect(items).toHaveLength(3);
    expect(head).toBe(position);
    expect(Object.keys(items[0]!).toSorted()).toEqual(
      [
        'position',
        'id',
        'type',
        'schema_version',
        'stream',
        'stream_version',
        'tenant',
        'actor',
        'occurred_at',
        'recorded_at',
        'reason',
        'command_id',
        'correlation_id',
        'causation_id',
        'traceparent',
        'data',
      ].toSorted(),
    );
    expect(items.map(({ data }) => (data as { serial: number }).serial)).toEqual([1, 2, 3]);
  });

  test('follow each other without a gap', async () => {
    const { items: all, head } = await page('?limit=1000');
    const followed: Item[] = [];
    for (;;) {
      const { items } = await page(`?limit=2&after=${followed.at(-1)?.position ?? 0}`);
      followed.push(...items);
      if (items.length === 0) break;
    }
    expect(followed).toEqual(all);
    expect(all.map(({ position }) => position)).toEqual(
      Array.from({ length: head }, (_, index) => index + 1),
    );
  });

  test('of one model, by any of its names', async () => {
    const { items } = await page('?model=two');
    const { model_id } = items[0]!.data as { model_id: string };
    expect((await page(`?model=${model_id}`)).items).toEqual(items);
    expect((await page('?model=2')).items).toEqual(items);
    expect((await api.get('/events?model=four')).status).toBe(404);
  });

  test('of types that there are', async () => {
    expect((await page('?type=model.registered,tenant.created')).items).toHaveLength(4);
    expect(await api.get('/events?type=model.exploded')).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '?type' }] },
    });
  });
});

test('one event is found by its id', async () => {
  const { items } = await page('?limit=3');
  const { body, headers } = await api.get(`/events/${items[2]!.id}`);
  expect(body).toEqual(items[2]);
  expect(headers['x-position']).toBe('3');
  expect((await api.get('/events/01940000-0000-7000-8000-000000000000')).status).toBe(404);
  expect((await api.get('/events/3')).status).toBe(422);
});

describe('a stream', () => {
  test('begins with what there is and goes on with what comes, from any process', async () => {
    const stream = listen(api, '?type=model.registered');
    expect((await stream.response).headers.get('content-type')).toBe('text/event-stream');
    await eventually(() => stream.received.length === 3);
    await other.post('/models', { name: 'four' });
    await eventually(() => stream.received.length === 4);
    expect(stream.received.map(({ id }) => id)).toEqual(
      stream.received.map(({ data }) => data.position),
    );
    expect(stream.received[3]).toMatchObject({
      event: 'model.registered',
      data: { data: { name: 'four' } },
    });
    await stream.stop();
  });

  test('that broke off goes on after the last event, without gap or doubling', async () => {
    const received: number[] = [];
    const writing = (async () => {
      for (let nth = 0; nth < 300; nth++)
        await [api, other][nth % 2]!.post('/models', { name: `many ${nth}` });
    })();
    let isWritten = false;
    void writing.then(() => (isWritten = true));
    for (let turn = 0; ; turn++) {
      const last = received.at(-1) ?? 0;
      // the header wins over the query, as browsers repeat the address that they began with
      const stream = listen([api, other][turn % 2]!, '?after=0', { 'last-event-id': String(last) });
      // in this order: a head asked for before the last write is not the last head
      const isLast = isWritten;
      const { head } = await page('?limit=1');
      await eventually(() => (stream.received.at(-1)?.id ?? last) >= head);
      await stream.stop();
      received.push(...stream.received.map(({ id }) => id));
      if (isLast) break;
    }
    await writing;
    const { head } = await page('?limit=1');
    expect(received).toEqual(Array.from({ length: head }, (_, index) => index + 1));
  });

  test.each(['x', '-1', '1.5', ''])('does not begin after "%s"', async (id) =>
    expect(
      await api.get('/events', { headers: { accept: 'text/event-stream', 'last-event-id': id } }),
    ).toMatchObject({ status: 422, body: { errors: [{ pointer: '/headers/last-event-id' }] } }),
  );

  test('asks for a key and a known parameter like any other request', async () => {
    const headers = { accept: 'text/event-stream' };
    expect((await api.get('/events', { key: null, headers })).status).toBe(401);
    expect((await api.get('/events?from=3', { headers })).status).toBe(422);
    expect((await api.get('/events?model=nobody', { headers })).status).toBe(404);
  });

  test('shows nothing more of keys and roles once its reader manages them no longer', async () => {
    const { body } = await api.post('/api-keys', { subject: 'was-admin', role: 'viewer' });
    const key = String(body['secret']);
    const binding = { subject: 'was-admin', role: 'admin', scope: 'tenant' };
    await api.put('/role-bindings', binding);
    const { head } = await page('?limit=1');
    const stream = listen(api, `?after=${head}`, { authorization: `Bearer ${key}` });
    await api.post('/api-keys', { subject: 'shown', role: 'viewer' });
    await eventually(() => stream.received.some(({ event }) => event === 'api_key.issued'));
    const revoked = `/role-bindings?${new URLSearchParams(binding).toString()}`;
    expect((await api.delete(revoked)).status).toBe(200);
    await eventually(async () => (await api.get('/api-keys', { key })).status === 403);
    await api.post('/api-keys', { subject: 'not-shown', role: 'viewer' });
    await api.post('/models', { name: 'still shown' });
    await eventually(() => stream.received.at(-1)?.event === 'model.registered');
    expect(JSON.stringify(stream.received)).not.toContain('not-shown');
    await stream.stop();
  });

  test('ends when the process ends', async () => {
    const stream = listen(other);
    await eventually(() => stream.received.length > 0);
    other.commandApi.endStreams();
    await stream.ended;
    expect(stream.received.length).toBeGreaterThan(0);
  });
});

test('a stream whose reader went away while it was looked up what they ask for is none', async () => {
  const open = async (): Promise<number> => {
    const { text } = await api.ask('GET', '/metrics');
    return Number(/^modelog_event_streams (\d+)$/m.exec(text)![1]);
  };
  const holder = await api.pool.connect();
  await using ends = new AsyncDisposableStack();
  ends.defer(() => holder.release(true));
  const names = new Client({ connectionString: opened.databaseUrl });
  await names.connect();
  ends.defer(() => names.end());
  await names.query('begin; lock table log.claims in access exclusive mode');
  const leaving = new AbortController();
  const asking = fetch(new URL('/api/v1/events?model=two', api.address), {
    headers: { authorization: `Bearer ${adminKey}`, accept: 'text/event-stream' },
    signal: leaving.signal,
  });
  await eventually(async () => {
    const { rows } = await holder.query(
      `select from pg_locks where not granted and relation = 'log.claims'::regclass`,
    );
    return rows.length > 0;
  });
  leaving.abort();
  await expect(asking).rejects.toThrow('aborted');
  await names.query('commit');
  // one that comes after it is looked up after it
  const stays = listen(api, '?model=two');
  await stays.response;
  await eventually(async () => (await open()) === 1);
  await stays.stop();
  await eventually(async () => (await open()) === 0);
});
