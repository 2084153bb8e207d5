// The lineage of a version over HTTP: parents and children over models, with data, code and deployments, to an end.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

type Node = { id: string; type: string; name?: string } & Record<string, unknown>;
type Drawn = {
  nodes: Node[];
  edges: { from: string; to: string; type: string }[];
  truncated: { node: string; what: string; names: string[]; more: boolean }[];
};

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

async function aVersion(model: string, label: string, lineage: object = {}): Promise<string> {
  const { status, body } = await registry.post(`/models/${model}/versions`, { label, lineage });
  expect(status).toBe(201);
  return body['id'] as unknown as string;
}

const asOf = (path: string, position: number | string): string =>
  `${path}${path.includes('?') ? '&' : '?'}as_of=${position}`;

/** Every lineage is also asked for as of the position that the answer holds, which must not tell it otherwise. */
async function draw(path: string, key?: string): Promise<Drawn & Record<string, unknown>> {
  const { status, body, headers } = await registry.get(`/models/${path}`, key);
  expect(status, JSON.stringify(body)).toBe(200);
  const then = await registry.get(asOf(`/models/${path}`, headers.get('x-position')!), key);
  expect([then.status, then.body]).toEqual([200, body]);
  return body as unknown as Drawn & Record<string, unknown>;
}

/** A node as a person would call it. */
const nameOf = ({ type, model_name, version, name, environment }: Node): string =>
  type === 'version'
    ? `${String(model_name)}/${String(version)}`
    : `${type} ${String(name ?? environment)}`;
/** The edges by the names of their nodes, in order. */
function told({ nodes, edges }: Drawn): string[] {
  const names = new Map(nodes.map((node) => [node.id, nameOf(node)]));
  return edges
    .map(({ from, to, type }) => `${names.get(from)!} ${type} ${names.get(to)!}`)
    .toSorted();
}

test('parents and children are found by every name, over models, with all that belongs to them', async () => {
  for (const name of ['base', 'tuned']) await registry.post('/models', { name });
  const base = await aVersion('base', 'v1', { data_versions: ['corpus-1'], code_version: 'abc' });
  await aVersion('base', 'v2', { parent_versions: ['v1'], run_id: 'run-7', experiment_id: 'e-1' });
  await aVersion('tuned', 'v1', {
    parent_versions: ['base/v2', base.toUpperCase(), 'hf://bert', 'tuned/v9'],
    data_versions: ['corpus-1'],
  });
  await aVersion('tuned', 'v2', { parent_versions: ['1'] });
  await registry.post('/models/tuned/versions/2/deployments', {
    environment: 'eu',
    status: 'deployed',
  });
  const drawn = await draw('base/lineage/2');
  expect(drawn).toMatchObject({
    model_name: 'base',
    number: 2,
    version: 'v2',
    lineage: { parent_versions: ['v1'] },
    depth: 3,
    truncated: [],
  });
  expect(told(drawn)).toEqual([
    'base/v1 parent_of base/v2',
    'base/v2 parent_of tuned/v1',
    'code abc built base/v1',
    'data corpus-1 trained base/v1',
    'data corpus-1 trained tuned/v1',
    'experiment e-1 produced base/v2',
    'model base holds base/v1',
    'model base holds base/v2',
    'model tuned holds tuned/v1',
    'model tuned holds tuned/v2',
    'run run-7 produced base/v2',
    'tuned/v1 parent_of tuned/v2',
    'tuned/v2 deployed deployment eu',
  ]);
  expect(told(await draw('tuned/lineage/v1'))).toEqual(
    expect.arrayContaining([
      'base/v1 parent_of base/v2',
      'base/v1 parent_of tuned/v1',
      'base/v2 parent_of tuned/v1',
      'external hf://bert parent_of tuned/v1',
      'external tuned/v9 parent_of tuned/v1',
    ]),
  );
});

