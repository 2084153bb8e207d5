// Policies and promotion requests over HTTP: a release with four eyes, what is refused and why, and what reads show of it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#test/eventually.ts';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

let registry: ServedRegistry;
const keys: Record<string, string | undefined> = {};
beforeAll(async () => {
  registry = await serveRegistry();
  for (const [subject, role] of [
    ['ana', 'producer'],
    ['bea', 'producer'],
    ['eve', 'approver'],
    ['max', 'approver'],
    ['mo', 'approver'],
    ['dan', 'deployer'],
  ] as const)
    keys[subject] = (await registry.post('/api-keys', { subject, role })).body['secret'];
});
afterAll(() => registry.stop());

type Body = Record<string, unknown>;
const as = (subject: string, method: string, path: string, body?: object): Promise<Answer> =>
  registry.call(method, path, body, keys[subject]);
const bodyOf = ({ body }: Answer): Body => body;

let models = 0;
/** A version that lacks nothing, registered by Ana, said to be fit by Mo, in staging. */
async function aCandidate(
  policy: object = { preset: 'strict' },
  facts: object = {},
): Promise<string> {
  const model = `released-${++models}`;
  const made = await as('ana', 'POST', '/models', { name: model });
  const set = await registry.call('PUT', `/policies/model:${String(made.body['id'])}`, policy);
  expect(set.status).toBe(200);
  await as('ana', 'POST', `/models/${model}/versions`, {
    label: 'v1',
    content_digest: { sha256: 'a'.repeat(64) },
    artifact_uri: 's3://models/churn/1',
    release_notes: 'Learns from November.',
    signature: { inputs: {}, outputs: {} },
    lineage: { data_versions: ['2026-11'] },
    evaluated_at: new Date().toISOString(),
    metrics: { accuracy: 0.95 },
    ...facts,
  });
  expect((await as('mo', 'POST', `/models/${model}/versions/v1/approve`, {})).status).toBe(200);
  expect(
    await as('dan', 'POST', `/models/${model}/versions/v1/promote`, { to_stage: 'staging' }),
  ).toMatchObject({ status: 200 });
  return model;
}
const asked = (model: string, said: object = {}): Promise<Answer> =>
  as('bea', 'POST', `/models/${model}/versions/v1/promotion-requests`, {
    to_stage: 'production',
    reason: 'for November',
    ...said,
  });
const decided = (subject: string, id: unknown, decision: string): Promise<Answer> =>
  as(subject, 'POST', `/promotion-requests/${String(id)}/decision`, { decision });

