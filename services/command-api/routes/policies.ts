// Policies: set and shown a scope at a time, and the one in force for a model with where each field comes from.
import { z } from 'zod';
import { mayAt, maySee, rolesWith } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import { policyScope, policyStream } from '#events/names.ts';
import type { ModelState } from '#events/model/state.ts';
import { splits } from '#events/model/shapes.ts';
import { mergePolicies } from '#events/policy/merge.ts';
import { pointers, policyFields, presets } from '#events/policy/policy.ts';
import type { PolicyScope, Preset } from '#events/policy/policy.ts';
import type { PolicyCommand, PolicyRefusal, PolicyState } from '#events/policy/scope.ts';
import type { PolicyEvent } from '#events/policy/events.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { prose, word } from '../fields.ts';
import { modelKind, policyKind } from '../kinds.ts';
import { layerOf, policyScopesOf } from '../policies.ts';
import { commandHead, sendAnswer } from '../request.ts';
import type { Folded, Streams } from '../streams.ts';
import { modelPath, noQuery } from './model-asking.ts';
import type { Asking } from './model-asking.ts';

const gatesMax = 64;
const environmentsMax = 256;
const approvalsMax = 20;
/** Ten years. */
const hoursMax = 87_600;
const daysMax = 36_500;
const newestKeptMax = 10;

const split = z.enum(splits).nullable().default(null);
const gate = z.discriminatedUnion('gate', [
  z.strictObject({
    gate: z.literal('metric'),
    name: word,
    split,
    operator: z.enum(['>=', '>', '<=', '<', '==']),
    threshold: z.number(),
  }),
  z.strictObject({
    gate: z.literal('beats_production'),
    name: word,
    split,
    better: z.enum(['higher', 'lower']).default('higher'),
    by_at_least: z.number().nonnegative().default(0),
  }),
  z.strictObject({ gate: z.literal('artifact_verified') }),
  z.strictObject({ gate: z.literal('has_release_notes') }),
  z.strictObject({ gate: z.literal('has_signature') }),
  z.strictObject({ gate: z.literal('has_lineage') }),
  z.strictObject({ gate: z.literal('slo_ok') }),
  z.strictObject({ gate: z.literal('cost_per_1k_max'), threshold: z.number().nonnegative() }),
  z.strictObject({ gate: z.literal('evaluated_within_days'), days: z.int().min(1).max(daysMax) }),
]);
const days = z.int().min(0).max(daysMax);

/** null takes a field back, so that the scope says nothing of it. */
const policyBody = z.strictObject({
  preset: z.enum(Object.keys(presets) as [Preset, ...Preset[]]).optional(),
  allow_skip: z.boolean().nullish(),
  multi_production: z.boolean().nullish(),
  single_active: z.boolean().nullish(),
  evidence_required: z.boolean().nullish(),
  approvals: z
    .strictObject({
      required: z.int().min(0).max(approvalsMax).optional(),
      role: z.enum(['approver', 'admin']).optional(),
      expires_after_hours: z.int().min(1).max(hoursMax).optional(),
    })
    .nullish(),
  gates: z.array(gate).max(gatesMax).nullish(),
  protected_environments: z.array(word).max(environmentsMax).nullish(),
  protected_pointers: z.array(z.enum(pointers)).max(pointers.length).nullish(),
  on_superseded: z.enum(['retire', 'deprecated', 'staging', 'keep']).nullish(),
  break_glass: z.enum(['allowed', 'forbidden']).nullish(),
  retention: z
    .strictObject({
      age_days: z.strictObject({
        development: days,
        staging: days,
        deprecated: days,
        retired: days,
      }),
      newest_kept: z.int().min(1).max(newestKeptMax),
    })
    .nullish(),
  may_override: z.array(z.enum(policyFields)).max(policyFields.length).nullish(),
  reason: prose.nullish(),
});
const scopePath = z.strictObject({ scope: z.string().min(1).max(600) });

/** A scope with the models in it, and the wider ones that bind it, the widest first. */
type Asked = { scope: PolicyScope; place: Place | null; wider: readonly PolicyScope[] };

