// What is another tenant's, or of another team, is as if it were not there: asked of every route that there is.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { boundRoles, may } from '#events/access.ts';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from '#test/projector/served.ts';
import type { Answer, ServedRegistry } from '#test/projector/served.ts';
import { bodies, pathOf } from './every-route.ts';
import type { Thing } from './every-route.ts';

let registry: ServedRegistry;
/** An admin of a tenant that has the same names as the first. */
let theirs: string;
/** An admin of a team in the first tenant. */
let ofTeam: string;

/** Stands in everything that nobody else may see. */
const mark = 'hidden-from-others';
/** The ids of one model and of all that belongs to it, by the noun that stands before them in a path. */
let hidden: Thing;

const nowhere = '01940000-0000-7000-8000-000000000000';
const ok = (answer: Answer): Answer['body'] => {
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  return answer.body;
};
const id = (answer: Answer): string => ok(answer)['id'] as unknown as string;

beforeAll(async () => {
  registry = await serveRegistry();
  const tenant = ok(await registry.post('/tenants', { id: 'acme', admin_subject: 'zoë' }));
  theirs = (tenant['admin_key'] as unknown as { secret: string }).secret;
  for (const key of [undefined, theirs]) {
    await registry.call('POST', '/models', { name: 'twin' }, key);
    await registry.call('POST', '/models/twin/versions', { label: '1.0.0' }, key);
  }
  const model = ok(
    await registry.post('/models', {
      name: mark,
      team: 'unseen',
      project: mark,
      owner: mark,
      framework: mark,
      tags: { [mark]: mark },
    }),
  );
  const version = await registry.post(`/models/${mark}/versions`, { label: mark });
  const version_id = id(version);
  const events = ok(await registry.get(`/events?model=${mark}`));
  hidden = {
    model: model['id'] as unknown as string,
    name: mark,
    serial: String(model['serial']),
    versions: version_id,
    deployments: id(
      await registry.post(`/models/${mark}/versions/1/deployments`, {
        environment: mark,
        status: 'deployed',
      }),
    ),
    bindings: id(
      await registry.post('/bindings', { version_id, provider: mark, provider_model_id: mark }),
    ),
    holds: id(await registry.post(`/models/${mark}/versions/1/holds`, { reason: mark })),
    events: (events['items'] as unknown as { id: string }[])[0]!.id,
    'api-keys': id(await registry.post('/api-keys', { subject: mark, role: 'viewer' })),
  };
  ok(
    await registry.call('PUT', '/role-bindings', {
      subject: mark,
      role: 'viewer',
      scope: 'team:unseen',
    }),
  );
  const member = ok(await registry.post('/api-keys', { subject: 'tess', role: 'member' }));
  ofTeam = member['secret'] as unknown as string;
  await registry.post('/models', { name: 'seen', team: 'seen' });
  ok(
    await registry.call('PUT', '/role-bindings', {
      subject: 'tess',
      role: 'admin',
      scope: 'team:seen',
    }),
  );
  await eventually(async () => (await registry.get('/models', ofTeam)).status === 200);
});
afterAll(() => registry.stop());

/** Things that nobody has: the same words in the same places. */
const absent = (): Thing => ({
  ...Object.fromEntries(Object.keys(hidden).map((noun) => [noun, nowhere])),
  name: 'nobodys-name',
  serial: '999999',
});

/** An answer without the names of what was asked for. */
const without = ({ status, body }: Answer, thing: Thing): string =>
  Object.values(thing)
    .toSorted((left, right) => right.length - left.length)
    .reduce(
      (text, name) => text.replaceAll(JSON.stringify(name), '"X"').replaceAll(`model:${name}`, 'X'),
      `${status} ${JSON.stringify(body)}`,
    )
    .replaceAll(/"(position|stream_version|head)":\d+/g, '"$1":0')
    .replaceAll(/"(plan_id|made_at|expires_at)":"[^"]*"/g, '"$1":""');

/** Routes whose path names nothing of the registry: a read has nothing to do with what is hidden, a write names it in its body. */
const namesNothing = (url: string): boolean => !url.includes(':');
/** They make something in any case, and of nothing that was there, or are about no model. */
const makes = [
  'POST /models',
  'POST /models/register',
  'POST /api-keys',
  'POST /tenants',
  'POST /tokens',
  'PUT /role-bindings',
  'DELETE /role-bindings',
  'POST /training-completed',
];

