// Pages of other origins: those that are named may ask from a browser, no others.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApi, openApis } from './api.ts';
import type { Answer, Api } from './api.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let closed: Api;
let open: Api;
beforeAll(async () => {
  opened = await openApis(1);
  [closed] = opened.apis as [Api];
  open = await openApi(opened.databaseUrl, undefined, undefined, ['https://ui.example']);
});
afterAll(async () => {
  await open.close();
  await opened.close();
});

const asksFirst = (api: Api, origin: string): Promise<Answer> =>
  api.ask('OPTIONS', '/api/v1/models', {
    key: null,
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
    },
  });
const allowed = ({ headers }: Answer) => headers['access-control-allow-origin'];

test('a page of a named origin may ask, and read what goes with an answer', async () => {
  const first = await asksFirst(open, 'https://ui.example');
  expect(first.status).toBe(204);
  expect(allowed(first)).toBe('https://ui.example');
  expect(first.headers['access-control-allow-methods']).toContain('PATCH');
  expect(first.headers['access-control-allow-headers']).toContain('authorization');
  const asked = await open.get('/events', { headers: { origin: 'https://ui.example' } });
  expect([asked.status, allowed(asked)]).toEqual([200, 'https://ui.example']);
  expect(asked.headers['access-control-expose-headers']).toContain('x-position');
});

test('who is refused may read why', async () => {
  const headers = { origin: 'https://ui.example' };
  const refused = await open.get('/events', { key: null, headers });
  expect([refused.status, allowed(refused)]).toEqual([401, 'https://ui.example']);
});

test('a page of any other origin may not', async () => {
  expect(allowed(await asksFirst(open, 'https://other.example'))).toBeUndefined();
  const asked = await open.get('/events', { headers: { origin: 'https://other.example' } });
  expect(allowed(asked)).toBeUndefined();
});

test('where none is named, no page may, and a stranger is told as of anything', async () => {
  const first = await asksFirst(closed, 'https://ui.example');
  expect([first.status, allowed(first)]).toEqual([401, undefined]);
});