export function policyRoutes(
  server: HttpServer,
  { ask, resolve, streams }: Asking & { streams: Streams },
): void {
  const wrongScope = (): Problem =>
    new Problem('invalid', {
      errors: [{ pointer: '/scope', message: 'must be tenant, project:<name> or model:<id>' }],
    });

  /** @throws Problem `model_not_found`, also for what the caller may not see */
  async function modelOf(principal: Principal, named: string) {
    const stream = await resolve.currentModel(principal.tenant, named);
    const folded = await streams.load(modelKind, stream);
    await streams.catchUp(modelKind, folded);
    const { model }: ModelState = folded.state;
    if (model === null || !maySee(principal, model))
      throw new Problem('model_not_found', { model: named });
    return model;
  }

  async function scopeOf(principal: Principal, text: string): Promise<Asked> {
    if (text.startsWith('model:')) {
      const model = await modelOf(principal, text.slice('model:'.length));
      const scopes = policyScopesOf(model.project, model.model_id);
      return { scope: scopes.at(-1)!, place: model, wider: scopes.slice(0, -1) };
    }
    const scope = policyScope(text);
    if (scope === null) throw wrongScope();
    if (scope === 'tenant') return { scope, place: null, wider: [] };
    const place = { team: null, project: scope.slice('project:'.length) };
    return { scope, place, wider: ['tenant'] };
  }

  async function load(tenant: string, scope: PolicyScope): Promise<Folded<PolicyState>> {
    const folded = await streams.load(policyKind, policyStream(tenant, scope));
    await streams.catchUp(policyKind, folded);
    return folded;
  }

  const shown = (
    scope: PolicyScope,
    state: PolicyState,
    wider: readonly Folded<PolicyState>[],
    position?: number,
  ) => {
    const own = { scope, version: state.stream_version, own: state.own };
    const { policy, sources } = mergePolicies([...wider.map(layerOf), own]);
    return {
      scope,
      policy: state.own,
      effective: policy,
      sources,
      updated_at: state.updated_at,
      updated_by: state.updated_by?.subject ?? null,
      position: position ?? state.position,
      stream_version: state.stream_version,
    };
  };

  server.get(
    '/policies/:scope',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'What a scope says: tenant, project:<name> or model:<id>, and what that comes to',
        tags: ['policies'],
        params: scopePath,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { principal } = request;
      const { scope, wider, place } = await scopeOf(principal, request.params.scope);
      if (place !== null && !maySee(principal, place))
        throw new Problem('forbidden', { required_permission: 'registry:read' });
      const [own, ...bounds] = await Promise.all(
        [scope, ...wider].map((one) => load(principal.tenant, one)),
      );
      const body = shown(scope, own!.state, bounds);
      return await reply.header('etag', `"${body.stream_version}"`).send(body);
    },
  );

  server.put(
    '/policies/:scope',
    {
      config: { permission: 'policy:write' },
      schema: {
        summary: 'Set a policy, field by field: what is not named stays, null takes a field back',
        tags: ['policies'],
        params: scopePath,
        body: policyBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { principal } = request;
      const { preset, reason, ...patch } = request.body;
      const { scope, wider, place } = await scopeOf(principal, request.params.scope);
      const byAdminOfTenant = principal.everywhere.has('policy:write');
      if (!byAdminOfTenant && (place === null || !mayAt(principal, 'policy:write', place)))
        throw new Problem('forbidden', {
          required_permission: 'policy:write',
          required_role: rolesWith('policy:write'),
          scope,
        });
      const bounds = await Promise.all(wider.map((one) => load(principal.tenant, one)));
      const head = commandHead(request, { reason });
      const { principal: _principal, missing: _missing, ...asking } = head;
      const answered = await ask.submit<
        PolicyState,
        PolicyCommand,
        PolicyEvent,
        PolicyRefusal,
        object
      >({
        kind: policyKind,
        stream: policyStream(head.tenant, scope),
        ...asking,
        status: 200,
        command: () => ({
          type: 'SetPolicy',
          scope,
          preset: preset ?? null,
          patch,
          wider: bounds.map(layerOf),
          by_admin_of_tenant: byAdminOfTenant,
          reason: reason ?? null,
        }),
        answer: (state, events) => shown(scope, state, bounds, events.at(-1)?.position),
      });
      return sendAnswer(reply, answered);
    },
  );

  server.get(
    '/models/:model/policy',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'The policy in force for a model, with the scope that each field comes from',
        tags: ['policies'],
        params: modelPath,
        querystring: noQuery,
      },
    },
    async (request) => {
      const { principal } = request;
      const model = await modelOf(principal, request.params.model);
      const scopes = policyScopesOf(model.project, model.model_id);
      const layers = (await Promise.all(scopes.map((scope) => load(principal.tenant, scope)))).map(
        layerOf,
      );
      const { policy, sources } = mergePolicies(layers);
      return {
        model_id: model.model_id,
        policy,
        sources,
        scopes: layers.map(({ scope, version }) => ({ scope, version })),
      };
    },
  );
}
