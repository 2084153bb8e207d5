// A role that was taken away: what its holder asks afterwards of any process does not count, though it knew them a moment ago.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { openApis } from './api.ts';
import type { Answer, Api } from './api.ts';
import { eventsOf, typesOf } from './history.ts';
import { decide, done, keysOf, modelOf, requestOf } from './releases.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let [api, other]: Api[] = [];
let keys: Record<'bea' | 'eve', string>;
/** No promotion request has this id: who may decide is told so, who may not is told that. */
const nowhere = '01940000-0000-7000-8000-000000000000';
beforeAll(async () => {
  opened = await openApis(2);
  [api, other] = opened.apis as [Api, Api];
  keys = await keysOf(api, { bea: 'producer', eve: 'viewer' });
});
afterAll(() => opened.close());

const binding = (role: string) => ({ subject: 'eve', role, scope: 'tenant' });
const grant = (role: string): Promise<Answer> => done(api!.put('/role-bindings', binding(role)));
const revoke = (role: string): Promise<Answer> =>
  done(api!.delete(`/role-bindings?${new URLSearchParams(binding(role)).toString()}`));
/** The other process has heard of a role that was given, and believes it for the next moment. */
const isKnown = (permitted: () => Promise<Answer>): Promise<void> =>
  eventually(async () => expect((await permitted()).status).not.toBe(403));

describe('an approver whose role is revoked in one process', () => {
  test('does not approve in another, not even at once', async () => {
    const request = await requestOf(api!, keys.bea, 'approved', 1);
    await grant('approver');
    await isKnown(() => decide(other!, keys.eve, nowhere, 'approve'));
    await revoke('approver');
    expect(await decide(other!, keys.eve, request, 'approve')).toMatchObject({
      status: 403,
      body: { code: 'forbidden', required_permission: 'promotion:decide' },
    });
    const types = await typesOf(api!, 'approved');
    expect(types).not.toContain('promotion.decided');
  });

  test('approves before or not at all, where both are under way', async () => {
    for (let round = 0; round < 20; round++) {
      const name = `in-flight-${round}`;
      const request = await requestOf(api!, keys.bea, name, 1);
      await grant('approver');
      await isKnown(() => decide(other!, keys.eve, nowhere, 'approve'));
      const approving = () => decide(other!, keys.eve, request, 'approve');
      const [first, second] = await Promise.all(
        round % 2 === 0 ? [approving(), revoke('approver')] : [revoke('approver'), approving()],
      );
      const [approval, revocation] = round % 2 === 0 ? [first, second] : [second, first];
      const decided = (await eventsOf(api!, name)).find(({ type }) => type === 'promotion.decided');
      const isBefore =
        decided !== undefined && decided.position < Number(revocation.body['position']);
      expect([
        { status: 200, isBefore: true },
        { status: 403, isBefore: false },
      ]).toContainEqual({ status: approval.status, isBefore });
    }
  });
});

test('an admin whose role is revoked breaks no glass, and does nothing else by it', async () => {
  await modelOf(api!, 'glass', 1);
  await grant('admin');
  const path = '/models/glass/versions/1/promote';
  const promote = (said: object) =>
    other!.post(path, { reason: 'now', ...said }, { key: keys.eve });
  await isKnown(() => promote({ to_stage: 'staging' }));
  await revoke('admin');
  for (const said of [{ to_stage: 'production', break_glass: true }, { to_stage: 'production' }])
    expect(await promote(said)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
});

test('a key that is revoked approves nothing, not even at once', async () => {
  const request = await requestOf(api!, keys.bea, 'keyed', 1);
  const { body } = await done(api!.post('/api-keys', { subject: 'mo', role: 'approver' }));
  const key = String(body['secret']);
  expect((await decide(other!, key, nowhere, 'approve')).status).toBe(404);
  await done(api!.delete(`/api-keys/${String(body['id'])}`));
  expect(await decide(other!, key, request, 'approve')).toMatchObject({
    status: 401,
    body: { code: 'unauthenticated' },
  });
});