describe('a release under strict', () => {
  test('waits for two others, is executed by the policy, and says on what it rests', async () => {
    const model = await aCandidate();
    const promote = { to_stage: 'production' };
    expect(await as('dan', 'POST', `/models/${model}/versions/v1/promote`, promote)).toMatchObject({
      status: 409,
      body: { code: 'approvals_missing', missing_approvals: 2, required_role: 'approver' },
    });
    const request = await asked(model);
    expect(request).toMatchObject({
      status: 201,
      body: { state: 'open', missing_approvals: 2, requested_by: 'bea', model_name: model },
    });
    const { id } = bodyOf(request);
    expect(await asked(model)).toMatchObject({ status: 409, body: { code: 'promotion_open' } });
    expect(await decided('eve', id, 'approve')).toMatchObject({
      status: 200,
      body: { state: 'open', missing_approvals: 1 },
    });
    const last = await decided('max', id, 'approve');
    expect(last).toMatchObject({ status: 200, body: { state: 'executed' } });
    expect(await registry.get(`/promotion-requests/${String(id)}`)).toMatchObject({
      body: last.body,
    });
    const { items } = bodyOf(await registry.get(`/events?model=${model}&limit=100`)) as {
      items: { id: string; type: string; actor: object; causation_id: string }[];
    };
    const promoted = items.findLast(({ type }) => type === 'model.promoted');
    const decision = items.findLast(({ type }) => type === 'promotion.decided');
    expect(promoted).toMatchObject({
      actor: { subject: 'policy', type: 'policy' },
      causation_id: decision!.id,
      data: { mode: 'automated', approvals: [{ subject: 'eve' }, { subject: 'max' }] },
    });
    expect(await registry.get(`/models/${model}/versions/v1`)).toMatchObject({
      body: { stage: 'production' },
    });
  });

  test('two who approve at once promote once', async () => {
    const { id } = bodyOf(await asked(await aCandidate()));
    const answers = await Promise.all(['eve', 'max'].map((who) => decided(who, id, 'approve')));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const after = bodyOf(await registry.get(`/promotion-requests/${String(id)}`));
    expect(after).toMatchObject({ state: 'executed', approvals_given: 2 });
    const { items } = bodyOf(
      await registry.get(`/events?model=${String(after['model_name'])}&limit=100`),
    ) as { items: { type: string; data: { to_stage?: string } }[] };
    const promotions = items.filter(
      ({ type, data }) => type === 'model.promoted' && data.to_stage === 'production',
    );
    expect(promotions).toHaveLength(1);
  });

  test('who is not independent is told why', async () => {
    const model = await aCandidate();
    const { id } = bodyOf(await asked(model));
    expect(await decided('bea', id, 'approve')).toMatchObject({
      status: 403,
      body: { code: 'forbidden', required_permission: 'promotion:decide' },
    });
    await registry.call('PUT', '/role-bindings', {
      subject: 'bea',
      role: 'approver',
      scope: 'tenant',
    });
    await eventually(async () => {
      const answer = await decided('bea', id, 'approve');
      expect(answer.body).toMatchObject({ code: 'not_independent', because: 'requested' });
    });
    await registry.call('DELETE', '/role-bindings?subject=bea&role=approver&scope=tenant');
  });

  test('counts who approves by a role of their own, whatever the requester gives them beside it', async () => {
    const project = 'four-eyes';
    const model = await aCandidate();
    await registry.call('PATCH', `/models/${model}`, { project });
    const scope = `project:${project}`;
    const granted = (by: string | undefined, subject: string) =>
      registry.call('PUT', '/role-bindings', { subject, role: 'admin', scope }, by);
    expect((await granted(undefined, 'bea')).status).toBe(200);
    const { id } = bodyOf(await asked(model));
    await eventually(async () => (await granted(keys['bea'], 'eve')).status === 200);
    expect(await decided('eve', id, 'approve')).toMatchObject({
      status: 200,
      body: { decisions: [{ subject: 'eve', role: 'approver' }] },
    });
    expect(await decided('max', id, 'approve')).toMatchObject({ body: { state: 'executed' } });
  });

  test('is staled by a policy that is set meanwhile', async () => {
    const model = await aCandidate();
    const { id, model_id } = bodyOf(await asked(model));
    await decided('eve', id, 'approve');
    const approvals = { required: 3 };
    await registry.call('PUT', `/policies/model:${String(model_id)}`, { approvals });
    expect(await decided('max', id, 'approve')).toMatchObject({
      status: 200,
      body: { state: 'staled', stale_because: 'policy_changed' },
    });
  });

  test('says which gate fails, what was measured and what is asked', async () => {
    const gates = [{ gate: 'metric', name: 'accuracy', operator: '>=', threshold: 0.97 }];
    expect(await asked(await aCandidate({ preset: 'strict', gates }))).toMatchObject({
      status: 409,
      body: {
        code: 'gates_failed',
        failed_gates: [
          {
            gate: 'metric',
            outcome: 'failed',
            measured: { value: 0.95, subject: 'ana' },
            threshold: { operator: '>=', threshold: 0.97 },
          },
        ],
      },
    });
  });

  test('requests are listed by state and model, and withdrawn by who made them', async () => {
    const model = await aCandidate();
    const { id } = bodyOf(await asked(model));
    const list = async (state: string) =>
      (
        bodyOf(await registry.get(`/promotion-requests?state=${state}&model=${model}`))[
          'items'
        ] as Body[]
      ).map((one) => one['id']);
    expect(await list('open')).toEqual([id]);
    expect(await as('ana', 'POST', `/promotion-requests/${String(id)}/withdraw`, {})).toMatchObject(
      {
        status: 403,
      },
    );
    expect(await as('bea', 'POST', `/promotion-requests/${String(id)}/withdraw`, {})).toMatchObject(
      {
        status: 200,
        body: { state: 'withdrawn' },
      },
    );
    expect(await list('open')).toEqual([]);
    expect(await list('withdrawn')).toEqual([id]);
    expect(await list('expired')).toEqual([]);
  });

  test('an unknown request is not found', async () => {
    const unknown = '/promotion-requests/01940000-0000-7000-8000-000000000000';
    expect(await registry.get(unknown)).toMatchObject({ status: 404 });
    expect(await as('eve', 'POST', `${unknown}/decision`, { decision: 'approve' })).toMatchObject({
      status: 404,
      body: { code: 'promotion_not_found' },
    });
  });
});

