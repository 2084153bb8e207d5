// A model that has changed since its page was made in memory, and of which only the database still knows what it is answered with.
import { Client } from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from './served.ts';
import type { ServedRegistry } from './served.ts';

let first: ServedRegistry;
/** Has read what models are listed by, and nothing of what they are answered with. */
let registry: ServedRegistry;

beforeEach(async () => {
  first = await serveRegistry();
  for (const name of ['a', 'b', 'c']) await first.post('/models', { name, team: 'risk' });
  await first.post('/models', { name: 'probe', category: 'probe' });
  registry = await serveRegistry({ beside: first });
  // what is in memory does not hear of changes by hand, so the probe is listed once lists are made there
  await eventually(async () => {
    await registry.call('PATCH', '/models/probe', { description: 'again' });
    await registry.get('/models/probe');
    await query(`update views.models_g1 set category = null`, []);
    return (await registry.get('/models?category=probe')).body['total_count'] === 1;
  });
});
afterEach(async () => {
  await registry.stop();
  await first.stop();
});

async function query(sql: string, values: unknown[]): Promise<void> {
  const admin = new Client({ connectionString: registry.url });
  await admin.connect();
  await admin.query(sql, values);
  await admin.end();
}

/** A change of a row by hand, as if the projection had just committed it and not yet told. */
const edit = async (name: string, facts: Record<string, unknown>): Promise<void> =>
  await query(
    `update views.models_g1 m set state = r.state, stream_version = r.stream_version, name = r.state::json ->> 'name',
       team = r.state::json ->> 'team', is_deleted = r.state::json ->> 'state' = 'deleted'
     from (select model_id, stream_version + 1 as stream_version,
             (state::jsonb || $2 || jsonb_build_object('stream_version', stream_version + 1))::text as state
           from views.models_g1 where name = $1) r
     where m.model_id = r.model_id`,
    [name, JSON.stringify(facts)],
  );

async function listed(query: string) {
  const { body } = await registry.get(`/models?team=risk${query}`);
  const items = body['items'] as unknown as { name: string; description: string | null }[];
  expect(body['total_count']).toBe(items.length);
  return items.map(({ name, description }) => [name, description]);
}

test('is shown as it is now where it is on the page still', async () => {
  await edit('b', { description: 'new', name: 'd' });
  expect(await listed('')).toEqual([
    ['c', null],
    ['d', 'new'],
    ['a', null],
  ]);
  // by name it may have another place, which the database knows
  expect(await listed('&sort=name')).toEqual([
    ['a', null],
    ['c', null],
    ['d', 'new'],
  ]);
});

test.each([
  // with another filter, as counters hear nothing of changes by hand
  ['in another team', { team: 'growth' }, '&is_active=true'],
  ['deleted', { state: 'deleted' }, ''],
])('is not shown where it is %s by now', async (_, facts, query) => {
  await edit('b', facts);
  expect(await listed(query)).toEqual([
    ['c', null],
    ['a', null],
  ]);
});
