// Who holds a role in a team or a project only: what they see, what they may do, and when it ends.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from '#test/projector/served.ts';
import type { Answer, ServedRegistry } from '#test/projector/served.ts';

let registry: ServedRegistry;
/** A member, who holds nothing but what is bound. */
let leo: string;

const issue = async (subject: string, role: string): Promise<string> => {
  const { status, body } = await registry.post('/api-keys', { subject, role });
  expect(status).toBe(201);
  return body['secret']!;
};
const grant = (subject: string, role: string, scope: string, key?: string): Promise<Answer> =>
  registry.call('PUT', '/role-bindings', { subject, role, scope }, key);
const revoke = (subject: string, role: string, scope: string, key?: string): Promise<Answer> =>
  registry.call(
    'DELETE',
    `/role-bindings?${new URLSearchParams({ subject, role, scope }).toString()}`,
    undefined,
    key,
  );
/** A binding holds within a second. */
const granted = async (subject: string, role: string, scope: string): Promise<void> => {
  expect((await grant(subject, role, scope)).status).toBe(200);
};
const names = ({ body }: Answer): string[] =>
  (body['items'] as unknown as { name: string }[]).map(({ name }) => name).toSorted();

beforeAll(async () => {
  registry = await serveRegistry();
  await registry.post('/models', { name: 'risky', team: 'risk', framework: 'jax' });
  await registry.post('/models', { name: 'fraudulent', team: 'fraud', project: 'cards' });
  await registry.post('/models', { name: 'nobodys' });
  for (const name of ['risky', 'fraudulent', 'nobodys']) {
    await registry.post(`/models/${name}/versions`, { label: '1.0.0' });
    await registry.post(`/models/${name}/versions/1/deployments`, {
      environment: name,
      status: 'deployed',
    });
  }
  leo = await issue('leo', 'member');
});
afterAll(() => registry.stop());