describe('a policy', () => {
  test('is merged from tenant, project and model, and says where each field comes from', async () => {
    const made = await as('ana', 'POST', '/models', { name: 'merged', project: 'risk' });
    const scope = `model:${String(made.body['id'])}`;
    await registry.call('PUT', '/policies/project:risk', { gates: [{ gate: 'slo_ok' }] });
    expect(
      await registry.call('PUT', `/policies/${scope}`, { gates: [{ gate: 'has_lineage' }] }),
    ).toMatchObject({
      status: 200,
      body: { scope, policy: { gates: [{ gate: 'has_lineage' }] }, stream_version: 1 },
    });
    expect(await registry.get('/models/merged/policy')).toMatchObject({
      body: {
        policy: { gates: [{ gate: 'slo_ok' }, { gate: 'has_lineage' }], allow_skip: true },
        sources: { gates: ['project:risk', scope], allow_skip: ['preset:open'] },
      },
    });
    expect(await registry.get('/policies/project:risk')).toMatchObject({
      body: { policy: { gates: [{ gate: 'slo_ok' }] }, updated_by: expect.any(String) as string },
    });
  });

  test('of a narrower scope that asks for less is refused with what binds it', async () => {
    const made = await as('ana', 'POST', '/models', { name: 'bound', project: 'bank' });
    await registry.call('PUT', '/policies/project:bank', { preset: 'strict' });
    const scope = `model:${String(made.body['id'])}`;
    expect(
      await registry.call('PUT', `/policies/${scope}`, { approvals: { required: 1 } }),
    ).toMatchObject({
      status: 409,
      body: { code: 'policy_bound', fields: ['approvals'], bounds: { approvals: { required: 2 } } },
    });
  });

  test('is set by admins, with every fault named at once', async () => {
    expect(await as('eve', 'PUT', '/policies/tenant', { preset: 'open' })).toMatchObject({
      status: 403,
    });
    expect(
      await registry.call('PUT', '/policies/tenant', { preset: 'lax', gates: [{ gate: 'luck' }] }),
    ).toMatchObject({ status: 422 });
    expect(await registry.get('/policies/team:x')).toMatchObject({ status: 422 });
    expect(await registry.get('/policies/model:nobody')).toMatchObject({ status: 404 });
  });

  test('is known to the very next promotion', async () => {
    const model = 'next';
    const made = await as('ana', 'POST', '/models', { name: model });
    await as('ana', 'POST', `/models/${model}/versions`, { label: 'v1' });
    await as('ana', 'POST', `/models/${model}/versions`, { label: 'v2' });
    const promote = (version: string) =>
      as('dan', 'POST', `/models/${model}/versions/${version}/promote`, { to_stage: 'staging' });
    expect(await promote('v1')).toMatchObject({ status: 200 });
    await registry.call('PUT', `/policies/model:${String(made.body['id'])}`, { preset: 'strict' });
    expect(await promote('v2')).toMatchObject({
      status: 422,
      body: { code: 'digest_required' },
    });
  });
});

test('broken glass is marked, and raises an alert', async () => {
  const model = await aCandidate();
  const path = `/models/${model}/versions/v1/promote`;
  const breaking = { to_stage: 'production', break_glass: true };
  expect(await as('dan', 'POST', path, { ...breaking, reason: 'fire' })).toMatchObject({
    status: 403,
    body: { required_role: ['admin'] },
  });
  expect(await registry.post(path, breaking)).toMatchObject({ body: { code: 'reason_required' } });
  expect(await registry.post(path, { ...breaking, reason: 'fire' })).toMatchObject({
    status: 200,
    body: { stage: 'production' },
  });
  const { items } = bodyOf(await registry.get(`/models/${model}/timeline`)) as { items: Body[] };
  expect(items.map(({ type }) => type)).toContain('alert.raised');
});
