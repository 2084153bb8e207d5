// How the database finds the children of versions: by the index of parents, into which each goes at once.
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '#infra/postgres/migrate.ts';
import { viewsMigrations } from '#services/projector/config.ts';
import { childrenText } from '#services/projector/relatives.ts';
import { forGeneration } from '#services/projector/views/view.ts';
import { viewsConnection } from '#services/projector/writer.ts';
import { openRegistry } from './registry.ts';
import type { TestRegistry } from './registry.ts';

let registry: TestRegistry;
let client: Client;
beforeAll(async () => {
  registry = await openRegistry();
  client = new Client(viewsConnection({ url: registry.url, name: 'test' }));
  await client.connect();
  await client.query(`
    insert into views.versions_g1 (model_id, number, tenant, version_id, stage, readiness, is_default, is_deleted, parents, state)
    select '00000000-0000-7000-8000-000000000000', number, 'default', gen_random_uuid(), 'development', 'training', false, false,
      array['before ' || number, 'base'], repeat('x', 2000)
    from generate_series(1, 1000) number`);
});
afterAll(async () => {
  await client.end();
  await registry.close();
});

test.each(['force_custom_plan', 'force_generic_plan'])(
  'children are found by the index of parents, with %s',
  async (mode) => {
    await client.query(`set plan_cache_mode = ${mode}`);
    await client.query(`prepare children as ${forGeneration(childrenText, 1)}`);
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      `explain execute children ('{one,another}', 'default', null, null, 1001, 200)`,
    );
    await client.query('deallocate children');
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('Bitmap Index Scan on versions_by_parent_g1');
    expect(plan).not.toContain('versions_g1_pkey');
  },
);

test('an index of parents that was made before is brought to take versions in at once', async () => {
  const index = 'views.versions_by_parent_g1';
  const options = async (): Promise<string[]> => {
    const { rows } = await client.query<{ reloptions: string[] }>(
      'select reloptions from pg_class where oid = $1::regclass',
      [index],
    );
    return rows[0]!.reloptions;
  };
  expect(await options()).toEqual(['fastupdate=off']);
  await client.query(`alter index ${index} set (fastupdate = on)`);
  const admin = new Client(registry.url);
  await admin.connect();
  await admin.query(`delete from views.modelog_views_migrations where version >= 2`);
  await admin.end();
  await migrate(registry.url, viewsMigrations);
  expect(await options()).toEqual(['fastupdate=off']);
});
