// A dry run says what a write would do, or why not, and leaves nothing: asked of every route that changes something.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTokens } from '#infra/auth/tokens.ts';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from '#test/projector/served.ts';
import type { Answer, ServedRegistry } from '#test/projector/served.ts';
import { bodies, pathOf } from './every-route.ts';
import type { Thing } from './every-route.ts';

let registry: ServedRegistry;
let thing: Thing;
let viewer: string;
let ada: string;

const ok = (answer: Answer): Record<string, unknown> => {
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  return answer.body;
};
const idOf = (answer: Answer): string => ok(answer)['id'] as string;
const dry = async (method: string, path: string, body?: object, key?: string): Promise<Answer> =>
  await registry.call(method, `${path}${path.includes('?') ? '&' : '?'}dry_run=true`, body, key);

beforeAll(async () => {
  registry = await serveRegistry({
    identity: { tokens: openTokens('s'.repeat(32), 5), oidc: null },
  });
  const { call, post } = registry;
  const model = idOf(await post('/models', { name: 'tried', team: 'risk' }));
  const version = idOf(await post('/models/tried/versions', { label: 'v1' }));
  await post('/models/tried/versions', { label: 'v2' });
  await call('PUT', '/models/tried/aliases/x', { version: 2 });
  await call('PUT', '/policies/tenant', { approvals: { required: 1, role: 'admin' } });
  const digest = { sha256: 'a'.repeat(64) };
  const keyOf = async (subject: string, role: string): Promise<string> =>
    ok(await post('/api-keys', { subject, role }))['secret'] as string;
  // four eyes: neither registered what the other approves, nor gave the other the key
  const zoë = await keyOf('zoë', 'admin');
  ada = await keyOf('ada', 'admin');
  viewer = await keyOf('vera', 'viewer');
  await call('POST', '/models/tried/versions', { label: 'v3', content_digest: digest }, zoë);
  thing = {
    model,
    name: 'tried',
    versions: version,
    deployments: idOf(
      await post('/models/tried/versions/1/deployments', { environment: 'eu', status: 'deployed' }),
    ),
    bindings: idOf(
      await post('/bindings', { version_id: version, provider: 'p', provider_model_id: 'm' }),
    ),
    'promotion-requests': idOf(
      await call(
        'POST',
        '/models/tried/versions/3/promotion-requests',
        { to_stage: 'production' },
        zoë,
      ),
    ),
    'api-keys': idOf(await post('/api-keys', { subject: 'somebody', role: 'viewer' })),
  };
});
afterAll(() => registry.stop());

const granted = { subject: 'nobody', role: 'viewer', scope: 'tenant' };
/** What the writes take that are about nothing that is there before. */
const others: Record<string, { body?: object; query?: string }> = {
  'POST /api-keys': { body: { subject: 'nobody', role: 'viewer' } },
  'POST /tenants': { body: { id: 'nowhere', admin_subject: 'nobody' } },
  'PUT /role-bindings': { body: granted },
  'DELETE /role-bindings': { query: `&${new URLSearchParams(granted).toString()}` },
  'POST /training-completed': {
    body: {
      specversion: '1.0',
      id: 'untold',
      source: '/pipeline',
      type: 'training.completed',
      data: { model_name: 'untold' },
    },
  },
};

/** How much there is of everything that a write could leave. */
async function stored(): Promise<Record<string, string>> {
  const tables = ['events', 'commands', 'claims', 'serials', 'audit_records', 'api_keys'];
  const counts = [...tables, 'role_bindings', 'model_scopes', 'retention_plans'].map(
    (table) => `(select count(*) from log.${table}) as ${table}`,
  );
  const { rows } = await registry.pool.query<Record<string, string>>(
    `select ${counts.join()}, (select max(position) from log.events) as head`,
  );
  return rows[0]!;
}

test('of every route that changes something it says so, and nothing is stored', async () => {
  const before = await stored();
  const unknown: string[] = [];
  const inEarnest: string[] = [];
  const unreached: string[] = [];
  let told = 0;
  for (const { method, url } of registry.routes) {
    if (['GET', 'HEAD'].includes(method)) continue;
    const prefix = url.startsWith('/api/v1') ? '/api/v1' : '';
    const { body: taken, query = '' } = others[`${method} ${url.slice(prefix.length)}`] ?? {};
    const path = `${pathOf(url, thing, 'tried')}?dry_run=true${query}`;
    let isReached = false;
    for (const body of taken === undefined ? bodies(thing) : [taken]) {
      const answer = await registry.call(method, path, body, undefined, prefix);
      const text = `${method} ${url}: ${JSON.stringify(answer.body)}`;
      if (text.includes('dry_run') && answer.status >= 400) unknown.push(text);
      isReached ||= !['invalid', 'malformed'].includes(answer.body['code'] as unknown as string);
      if (answer.status >= 300) continue;
      told++;
      const { dry_run, events, resource } = answer.body as Record<string, unknown>;
      const isTold = dry_run === true && Array.isArray(events) && resource instanceof Object;
      if (answer.status !== 200 || !isTold) inEarnest.push(text);
      break;
    }
    if (!isReached) unreached.push(`${method} ${url}`);
  }
  expect(unknown).toEqual([]);
  expect(inEarnest).toEqual([]);
  // a route that takes none of the bodies has said nothing: give it one that it takes
  expect(unreached).toEqual([]);
  expect(told).toBeGreaterThan(50);
  expect(await stored()).toEqual(before);
});

