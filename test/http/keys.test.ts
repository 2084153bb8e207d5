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
