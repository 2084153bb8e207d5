// Policies of retention from the call that sets them to what a sweep archives, by a clock of the test's.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArchiveVersion } from '#services/retention/archive.ts';
import { startRegistry } from './registry.ts';
import type { Json, TestRegistry } from './registry.ts';

let registry: TestRegistry;
beforeEach(async () => {
  registry = await startRegistry();
});
afterEach(() => registry.stop());

const archivedNumbers = async (name: string) =>
  (await registry.archived()).filter((each) => each.name === name).map(({ number }) => number);
const setRetention = (scope: string, retention: object): Promise<Json> =>
  registry.ask(`/retention/policies/${scope}`, retention, 'PUT');

/** Retention that has read all there is and looks on some day. */
async function sweeping(options: Parameters<TestRegistry['retention']>[0] = {}) {
  const retention = registry.retention(options);
  await registry.hasRead(retention);
  return {
    async on(days: number) {
      await registry.hasRead(retention);
      retention.onDay(days);
      return await retention.sweepOnce();
    },
  };
}

describe('a sweep', () => {
  it('archives after the age that the tenant has set, shorter or longer, with that age as the rule', async () => {
    await registry.model('churn', 4);
    await registry.model('staged', 4);
    await registry.ask('/models/staged/versions/1/promote', { to_stage: 'staging' });
    await setRetention('tenant', { age_days: { development: 7, staging: 200 } });
    const sweep = await sweeping();
    await sweep.on(6.9);
    expect(await registry.archived()).toEqual([]);
    await sweep.on(7.1);
    await sweep.on(199.9);
    expect(await registry.archived()).toEqual([
      {
        name: 'churn',
        number: 1,
        cause: 'retention_age',
        rule: { type: 'age_days', limit: 7, measured: 7 },
      },
    ]);
    await sweep.on(200.1);
    expect(await archivedNumbers('staged')).toEqual([1]);
  });

  it('keeps as many of the newest as the model is to keep, and looks again when that changes', async () => {
    await registry.model('churn', 6);
    await setRetention('tenant', { newest_kept: 2 });
    await setRetention('model:churn', { newest_kept: 5 });
    const sweep = await sweeping();
    await sweep.on(31);
    expect(await archivedNumbers('churn')).toEqual([1]);
    await setRetention('model:churn', { newest_kept: 3 });
    await sweep.on(40);
    expect(await archivedNumbers('churn')).toEqual([1, 3, 2]);
  });

  it('looks at nothing anew for a policy that says nothing of retention', async () => {
    await registry.model('churn', 4);
    const sweep = await sweeping();
    expect((await sweep.on(2)).looked_at).toBe(1);
    await registry.ask('/policies/tenant', { allow_skip: false }, 'PUT');
    expect((await sweep.on(2)).looked_at).toBe(0);
    await registry.ask('/policies/tenant', { retention: { newest_kept: 4 } }, 'PUT');
    expect((await sweep.on(2)).looked_at).toBe(1);
  });

  it('goes by the policy of the project in which the model is now', async () => {
    await registry.ask('/models', { name: 'churn', project: 'lab' });
    for (let made = 0; made < 4; made++) await registry.ask('/models/churn/versions', {});
    const sweep = await sweeping();
    await sweep.on(2);
    await setRetention('project:lab', { age_days: { development: 100 } });
    expect((await sweep.on(3)).looked_at).toBe(1);
    await sweep.on(31);
    expect(await registry.archived()).toEqual([]);
    await registry.ask('/models/churn', { project: 'other' }, 'PATCH');
    await sweep.on(32);
    expect(await archivedNumbers('churn')).toEqual([1]);
  });

  it('archives nothing by a policy that is not in force any more', async () => {
    await registry.model('churn', 4);
    const archive = (real: ArchiveVersion): ArchiveVersion => {
      let isFirst = true;
      return async (order, signal) => {
        if (isFirst) await setRetention('tenant', { age_days: { development: 60 } });
        isFirst = false;
        return await real(order, signal);
      };
    };
    const sweep = await sweeping({ archive });
    expect(await sweep.on(31)).toMatchObject({ looked_at: 1, archived: 0, failed: 0 });
    await sweep.on(61);
    expect(await registry.archived()).toMatchObject([{ number: 1, rule: { limit: 60 } }]);
  });
});

describe('the policy of a scope', () => {
  it('is shown with what it comes to, and says where that comes from', async () => {
    await registry.model('churn', 1);
    await setRetention('tenant', { newest_kept: 4, reason: 'audit' });
    const shown = await registry.ask('/retention/policies/model:churn', {}, 'PUT');
    expect(shown).toMatchObject({
      retention: null,
      effective: {
        age_days: { development: 30, staging: 90, deprecated: 90, retired: 365 },
        newest_kept: 4,
      },
      sources: ['tenant'],
      stream_version: 0,
    });
  });

  it.each([
    [{ newest_kept: 0 }, '/newest_kept'],
    [{ newest_kept: 11 }, '/newest_kept'],
    [{ age_days: { development: 0 } }, '/age_days/development'],
    [{ age_days: { production: 30 } }, '/age_days'],
    [{ colour: 'red' }, ''],
  ])('cannot say %j', async (said, pointer) => {
    const problem = await setRetention('tenant', said).catch((error: Error) =>
      JSON.parse(error.message),
    );
    expect(problem).toMatchObject({
      code: 'invalid',
      errors: [{ pointer: expect.stringContaining(pointer) }],
    });
  });
});