test('a walk of some steps names what lies beyond, both ways', async () => {
  await registry.post('/models', { name: 'chain' });
  for (let number = 1; number <= 5; number++)
    await aVersion('chain', `v${number}`, {
      parent_versions: number === 1 ? [] : [String(number - 1)],
    });
  const drawn = await draw('chain/lineage/3?depth=1');
  expect(told(drawn).filter((edge) => edge.includes('parent_of'))).toEqual([
    'chain/v2 parent_of chain/v3',
    'chain/v3 parent_of chain/v4',
  ]);
  const ids = new Map(drawn.nodes.map((node) => [node.id, nameOf(node)]));
  expect(drawn.truncated.map(({ node, ...rest }) => ({ node: ids.get(node), ...rest }))).toEqual([
    { node: 'chain/v2', what: 'parents', names: ['1'], more: false },
    { node: 'chain/v4', what: 'children', names: ['chain/v5'], more: false },
  ]);
  const nowhere = await draw('chain/lineage/3?depth=0');
  expect(nowhere.truncated.map(({ what, names }) => [what, names])).toEqual([
    ['parents', ['2']],
    ['children', ['chain/v4']],
  ]);
});

test('a circle ends', async () => {
  await registry.post('/models', { name: 'circle' });
  await aVersion('circle', 'v1', { parent_versions: ['2', '1'] });
  await aVersion('circle', 'v2', { parent_versions: ['1'] });
  const drawn = await draw('circle/lineage/1?depth=10');
  expect(told(drawn).filter((edge) => edge.includes('parent_of'))).toEqual([
    'circle/v1 parent_of circle/v1',
    'circle/v1 parent_of circle/v2',
    'circle/v2 parent_of circle/v1',
  ]);
  expect(drawn.truncated).toEqual([]);
});

test('of more children than a picture holds the rest is named, and where names end it says so', async () => {
  await registry.post('/models', { name: 'popular' });
  const labels = Array.from({ length: 320 }, (_, nth) => `v${nth}`);
  for (const label of labels)
    await aVersion('popular', label, label === 'v0' ? {} : { parent_versions: ['v0'] });
  const { nodes, edges, truncated } = await draw('popular/lineage/1');
  expect(nodes.filter(({ type }) => type === 'version')).toHaveLength(200);
  expect(edges.filter(({ type }) => type === 'parent_of')).toHaveLength(199);
  expect(truncated).toMatchObject([{ what: 'children', names: { length: 100 }, more: true }]);
  expect(truncated[0]!.names[0]).toBe('popular/v200');
});

test('what the caller may not see is a name outside as a parent, and not there as a child', async () => {
  await registry.post('/models', { name: 'secret', team: 'hidden' });
  await registry.post('/models', { name: 'seen', team: 'open' });
  const secret = await aVersion('secret', 'v1');
  await aVersion('seen', 'v1', { parent_versions: ['secret/v1', secret] });
  await aVersion('secret', 'v2', { parent_versions: ['seen/v1'] });
  const { secret: key } = (await registry.post('/api-keys', { subject: 'tess', role: 'member' }))
    .body as unknown as { secret: string };
  const granted = { subject: 'tess', role: 'viewer', scope: 'team:open' };
  await registry.call('PUT', '/role-bindings', granted);
  await eventually(async () => (await registry.get('/models/seen', key)).status === 200);
  expect(told(await draw('seen/lineage/1'))).toEqual(
    expect.arrayContaining(['secret/v1 parent_of seen/v1', 'seen/v1 parent_of secret/v2']),
  );
  const drawn = await draw('seen/lineage/1', key);
  expect(told(drawn)).toEqual([
    `external ${secret} parent_of seen/v1`,
    'external secret/v1 parent_of seen/v1',
    'model seen holds seen/v1',
  ]);
  expect(drawn.truncated).toEqual([]);
});

test('a name means who has it now, and a deleted version says that it is', async () => {
  await registry.post('/models', { name: 'renamed' });
  await aVersion('renamed', 'v1');
  await registry.post('/models', { name: 'heir' });
  await aVersion('heir', 'v1', { parent_versions: ['renamed/v1'] });
  await registry.call('DELETE', '/models/renamed/versions/v1');
  const { nodes } = await draw('heir/lineage/1');
  const parent = nodes.find((node) => nameOf(node) === 'renamed/v1');
  expect(parent).toMatchObject({ type: 'version', deleted_at: expect.any(String) });
  await registry.call('PATCH', '/models/renamed', { name: 'renamed-since' });
  expect(told(await draw('heir/lineage/1'))).toContain('external renamed/v1 parent_of heir/v1');
});