describe('a member', () => {
  test('without a binding may not even read', async () => {
    for (const path of ['/models', '/models/risky', '/events', '/stats', '/deployments'])
      expect(await registry.get(path, leo), path).toMatchObject({
        status: 403,
        body: { code: 'forbidden', required_permission: 'registry:read' },
      });
  });

  test('with a role in a team sees what is of the team, and nothing else', async () => {
    await granted('leo', 'producer', 'team:risk');
    await eventually(async () => (await registry.get('/models', leo)).status === 200, {
      timeoutMs: 1_000,
    });
    const models = await registry.get('/models', leo);
    expect(names(models)).toEqual(['risky']);
    expect(models.body['total_count'] as unknown).toBe(1);
    expect((await registry.get('/deployments', leo)).body).toMatchObject({
      items: [{ environment: 'risky' }],
      total_count: 1,
    });
    expect((await registry.get('/stats', leo)).body).toEqual({
      total_models: 1,
      total_versions: 1,
      active_deployments: 1,
      models_by_framework: { jax: 1 },
      models_by_team: { risk: 1 },
      models_by_project: {},
      versions_by_stage: { development: 1 },
      versions_by_readiness: { training: 1 },
    });
    const events = await registry.get('/events?limit=1000', leo);
    const streams = new Set(
      (events.body['items'] as unknown as { stream: string }[]).map(({ stream }) => stream),
    );
    expect(streams.size).toBe(1);
    for (const path of ['', '/versions', '/versions/1', '/timeline'])
      for (const [name, status] of [
        ['risky', 200],
        ['fraudulent', 404],
        ['nobodys', 404],
      ] as const)
        expect((await registry.get(`/models/${name}${path}`, leo)).status, name + path).toBe(
          status,
        );
  });

  test('sees of then what is of the team today, and nothing else', async () => {
    const { position } = (await registry.get('/models/nobodys')).body as unknown as {
      position: number;
    };
    const then = `as_of=${position}`;
    expect(names(await registry.get(`/models?${then}`, leo))).toEqual(['risky']);
    expect((await registry.get(`/deployments?${then}`, leo)).body).toMatchObject({
      items: [{ environment: 'risky' }],
      total_count: 1,
    });
    for (const path of ['', '/versions', '/versions/1'])
      for (const [name, status] of [
        ['risky', 200],
        ['nobodys', 404],
      ] as const)
        expect((await registry.get(`/models/${name}${path}?${then}`, leo)).status).toBe(status);
  });

  test('sees one who is not of the team exactly as one who is not there', async () => {
    const hidden = (await registry.get('/models/fraudulent')).body as { id?: string };
    const nowhere = '01940000-0000-7000-8000-000000000000';
    const alike = async (method: string, path: (model: string) => string, body?: object) => {
      for (const [there, absent] of [
        ['fraudulent', 'absent'],
        [hidden.id!, nowhere],
      ] as const) {
        const seen = await registry.call(method, path(there), body, leo);
        const unknown = await registry.call(method, path(absent), body, leo);
        const text = (answer: Answer, model: string) =>
          JSON.stringify(answer.body).replaceAll(model, 'X');
        expect(seen.status, method + path(there)).toBe(404);
        expect(unknown.status).toBe(404);
        expect(text(seen, there)).toBe(text(unknown, absent));
      }
    };
    await alike('GET', (model) => `/models/${model}`);
    await alike('PATCH', (model) => `/models/${model}`, { description: 'mine' });
    await alike('POST', (model) => `/models/${model}/versions`, {});
    await alike('GET', (model) => `/models/${model}/timeline`);
    const events = await registry.get(`/events?model=fraudulent`, leo);
    expect(events).toMatchObject({ status: 404, body: { code: 'model_not_found' } });
  });

  test('does there what the role permits, and is refused what it does not', async () => {
    const path = '/models/risky/versions';
    expect((await registry.call('POST', path, {}, leo)).status).toBe(201);
    expect(
      await registry.call('POST', '/models', { name: 'theirs', team: 'risk' }, leo),
    ).toMatchObject({ status: 201 });
    for (const elsewhere of [{ name: 'x' }, { name: 'x', team: 'fraud' }])
      expect(await registry.call('POST', '/models', elsewhere, leo)).toMatchObject({
        status: 403,
        body: { code: 'forbidden', required_permission: 'model:write' },
      });
    expect(
      await registry.call('POST', `${path}/1/promote`, { to_stage: 'staging' }, leo),
    ).toMatchObject({ status: 403, body: { required_permission: 'stage:change' } });
    await granted('leo', 'approver', 'project:cards');
    await eventually(async () => (await registry.get('/models/fraudulent', leo)).status === 200, {
      timeoutMs: 1_000,
    });
    // seen in both, permitted in one
    expect(
      await registry.call('POST', `${path}/1/promote`, { to_stage: 'staging' }, leo),
    ).toMatchObject({
      status: 403,
      body: { code: 'forbidden', required_permission: 'stage:change', team: 'risk' },
    });
    const cards = '/models/fraudulent/versions/1/promote';
    expect((await registry.call('POST', cards, { to_stage: 'staging' }, leo)).status).toBe(200);
  });

  test('does not move a model to another team: that takes an admin of both', async () => {
    const move = (key: string, team: string | null) =>
      registry.call('PATCH', '/models/risky', { team }, key);
    expect(await move(leo, 'fraud')).toMatchObject({
      status: 403,
      body: { required_permission: 'model:move' },
    });
    const mia = await issue('mia', 'member');
    await granted('mia', 'admin', 'team:risk');
    await eventually(async () => (await registry.get('/models/risky', mia)).status === 200);
    expect(await move(mia, 'fraud')).toMatchObject({ status: 403, body: { team: 'fraud' } });
    await granted('mia', 'admin', 'team:fraud');
    await eventually(async () => (await move(mia, 'fraud')).status === 200, { timeoutMs: 1_500 });
    // whoever is of the old team sees it no more
    expect((await registry.get('/models/risky', leo)).status).toBe(404);
    expect((await move(mia, 'risk')).status).toBe(200);
    expect((await registry.get('/models/risky', leo)).status).toBe(200);
    expect(names(await registry.get('/models', leo))).toContain('risky');
  });

  test('does not take a model out of a project, or put it into one, by a role in its team', async () => {
    const ivo = await issue('ivo', 'member');
    const path = '/models/locked';
    await registry.post('/models', { name: 'locked', team: 'risk', project: 'lock' });
    await granted('ivo', 'admin', 'team:risk');
    await eventually(async () => (await registry.get(path, ivo)).status === 200);
    const move = (to: object) => registry.call('PATCH', path, to, ivo);
    const refused = (where: object) => ({
      status: 403,
      body: { code: 'forbidden', required_permission: 'model:move', ...where },
    });
    for (const project of [null, 'cards'])
      expect(await move({ project })).toMatchObject(refused({ project: 'lock' }));
    // what stays where it is is asked nothing of its project
    expect(await move({ project: 'lock', description: 'ours' })).toMatchObject({ status: 200 });
    await granted('ivo', 'admin', 'project:lock');
    await eventually(async () => (await move({ project: null })).status === 200);
    expect(await move({ project: 'cards' })).toMatchObject(refused({ project: 'cards' }));
    expect(await move({ project: 'lock' })).toMatchObject({ status: 200 });
    expect(await move({ team: 'cards' })).toMatchObject(refused({ team: 'cards' }));
    // nor out of a team by a role in its project
    expect((await revoke('ivo', 'admin', 'team:risk')).status).toBe(200);
    expect(await move({ team: null })).toMatchObject(refused({ team: 'risk' }));
    expect((await registry.call('PATCH', path, { team: null, project: null })).status).toBe(200);
  });

  test('loses what was bound within a second of its revocation', async () => {
    const eva = await issue('eva', 'member');
    await granted('eva', 'viewer', 'team:risk');
    await eventually(async () => (await registry.get('/models/risky', eva)).status === 200);
    expect((await revoke('eva', 'viewer', 'team:risk')).status).toBe(200);
    await eventually(async () => (await registry.get('/models/risky', eva)).status === 403, {
      timeoutMs: 1_000,
    });
    expect(await revoke('eva', 'viewer', 'team:risk')).toMatchObject({
      status: 404,
      body: { code: 'role_binding_not_found' },
    });
  });
});

