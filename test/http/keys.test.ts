// Keys, and who may give and take which: nobody by a key more than they have, nobody from those above them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApis } from './api.ts';
import type { Answer, Api } from './api.ts';
import { done, keysOf } from './releases.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
beforeAll(async () => {
  opened = await openApis(1);
  api = opened.apis[0]!;
});
afterAll(() => opened.close());

const issue = (key: string, said: object): Promise<Answer> => api.post('/api-keys', said, { key });

describe('a key for oneself', () => {
  test('gives no more than the key that asks, whatever was bound to its holder', async () => {
    const { leo } = await keysOf(api, { leo: 'member' });
    await done(api.put('/role-bindings', { subject: 'leo', role: 'admin', scope: 'tenant' }));
    for (const role of ['admin', 'viewer'])
      expect(await issue(leo, { subject: 'leo', role })).toMatchObject({
        status: 403,
        body: { code: 'granted_to_self', subject: 'leo' },
      });
    for (const said of [
      { subject: 'leo', role: 'member' },
      { subject: 'zoë', role: 'admin' },
    ])
      await done(issue(leo, said));
  });

  test('of the same role takes the place of the one that asks', async () => {
    const { ada } = await keysOf(api, { ada: 'admin' });
    for (const role of ['admin', 'viewer']) await done(issue(ada, { subject: 'ada', role }));
  });
});

test('a key that was over before it began is none', async () => {
  const expires_at = '2026-01-01T00:00:00+01:00';
  expect(
    await api.post('/api-keys', { subject: 'late', role: 'viewer', expires_at }),
  ).toMatchObject({
    status: 422,
    body: { code: 'time_in_past', field: 'expires_at' },
  });
});

describe('a key of somebody above', () => {
  const keys = async (): Promise<{ id: string; subject: string; role: string }[]> =>
    (await api.get('/api-keys?page_size=1000')).body['items'] as never;

  test('is revoked by no admin of the tenant, but by their own', async () => {
    const { bo, sys } = await keysOf(api, { bo: 'admin', sys: 'system_admin' });
    for (const subject of ['modelog:admin', 'sys']) {
      const { id, role } = (await keys()).find((key) => key.subject === subject)!;
      expect(await api.delete(`/api-keys/${id}`, { key: bo })).toMatchObject({
        status: 403,
        body: { code: 'role_above_own', role },
      });
    }
    const own = (await keys()).find(({ subject }) => subject === 'sys')!;
    expect(await api.delete(`/api-keys/${own.id}`, { key: sys })).toMatchObject({ status: 200 });
  });
});
