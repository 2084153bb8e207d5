// What retention tells of itself: counts as they are now, whoever changed what, and how the last sweep ended.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { dayMs } from '#events/days.ts';
import { startRegistry } from './registry.ts';
import type { TestRegistry } from './registry.ts';

let registry: TestRegistry;
beforeEach(async () => {
  registry = await startRegistry();
});
afterEach(() => registry.stop());

const nothingArchived = { manual: 0, retention_age: 0, retention_count: 0, superseded: 0 };

it('counts what is there after each write: register 5, apply 3, 2 are archived', async () => {
  const retention = registry.retention();
  const stats = () => retention.get('/retention/stats');
  expect(await stats()).toMatchObject({ total_models: 0, total_versions: 0, due_versions: 0 });
  await registry.model('churn', 5);
  await registry.ask('/models/churn/versions/5/promote', { to_stage: 'production' });
  expect(await stats()).toMatchObject({
    total_models: 1,
    total_versions: 5,
    active_versions: 5,
    kept_versions: 4,
    protected_versions: 1,
    archived_versions: 0,
    archived_by: nothingArchived,
    default_retention_count: 3,
    models_not_counted: 0,
  });
  await registry.ask('/models/archive', { model_name: 'churn', keep: 3 });
  const after = await stats();
  expect(after).toMatchObject({
    total_versions: 5,
    active_versions: 3,
    archived_versions: 2,
    archived_by: { ...nothingArchived, retention_count: 2 },
  });
  await registry.ask('/models/churn/versions/4/archive', {});
  expect(await stats()).toMatchObject({ archived_by: { manual: 1, retention_count: 2 } });
  await registry.ask('/models/churn/versions/4/restore', {});
  expect(await stats()).toMatchObject({ archived_by: { manual: 0, retention_count: 2 } });
});

it('knows what is due as time passes, and as policies are set, before any sweep', async () => {
  await registry.model('churn', 5);
  const retention = registry.retention();
  const due = async () => (await retention.get('/retention/stats'))['due_versions'];
  expect(await due()).toBe(0);
  retention.onDay(31);
  expect(await due()).toBe(2);
  await registry.ask('/retention/policies/tenant', { age_days: { development: 60 } }, 'PUT');
  expect(await due()).toBe(0);
  await registry.ask(
    '/retention/policies/tenant',
    { age_days: { development: 10 }, newest_kept: 4 },
    'PUT',
  );
  expect(await due()).toBe(1);
});

it('counts what was held as kept from the end of the hold, and as due when its age has run from there', async () => {
  await registry.model('churn', 4);
  const until = new Date(Date.now() + 10 * dayMs).toISOString();
  await registry.ask('/models/churn/versions/1/holds', { reason: 'audit', until });
  const retention = registry.retention();
  const countedOn = async (day: number) => {
    retention.onDay(day);
    const stats = await retention.get('/retention/stats');
    return [stats['protected_versions'], stats['kept_versions'], stats['due_versions']];
  };
  expect(await countedOn(9)).toEqual([1, 3, 0]);
  expect(await countedOn(11)).toEqual([0, 4, 0]);
  expect(await countedOn(39)).toEqual([0, 4, 0]);
  expect(await countedOn(41)).toEqual([0, 3, 1]);
});

it('tells when the last sweep ended, and how', async () => {
  const retention = registry.retention();
  await eventually(async () =>
    expect(await retention.get('/retention/stats')).toMatchObject({
      last_sweep: { at: expect.any(String), outcome: 'ok' },
    }),
  );
});

it('counts nothing of a deleted model, and nothing that the caller may not see', async () => {
  await registry.ask('/models', { name: 'theirs', team: 'seen' });
  await registry.ask('/models/theirs/versions', {});
  await registry.model('hidden', 3);
  await registry.model('gone', 3);
  await registry.ask('/models/gone', {}, 'DELETE');
  const { secret } = await registry.ask('/api-keys', { subject: 'tess', role: 'member' });
  await registry.ask(
    '/role-bindings',
    { subject: 'tess', role: 'viewer', scope: 'team:seen' },
    'PUT',
  );
  const retention = registry.retention();
  const seenBy = (key?: string) => retention.get('/retention/stats', key);
  expect(await seenBy()).toMatchObject({ total_models: 2, total_versions: 4 });
  await eventually(async () =>
    expect(await seenBy(String(secret))).toMatchObject({ total_models: 1, total_versions: 1 }),
  );
});