describe('roles', () => {
  test('are granted by nobody to themselves, and by no role above its own', async () => {
    const key = await issue('ada', 'admin');
    expect(await grant('ada', 'viewer', 'team:risk', key)).toMatchObject({
      status: 403,
      body: { code: 'granted_to_self' },
    });
    const approver = await issue('approving', 'approver');
    expect((await grant('x', 'viewer', 'tenant', approver)).status).toBe(403);
    expect(
      await registry.call('POST', '/api-keys', { subject: 'x', role: 'system_admin' }, key),
    ).toMatchObject({ status: 403, body: { code: 'role_above_own' } });
  });

  test('are granted by the admin of a team in that team, who lists only these', async () => {
    const key = await issue('noa', 'member');
    await granted('noa', 'admin', 'team:risk');
    await eventually(async () => (await grant('x', 'viewer', 'team:risk', key)).status === 200);
    expect(await grant('x', 'viewer', 'team:fraud', key)).toMatchObject({
      status: 403,
      body: { code: 'forbidden', scope: 'team:fraud' },
    });
    const { body } = await registry.get('/role-bindings', key);
    const scopes = (body['items'] as unknown as { scope: string }[]).map(({ scope }) => scope);
    expect(new Set(scopes)).toEqual(new Set(['team:risk']));
    // keys are of the whole tenant
    expect((await registry.get('/api-keys', key)).status).toBe(403);
    const all = await registry.get('/role-bindings?page_size=1');
    const next = await registry.get(
      `/role-bindings?page_size=1000&page_token=${String(all.body['next_page_token'])}`,
    );
    expect(next.body['items'] as unknown as object[]).toHaveLength(
      Number(all.body['total_count']) - 1,
    );
  });

  test.each(['team:', 'risk', 'model:x', 'tenant:x', 'team: risk'])(
    'are held in no scope like %j',
    async (scope) =>
      expect(await grant('x', 'viewer', scope)).toMatchObject({
        status: 422,
        body: { errors: [{ pointer: '/scope' }] },
      }),
  );
});
