// What is deleted is found by its id alone and is in no list and no count; what has another name is found by that at once.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkViews } from '#test/checker/views.ts';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

type Body = Record<string, unknown>;
const bodyOf = ({ body }: Answer): Body => body;

describe('a registry', () => {
  let registry: ServedRegistry;
  beforeEach(async () => {
    registry = await serveRegistry();
  });
  afterEach(() => registry.stop());

  /** A model with two versions, a binding, an ended deployment and an open request. */
  async function lived(
    name: string,
    facts: object = {},
  ): Promise<{ id: string; serial: string; versionId: string }> {
    const { post } = registry;
    const model = bodyOf(await post('/models', { name, ...facts }));
    const version = bodyOf(await post(`/models/${name}/versions`, { label: 'v1' }));
    await post(`/models/${name}/versions`, { label: 'v2', readiness: 'testing' });
    await post('/bindings', { version_id: version['id'], provider: 'p', provider_model_id: 'm' });
    const deployment = bodyOf(
      await post(`/models/${name}/versions/1/deployments`, {
        environment: 'eu',
        status: 'deployed',
      }),
    );
    await post(`/deployments/${String(deployment['id'])}/undeploy`, {});
    await post(`/models/${name}/versions/2/promotion-requests`, {
      to_stage: 'staging',
      auto_execute: false,
    });
    return {
      id: String(model['id']),
      serial: String(model['serial']),
      versionId: String(version['id']),
    };
  }

  const lists = [
    '/models',
    '/models?framework=jax',
    '/models?team=risk',
    '/models?project=p',
    '/models?team=risk&project=p',
    '/bindings',
    '/deployments',
    '/promotion-requests',
  ];
  const counts = async (): Promise<unknown[]> => [
    ...(await Promise.all(
      lists.map(async (path) => bodyOf(await registry.get(path))['total_count']),
    )),
    bodyOf(await registry.get('/stats')),
  ];

  test('forgets a deleted model in every list and count, and has it back as it was', async () => {
    const facts = { framework: 'jax', team: 'risk', project: 'p' };
    await lived('stays', facts);
    const before = await counts();
    const { id } = await lived('goes', facts);
    const withBoth = await counts();
    expect(withBoth).not.toEqual(before);
    const { position } = bodyOf(await registry.call('DELETE', '/models/goes'));
    expect(await counts()).toEqual(before);
    for (const path of lists) {
      const { items } = bodyOf(await registry.get(path)) as { items: Body[] };
      expect(items, path).toHaveLength(1);
      expect(JSON.stringify(items)).not.toContain(id);
    }
    for (const path of lists) {
      const asOf = `${path}${path.includes('?') ? '&' : '?'}as_of=${String(position)}`;
      expect([path, bodyOf(await registry.get(asOf))['total_count']]).toEqual([path, 1]);
    }
    await registry.post(`/models/${id}/restore`, {});
    expect(await counts()).toEqual(withBoth);
    expect(await checkViews(registry.url)).toEqual([]);
  });

  test('counts the same for who sees the tenant and for who sees a part of it', async () => {
    await lived('stays', { team: 'risk' });
    await lived('goes', { team: 'risk' });
    await registry.call('DELETE', '/models/goes');
    await registry.call('DELETE', '/models/stays/versions/2');
    const key = String(
      bodyOf(await registry.post('/api-keys', { subject: 'tess', role: 'member' }))['secret'],
    );
    await registry.call('PUT', '/role-bindings', {
      subject: 'tess',
      role: 'viewer',
      scope: 'team:risk',
    });
    const all = await registry.get('/stats');
    expect(bodyOf(all)).toMatchObject({
      total_models: 1,
      total_versions: 1,
      versions_by_readiness: { training: 1 },
    });
    expect(bodyOf(await registry.get('/stats', key))).toEqual(bodyOf(all));
  });

  test('answers a deleted model by id and serial with its tombstone, and by its name with nothing', async () => {
    const { id, serial, versionId } = await lived('goes');
    for (const path of ['/models/goes', '/models/goes/versions', '/models/goes/versions/1'])
      expect((await registry.get(path)).status).toBe(200);
    const deleted = bodyOf(await registry.call('DELETE', '/models/goes', { reason: 'unused' }));
    for (const path of [
      '/models/goes',
      '/models/goes/versions',
      '/models/goes/versions/1',
      '/models/goes/timeline',
    ])
      expect(await registry.get(path), path).toMatchObject({
        status: 404,
        body: { code: 'model_not_found' },
      });
    for (const path of [`/models/${id}`, `/models/${serial}`])
      expect(bodyOf(await registry.get(path))).toEqual(deleted);
    expect(deleted).toMatchObject({ state: 'deleted', deleted_at: expect.any(String) as unknown });
    expect(bodyOf(await registry.get(`/models/${id}/versions/${versionId}`))).toMatchObject({
      number: 1,
    });
    const { items } = bodyOf(await registry.get(`/models/${id}/timeline`)) as { items: Body[] };
    expect(items.at(-1)).toMatchObject({ type: 'model.deleted' });
  });

  test('answers whoever has a name now, in every way of asking', async () => {
    const first = await lived('called');
    const paths = [
      '/models/called',
      '/models/called/versions',
      '/models/called/versions/v1',
      '/models/called/timeline',
      '/models/called/compare?versions=1,2',
    ];
    for (const path of [...paths, ...paths])
      expect([path, (await registry.get(path)).status]).toEqual([path, 200]);
    for (let nth = 1; nth <= 3; nth++) {
      await registry.call('PATCH', nth === 1 ? `/models/${first.id}` : '/models/called', {
        name: `called-${nth}`,
      });
      for (const path of paths)
        expect([path, (await registry.get(path)).status]).toEqual([path, 404]);
      expect(bodyOf(await registry.get(`/models/called-${nth}`))).toMatchObject({
        name: `called-${nth}`,
      });
      expect(bodyOf(await registry.get(`/models/called-${nth}/versions/v1`))).toMatchObject({
        model_name: `called-${nth}`,
      });
      const { id } = await lived('called');
      for (const path of paths)
        expect(JSON.stringify(bodyOf(await registry.get(path))), path).toContain(id);
      expect(bodyOf(await registry.get('/models?sort=name'))['total_count']).toBe(nth + 1);
    }
  });
});

