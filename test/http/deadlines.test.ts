// Nobody waits for ever: where the database is silent or slow, the caller is told to come back.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Role } from '#events/access.ts';
import { eventually } from '#test/eventually.ts';
import { adminKey, openApi, openApis } from './api.ts';
import type { Api } from './api.ts';
import { proxyDatabase } from './proxied.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
beforeAll(async () => {
  opened = await openApis(1);
  [api] = opened.apis as [Api];
});
afterAll(() => opened.close());

/** A key that no process has asked about yet. */
async function issue(subject: string, role: Role = 'viewer'): Promise<string> {
  const { status, body } = await api.post('/api-keys', { subject, role });
  expect(status).toBe(201);
  return body['secret']!;
}

/** Another process, whose way to the database can be disturbed. */
async function openBehindProxy() {
  const ends = new AsyncDisposableStack();
  const proxied = await proxyDatabase(opened.databaseUrl);
  const proxy = ends.adopt(proxied.proxy, (it) => it.close());
  const behind = ends.adopt(await openApi(proxied.url), (it) => it.close());
  // before what ends the others, as they are ended in reverse
  ends.defer(() => proxy.set({ fault: 'cut' }));
  return { proxy, behind, [Symbol.asyncDispose]: () => ends.disposeAsync() };
}

/** Shorter than the time after which the server itself would end a statement: whoever only waited for that would fail. */
const silenceNoticedMs = 8_000;

test(
  'a connection that falls silent keeps nobody waiting: each is told to come back',
  { timeout: silenceNoticedMs },
  async () => {
    const key = await issue('asked-in-silence');
    await using disturbed = await openBehindProxy();
    const { proxy, behind } = disturbed;
    expect((await behind.get('/events', { key: adminKey })).status).toBe(200);
    proxy.set({ fault: 'black-hole' });
    const answers = await Promise.all([
      behind.get('/events', { key }),
      behind.post('/models', { name: 'unheard' }, { key }),
    ]);
    expect(proxy.struck()).toBeGreaterThan(0);
    for (const { status, headers } of answers) {
      expect(status).toBe(503);
      expect(headers['retry-after']).toBe('1');
    }
  },
);

/** A process that opens connections while each step is slow would be refused them. */
const openConnections = (behind: Api) =>
  Promise.all(Array.from({ length: 8 }, () => behind.get('/events')));

/** Each step of a read is answered well before it would give up; three of them take longer than a read may. */
const slowlyMs = 550;

test('a read of which every step is slow is given up as a whole, and what still comes of it disturbs nobody', async () => {
  const key = await issue('asked-slowly');
  await using disturbed = await openBehindProxy();
  const { proxy, behind } = disturbed;
  await openConnections(behind);
  proxy.set({ fault: 'delay', delayMs: slowlyMs });
  const { status, headers, body } = await behind.get('/events', { key });
  expect(proxy.struck()).toBeGreaterThan(0);
  expect([status, body.code, headers['retry-after']]).toEqual([503, 'overloaded', '1']);
  expect(headers).not.toHaveProperty('x-position');

  proxy.set({ fault: 'none' });
  await eventually(async () => {
    const { body: later } = await behind.get('/events', { key });
    return Array.isArray(later['items']);
  });
  // its last step is over, and one line says what happened
  await eventually(() => behind.pool.idleCount === behind.pool.totalCount);
  const told = behind.logLines.filter((line) => line.includes('/api/v1/events'));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('the answer was not ready in time');
});

test('a read that looks through much is given the time that it takes', async () => {
  const key = await issue('looks-back', 'admin');
  await api.post('/models', { name: 'looked-for' });
  await using disturbed = await openBehindProxy();
  const { proxy, behind } = disturbed;
  await openConnections(behind);
  proxy.set({ fault: 'delay', delayMs: slowlyMs });
  const { status, body } = await behind.get('/audit?model=looked-for', { key });
  expect(proxy.struck()).toBeGreaterThan(0);
  expect(status).toBe(200);
  expect(body['items']).toHaveLength(1);
});
