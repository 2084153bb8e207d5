// A list that is made in memory is the list that the database would make: whatever is asked, whoever asks.
import * as fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stages } from '#events/model/shapes.ts';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from './served.ts';
import type { ServedRegistry } from './served.ts';

const models = 60;
/** Asks the database, as the other one has claimed the views. */
let byDatabase: ServedRegistry;
let byMemory: ServedRegistry;
/** Who holds roles in a team and a project only. */
let member: string;

/** Texts of which some sort otherwise by UTF-16 than by code points. */
const letters = ['a', 'b', 'Z', 'é', '\uff5e', '\u{1f600}'];
const pick = <Value>(values: readonly Value[], nth: number): Value => values[nth % values.length]!;
const frameworks = ['jax', 'pytorch', undefined];
const teams = ['risk', 'fraud', 'growth', undefined];
const projects = ['cards', undefined, 'loans', undefined, undefined];
const tags = [{}, { tier: 'gold' }, { tier: 'tin', cost: 'a:b' }, { 'tier:gold': 'x' }];

async function fill({ post, call }: ServedRegistry): Promise<void> {
  for (let nth = 0; nth < models; nth++) {
    const name = `${pick(letters, nth)}${pick(letters, nth * 7 + 3)}-${nth}`;
    const path = `/models/${encodeURIComponent(name)}`;
    await post('/models', {
      name,
      framework: pick(frameworks, nth),
      team: pick(teams, nth),
      project: pick(projects, nth),
      model_type: pick(['classifier', 'llm', undefined], nth >> 1),
      task: pick(['ranking', undefined], nth >> 2),
      category: pick([undefined, 'embedding'], nth >> 1),
      tags: pick(tags, nth),
    });
    for (const stage of stages.slice(0, nth % 4))
      await post(`${path}/versions`, { label: `in-${stage}`, stage });
    if (nth % 7 === 0) await call('PATCH', path, { is_active: false });
    if (nth % 5 === 0) await call('PATCH', path, { team: pick(teams, nth + 1) ?? null });
    if (nth % 9 === 0) await call('PATCH', path, { name: `renamed-${nth}` });
    if (nth % 11 === 0) await call('DELETE', path);
  }
}

beforeAll(async () => {
  byDatabase = await serveRegistry();
  await fill(byDatabase);
  const { body } = await byDatabase.post('/api-keys', { subject: 'leo', role: 'member' });
  member = body['secret']!;
  for (const scope of ['team:risk', 'project:cards'])
    await byDatabase.call('PUT', '/role-bindings', { subject: 'leo', role: 'viewer', scope });
  byMemory = await serveRegistry({ beside: byDatabase });
  await eventually(async () => (await byMemory.get('/models', member)).status === 200);
  // up to here the first one has written the views, and knows of every change
  await byMemory.post('/models', { name: 'last' });
}, 120_000);
afterAll(async () => {
  await byMemory.stop();
  await byDatabase.stop();
});

/** Seldom, so that what is asked for is often found. */
const sometimes = <Value>(arbitrary: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const asked = fc.record({
  framework: sometimes(fc.constantFrom('jax', 'pytorch', 'unheard')),
  team: sometimes(fc.constantFrom('risk', 'fraud', 'unheard')),
  project: sometimes(fc.constantFrom('cards', 'loans')),
  model_type: sometimes(fc.constantFrom('classifier', 'llm')),
  task: sometimes(fc.constant('ranking')),
  category: sometimes(fc.constant('embedding')),
  stage: sometimes(fc.constantFrom(...stages)),
  tag: sometimes(fc.constantFrom('tier', 'tier:gold', 'cost:a:b', 'cost', 'nothing', 'tier:')),
  is_active: sometimes(fc.boolean()),
  sort: fc.constantFrom(
    undefined,
    'name',
    '-name',
    'created_at',
    '-created_at',
    'updated_at',
    '-updated_at',
  ),
});
const pages = fc.oneof(
  fc.record({ page_size: sometimes(fc.integer({ min: 1, max: 70 })) }),
  fc.record({ page: fc.integer({ min: 1, max: 8 }), size: fc.integer({ min: 1, max: 30 }) }),
);

const pathOf = (query: object): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return `/models?${new URLSearchParams(given as [string, string][]).toString()}`;
};

test('the same models in the same order, the same total, and the same way on', async () => {
  await fc.assert(
    fc.asyncProperty(asked, pages, fc.boolean(), async (query, page, isMember) => {
      const key = isMember ? member : undefined;
      let token: string | undefined;
      do {
        const path = pathOf({ ...query, ...page, page_token: token });
        const found = await byMemory.get(path, key);
        expect(found.status, path).toBe(200);
        expect(found.body, path).toEqual((await byDatabase.get(path, key)).body);
        token = 'page' in page ? undefined : (found.body['next_page_token'] ?? undefined);
      } while (token !== undefined);
    }),
    { numRuns: 200 },
  );
}, 120_000);

test('and it is made in memory, where the views are this process\u2019s own', async () => {
  const total = async ({ get }: ServedRegistry) =>
    (await get('/models?category=embedding')).body['total_count'];
  const before = await total(byMemory);
  expect(before).toBeGreaterThan(0);
  const admin = new Client({ connectionString: byDatabase.url });
  await admin.connect();
  await admin.query('update views.models_g1 set category = null');
  await admin.end();
  expect([await total(byMemory), await total(byDatabase)]).toEqual([before, 0]);
});