async function differences(
  key: string,
  headers: Record<string, string>,
): Promise<{ told: string[]; unreached: string[] }> {
  const call = (method: string, path: string, body: object | undefined) =>
    registry.call(method, path, body, key, '/api/v1', headers);
  const told: string[] = [];
  const unreached: string[] = [];
  const nothing = absent();
  const ofHidden = [
    hidden['model']!,
    hidden['versions']!,
    hidden['deployments']!,
    hidden['bindings']!,
  ];
  // the trail first, as it holds what its reader was refused, by the names that the reader gave
  const routes = registry.routes.toSorted(
    (left, right) => Number(right.url.endsWith('/audit')) - Number(left.url.endsWith('/audit')),
  );
  for (const { method, url } of routes) {
    const name = `${method} ${url.replace('/api/v1', '')}`;
    if (method === 'HEAD' || makes.includes(name)) continue;
    const isRead = method === 'GET';
    let isReached = isRead;
    for (const [nth, body] of (isRead ? [undefined] : bodies(hidden)).entries()) {
      const bodyOfNothing = isRead ? undefined : bodies(nothing)[nth];
      for (const by of ['model', 'name', 'serial']) {
        const asked = await call(method, pathOf(url, hidden, hidden[by]!), body);
        const hasLooked = asked.status !== 422 && asked.status !== 400;
        const text = JSON.stringify(asked.body);
        if (
          isRead &&
          namesNothing(url) &&
          (text.includes(mark) || ofHidden.some((one) => text.includes(one)))
        )
          told.push(`${name}: ${text}`);
        if (!hasLooked || (isRead && namesNothing(url))) break;
        isReached = true;
        const askedNothing = await call(method, pathOf(url, nothing, nothing[by]!), bodyOfNothing);
        const [found, foundNothing] = [without(asked, hidden), without(askedNothing, nothing)];
        if (found !== foundNothing)
          told.push(`${name} by ${by} ${JSON.stringify(body)}: ${found} and not ${foundNothing}`);
        if (!url.includes(':model')) break;
      }
      // one that has come so far says what the others would
      if (isReached && !namesNothing(url)) break;
    }
    if (!isReached) unreached.push(name);
  }
  return { told, unreached };
}

const recorded = async (): Promise<number> =>
  (ok(await registry.get(`/events?limit=1000&model=${mark}`))['items'] as unknown as object[])
    .length;

describe('a thing that is hidden', () => {
  test.each([
    ['another tenant', {}],
    ['another team', {}],
    // of no version that it has: that would be told of what is there only
    ['another team', { 'if-match': '"99"' }],
  ])(
    'from %s is answered by every route as if it were not there, and changed by none (%j)',
    async (whose, headers) => {
      const before = await recorded();
      const key = whose === 'another team' ? ofTeam : theirs;
      const { told, unreached } = await differences(key, headers);
      expect(told).toEqual([]);
      // a route that takes none of the bodies has not looked for anything: give it one that it takes
      expect(unreached).toEqual([]);
      expect(await recorded()).toBe(before);
    },
    120_000,
  );

  test('is seen by who may see it', async () => {
    for (const path of ['/models', '/deployments', '/bindings', '/stats', '/events?limit=1000'])
      expect(JSON.stringify(ok(await registry.get(path))), path).toContain(mark);
  });
});

test('two tenants with the same names have each their own', async () => {
  const ours = ok(await registry.get('/models/twin'));
  const twin = ok(await registry.get('/models/twin', theirs));
  expect(twin['id']).not.toBe(ours['id']);
  expect(ok(await registry.get('/models', theirs))['total_count'] as unknown).toBe(1);
  expect(ok(await registry.get('/stats', theirs))).toMatchObject({
    total_models: 1,
    total_versions: 1,
  });
  // a page_token of the one shows the other nothing of the one
  const page = ok(await registry.get('/models?page_size=1'));
  const token = page['next_page_token'] as unknown as string;
  const next = await registry.get(`/models?page_size=1&page_token=${token}`, theirs);
  expect(JSON.stringify(next.body)).not.toContain(mark);
});

test('a tenant is made once, by those above tenants only, and listed by them', async () => {
  expect(await registry.post('/tenants', { id: 'acme', admin_subject: 'x' })).toMatchObject({
    status: 409,
    body: { code: 'tenant_exists' },
  });
  for (const asked of [
    registry.call('POST', '/tenants', { id: 'other', admin_subject: 'x' }, theirs),
    registry.get('/tenants', theirs),
  ])
    expect((await asked).status).toBe(403);
  expect(ok(await registry.get('/tenants?page_size=1'))).toMatchObject({
    items: [{ id: 'acme' }],
    next_page_token: 'acme',
    total_count: 2,
  });
  expect(ok(await registry.get('/tenants?page_token=acme'))).toMatchObject({
    items: [{ id: 'default' }],
    next_page_token: null,
  });
});

/** Held in the whole tenant, or not at all. */
const ofTheTenant: ReadonlySet<string> = new Set([
  'key:manage',
  'audit:read',
  'tenant:manage',
  'retention:attribute',
]);

describe.each(['tenant', 'team:seen', 'project:p'])('in the scope %s', (scope) => {
  test.each([...boundRoles])('%s opens the routes that it is for, and no other', async (role) => {
    const subject = `${role} of ${scope}`;
    const made = ok(await registry.post('/api-keys', { subject, role: 'member' }));
    const key = made['secret'] as unknown as string;
    ok(await registry.call('PUT', '/role-bindings', { subject, role, scope }));
    await eventually(async () => (await registry.get('/models', key)).status === 200);
    const wrong: string[] = [];
    for (const { method, url, permission } of registry.routes) {
      if (method === 'HEAD' || permission === 'open' || permission === 'loopback') continue;
      const path = pathOf(url, absent(), 'nobodys-name');
      const body = method === 'GET' ? undefined : { colour: 'red' };
      const { status, body: answer } = await registry.call(method, path, body, key);
      const isGiven =
        permission === 'any key' ||
        (may(role, permission) && (scope === 'tenant' || !ofTheTenant.has(permission)));
      const isDenied = status === 403 && (answer['code'] as unknown) === 'forbidden';
      if (isGiven === isDenied || status === 401) wrong.push(`${method} ${url}: ${status}`);
    }
    expect(wrong).toEqual([]);
  });
});