describe('a deleted version', () => {
  let registry: ServedRegistry;
  beforeAll(async () => {
    registry = await serveRegistry();
  });
  afterAll(() => registry.stop());

  test('is found by its id alone, is in no list, and is no more counted', async () => {
    const { get, post, call } = registry;
    await post('/models', { name: 'm' });
    for (const label of ['v1', 'v2', 'v3']) await post('/models/m/versions', { label });
    const { id } = bodyOf(await get('/models/m/versions/v3'));
    const deleted = bodyOf(await call('DELETE', '/models/m/versions/v3', { reason: 'wrong data' }));
    expect(deleted).toMatchObject({ number: 3, deleted_at: expect.any(String) as unknown });
    for (const version of ['3', 'v3'])
      expect(await get(`/models/m/versions/${version}`)).toMatchObject({
        status: 404,
        body: { code: 'version_not_found' },
      });
    expect(bodyOf(await get(`/models/m/versions/${String(id)}`))).toEqual(deleted);
    const asOf = `as_of=${String(deleted['position'])}`;
    expect((await get(`/models/m/versions/3?${asOf}`)).status).toBe(404);
    expect(bodyOf(await get(`/models/m/versions/${String(id)}?${asOf}`))).toEqual(deleted);
    expect(bodyOf(await get('/models/m/versions/latest'))).toMatchObject({ number: 2 });
    for (const query of ['', '?stage=development', '?status=training', '?is_default=false']) {
      const { items, total_count } = bodyOf(await get(`/models/m/versions${query}`)) as {
        items: Body[];
        total_count: number;
      };
      expect(items.map(({ number }) => number)).not.toContain(3);
      expect(total_count).toBe(items.length);
    }
    expect(bodyOf(await get('/models/m'))).toMatchObject({ version_count: 2, latest_version: 3 });
    expect(bodyOf(await get('/stats'))).toMatchObject({
      total_versions: 2,
      versions_by_stage: { development: 2 },
      versions_by_readiness: { training: 2 },
    });
    expect(await checkViews(registry.url)).toEqual([]);
  });
});
