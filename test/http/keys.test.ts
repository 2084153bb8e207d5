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
    for (const role of ['admin', 'viewer'])
      expect(await issue(ada, { subject: 'ada', role })).toMatchObject({
        status: 201,
        body: { role },
      });
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

describe('a tenant whose admin has lost their key', () => {
  const made = async (id: string): Promise<string> => {
    const asking = api.post('/tenants', { id, admin_subject: 'ana' });
    return ((await done(asking)).body['admin_key'] as unknown as { secret: string }).secret;
  };

  test('gets another from a system admin', async () => {
    await made('lost');
    const asked = { subject: 'ana', role: 'admin', tenant: 'lost' };
    const { body } = await done(api.post('/api-keys', asked));
    const key = String(body['secret']);
    expect(await api.get('/api-keys', { key })).toMatchObject({
      status: 200,
      body: { total_count: 2 },
    });
    expect((await api.get('/api-keys?page_size=1000')).text).not.toContain(String(body['id']));
  });

  test('gets none from an admin of another, who is told no more', async () => {
    const key = await made('other');
    for (const tenant of ['lost', 'nowhere'])
      expect(await issue(key, { subject: 'eve', role: 'viewer', tenant })).toMatchObject({
        status: 403,
        body: { code: 'forbidden', required_permission: 'tenant:manage' },
      });
    await done(issue(key, { subject: 'eve', role: 'viewer', tenant: 'other' }));
  });

  test('and where there is no such tenant, none is made', async () =>
    expect(
      await api.post('/api-keys', { subject: 'ana', role: 'admin', tenant: 'nowhere' }),
    ).toMatchObject({ status: 404, body: { code: 'tenant_not_found' } }));

  test('has not revoked it by itself', async () => {
    const key = await made('alone');
    const { body } = await api.get('/api-keys', { key });
    const [{ id }] = body['items'] as unknown as [{ id: string }];
    expect(await api.delete(`/api-keys/${id}`, { key })).toMatchObject({
      status: 409,
      body: { code: 'last_admin_key', key_id: id },
    });
    await done(issue(key, { subject: 'ana', role: 'admin' }));
    await done(api.delete(`/api-keys/${id}`, { key }));
  });
});