describe('a dry run', () => {
  test('shows the events and the resource that the run in earnest then makes', async () => {
    const body = { name: 'foreseen', team: 'risk', tags: { a: 'b' } };
    const { status, body: tried, headers } = await dry('POST', '/models', body);
    expect([status, headers.get('etag'), headers.get('x-position')]).toEqual([200, '"0"', null]);
    expect(tried).toMatchObject({
      dry_run: true,
      events: [
        {
          type: 'model.registered',
          schema_version: 1,
          stream_version: 1,
          tenant: 'default',
          actor: { subject: 'modelog:admin' },
          data: { ...body, serial: 0 },
        },
      ],
      resource: { ...body, stream_version: 1, position: 0 },
    });
    expect((await registry.get('/models/foreseen')).status).toBe(404);
    expect(ok(await registry.post('/models', body))).toMatchObject({ ...body, stream_version: 1 });
  });

  test('shows all that goes into the same append', async () => {
    const path = '/models/replaced/versions';
    await registry.post('/models', { name: 'replaced' });
    for (const label of ['v1', 'v2']) await registry.post(path, { label });
    const { body } = await dry('POST', `${path}/1/archive`, {});
    const types = (body['events'] as unknown as { type: string }[]).map(({ type }) => type);
    expect(types).toEqual(['default.changed', 'model.archived']);
    expect(body).toMatchObject({ resource: { number: 1, stage: 'archived', is_default: false } });
    expect(ok(await registry.get(`${path}/1`))).toMatchObject({ stage: 'development' });
  });

  test('of the last approval shows what the policy then does', async () => {
    const path = `/promotion-requests/${thing['promotion-requests']!}/decision`;
    const { body } = await dry('POST', path, { decision: 'approve' }, ada);
    expect(body['events']).toMatchObject([
      { type: 'promotion.decided', actor: { subject: 'ada' } },
      { type: 'model.promoted', actor: { subject: 'policy' }, data: { to_stage: 'production' } },
    ]);
    expect(body).toMatchObject({ resource: { state: 'executed' } });
    expect(
      ok(await registry.get(`/promotion-requests/${thing['promotion-requests']!}`)),
    ).toMatchObject({ state: 'open', decisions: [] });
  });

  test('of what is already so shows no event', async () => {
    const { body } = await dry('PUT', '/models/tried/aliases/x', { version: 2 });
    expect(body).toMatchObject({ events: [], resource: { aliases: ['x'] } });
  });

  test('is refused as the run in earnest would be, and no refusal is kept', async () => {
    const before = await stored();
    const refusals: [Promise<Answer>, number, string][] = [
      [dry('POST', '/models', { name: 'tried' }), 409, 'name_taken'],
      [dry('POST', '/models/tried/versions', { label: 'v1' }), 409, 'version_exists'],
      [
        dry('POST', '/models/tried/versions/1/demote', { to_stage: 'staging' }),
        409,
        'illegal_transition',
      ],
      [dry('POST', '/models/nobodys/versions', {}), 404, 'model_not_found'],
      [dry('POST', '/models', { name: 'x', colour: 'red' }), 422, 'invalid'],
      [dry('POST', '/models', { name: 'x' }, viewer), 403, 'forbidden'],
      [registry.call('POST', '/models?dry_run=maybe', { name: 'x' }), 422, 'invalid'],
    ];
    for (const [asked, status, code] of refusals)
      expect(await asked).toMatchObject({ status, body: { code } });
    expect(await stored()).toMatchObject({ audit_records: before['audit_records'] });
  });

  test('knows If-Match, and leaves the Idempotency-Key free', async () => {
    const send = async (query: string, headers: Record<string, string>) => {
      const answer = await registry.fetch(
        `/models/tried${query}`,
        { 'content-type': 'application/json', ...headers },
        { method: 'PATCH', body: JSON.stringify({ description: 'new' }) },
      );
      return { status: answer.status, body: await answer.json() };
    };
    expect((await send('?dry_run=true', { 'if-match': '"1"' })).status).toBe(412);
    const key = { 'idempotency-key': 'once' };
    expect((await send('?dry_run=true', key)).body).toMatchObject({ dry_run: true });
    const earnest = await send('', key);
    expect(earnest.body).toMatchObject({ description: 'new' });
    expect(await send('?dry_run=true', key)).toMatchObject({ body: { events: [] } });
  });

  test('makes no secret', async () => {
    const key = await dry('POST', '/api-keys', { subject: 'nobody', role: 'viewer' });
    expect(key.body).toMatchObject({ dry_run: true, resource: { secret: null } });
    const tenant = await dry('POST', '/tenants', { id: 'nowhere', admin_subject: 'x' });
    expect(tenant.body).toMatchObject({ resource: { admin_key: { secret: null } } });
    const token = await dry('POST', '/tokens', undefined);
    expect(token.body).toMatchObject({ dry_run: true, resource: { access_token: null } });
  });

  test('of a training that was told before shows that nothing would be made again', async () => {
    const event = {
      specversion: '1.0',
      id: 'run-1',
      source: '/pipeline',
      type: 'training.completed',
      data: { model_name: 'trained', label: 'v1' },
    };
    const first = await dry('POST', '/training-completed', event);
    expect(first.body).toMatchObject({
      events: [
        { type: 'model.registered' },
        { type: 'model.versioned' },
        { type: 'default.changed' },
      ],
    });
    ok(await registry.post('/training-completed', event));
    const again = await dry('POST', '/training-completed', event);
    expect(again.body).toMatchObject({ dry_run: true, events: [], resource: { label: 'v1' } });
  });
});

test('a stranger is recorded even so', async () => {
  const before = await stored();
  expect((await dry('POST', '/models', { name: 'x' }, 'no-such-key')).status).toBe(401);
  await eventually(async () => (await stored())['audit_records'] !== before['audit_records']);
});
