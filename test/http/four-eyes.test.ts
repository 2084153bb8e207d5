// Whose hands gave the keys and roles that a promotion was asked for and approved with: the whole way back.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminKey, openApis } from './api.ts';
import type { Api } from './api.ts';
import { decide, done, keysOf, requestOf } from './releases.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
beforeAll(async () => {
  opened = await openApis(1);
  api = opened.apis[0]!;
});
afterAll(() => opened.close());

/** A key that somebody issues with theirs. */
const issuedWith = async (key: string, subject: string, role: string): Promise<string> =>
  String((await done(api.post('/api-keys', { subject, role }, { key }))).body['secret']);
const bind = (key: string, subject: string, role: string) =>
  done(api.put('/role-bindings', { subject, role, scope: 'tenant' }, { key }));
const refused = (because: string) => ({ status: 403, body: { code: 'not_independent', because } });

test('an approval does not count that leads back to the requester over several hands', async () => {
  const { alice, dora } = await keysOf(api, { alice: 'admin', dora: 'admin' });
  const bo = await issuedWith(alice, 'bo', 'admin');
  const carl = await issuedWith(bo, 'carl', 'approver');
  const request = await requestOf(api, alice, 'several-hands', 1);
  for (const key of [bo, carl])
    expect(await decide(api, key, request, 'approve')).toMatchObject(
      refused('acts_by_grant_of_requester'),
    );
  const ed = await issuedWith(dora, 'ed', 'approver');
  expect(await decide(api, ed, request, 'approve')).toMatchObject({ status: 200 });
});

test('nor one by a key that was issued with a role which leads back to them, though it was revoked since', async () => {
  const { ann, ben } = await keysOf(api, { ann: 'admin', ben: 'member' });
  await bind(ann, 'ben', 'admin');
  const cem = await issuedWith(ben, 'cem', 'approver');
  await done(api.delete('/role-bindings?subject=ben&role=admin&scope=tenant', { key: ann }));
  const request = await requestOf(api, ann, 'by-a-role', 1);
  expect(await decide(api, cem, request, 'approve')).toMatchObject(
    refused('acts_by_grant_of_requester'),
  );
});

test('an approval counts of who gave the requester their key', async () => {
  const { boss } = await keysOf(api, { boss: 'admin' });
  const made = await issuedWith(boss, 'made', 'producer');
  const request = await requestOf(api, made, 'by-one-made', 1);
  expect(await decide(api, boss, request, 'approve')).toMatchObject({ status: 200 });
});

test('what the bootstrap admin began excludes nobody beyond those whom they gave it themselves', async () => {
  const { gil } = await keysOf(api, { gil: 'admin' });
  const hal = await issuedWith(gil, 'hal', 'approver');
  const request = await requestOf(api, adminKey, 'by-bootstrap', 1);
  expect(await decide(api, gil, request, 'approve')).toMatchObject(
    refused('acts_by_grant_of_requester'),
  );
  expect(await decide(api, hal, request, 'approve')).toMatchObject({ status: 200 });
});