test('every lineage as of a position is the one that was drawn then', async () => {
  const { get, post, call } = registry;
  const parent_versions = ['old/v1', 'hf://bert'];
  const steps = [
    () => post('/models', { name: 'old' }),
    () => post('/models/old/versions', { label: 'v1', lineage: { code_version: 'abc' } }),
    () => post('/models', { name: 'young' }),
    () => post('/models/young/versions', { label: 'v1', lineage: { parent_versions } }),
    () => post('/models/old/versions', { label: 'v2', lineage: { parent_versions: ['1'] } }),
    () => post('/models/young/versions/v1/deployments', { environment: 'eu', status: 'deployed' }),
    () => call('PATCH', '/models/old', { name: 'older' }),
    () => post('/models', { name: 'old' }),
    () => post('/models/old/versions', { label: 'v1' }),
    () => call('DELETE', '/models/old/versions/v1'),
    () => call('DELETE', '/models/old'),
    () => call('PATCH', '/models/older', { name: 'old' }),
  ];
  const kept: { question: string; position: number; answer: Answer }[] = [];
  for (const step of steps) {
    const { status, body } = await step();
    expect(status, JSON.stringify(body)).toBeLessThan(300);
    for (const name of ['old', 'older', 'young'])
      for (const rest of ['v1', 'v1?depth=0', 'latest?depth=1']) {
        const question = `/models/${name}/lineage/${rest}`;
        const position = body['position'] as unknown as number;
        kept.push({ question, position, answer: await get(question) });
      }
  }
  const pictures = new Set(kept.map(({ answer }) => JSON.stringify(answer.body['edges'])));
  expect(pictures.size).toBeGreaterThan(steps.length);
  for (const { question, position, answer } of kept) {
    const again = await get(asOf(question, position));
    expect([question, position, again.status, again.body]).toEqual([
      question,
      position,
      answer.status,
      answer.body,
    ]);
  }
});

test.each([
  ['nobody/lineage/1', 404],
  ['chain/lineage/1?as_of=1', 404],
  ['chain/lineage/1?as_of=1000000000', 422],
  ['chain/lineage/99', 404],
  ['chain/lineage/1?depth=11', 422],
  ['chain/lineage/1?depth=-1', 422],
  ['chain/lineage/1?depth=x', 422],
  ['chain/lineage/1?colour=red', 422],
])('%s is answered %i', async (path, status) =>
  expect((await registry.get(`/models/${path}`)).status).toBe(status),
);

test('a name that was given up leads to who has it now, and from who had it to nobody', async () => {
  const { body: first } = await registry.post('/models', { name: 'handed-on' });
  await registry.post('/models', { name: 'ancestor' });
  const root = await aVersion('ancestor', 'r1');
  const old = await aVersion('handed-on', 'old', { parent_versions: [root] });
  const { status } = await registry.call('DELETE', '/models/handed-on');
  expect(status).toBe(200);
  await registry.post('/models', { name: 'heir' });
  const orphan = await aVersion('heir', 'orphan', { parent_versions: ['handed-on/1'] });
  const orphaned = told(await draw('heir/lineage/orphan'));
  expect(orphaned).toContain('external handed-on/1 parent_of heir/orphan');

  await registry.post('/models', { name: 'handed-on' });
  await aVersion('handed-on', 'new');
  await aVersion('heir', 'mixed', { parent_versions: [old, orphan] });
  const parentsOf = async (path: string): Promise<string[]> =>
    told(await draw(path)).filter((edge) => edge.includes('parent_of'));
  expect(await parentsOf('heir/lineage/mixed')).toEqual([
    'ancestor/r1 parent_of handed-on/old',
    'handed-on/new parent_of heir/orphan',
    'handed-on/old parent_of heir/mixed',
    'heir/orphan parent_of heir/mixed',
  ]);
  // what a child of the old one was made from beside it is not looked at from here
  expect(await parentsOf('ancestor/lineage/r1')).toEqual([
    'ancestor/r1 parent_of handed-on/old',
    'handed-on/old parent_of heir/mixed',
  ]);
  const old_id = String(first['id']);
  expect(await parentsOf(`${old_id}/lineage/${old}?depth=1`)).not.toContain(
    'handed-on/old parent_of heir/orphan',
  );
});
