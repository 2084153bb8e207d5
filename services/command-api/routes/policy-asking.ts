// What the routes about policies share: how a scope is named and bound, and how its policy is shown and set.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { mayAt, maySee } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import type { Model } from '#events/model/model-row.ts';
import { policyScope, policyStream } from '#events/names.ts';
import type { PolicyEvent, RecordedPolicyEvent } from '#events/policy/events.ts';
import { mergePolicies } from '#events/policy/merge.ts';
import type { PolicyLayer } from '#events/policy/merge.ts';
import { policyScopesOf } from '#events/policy/policy.ts';
import type { PolicyScope, Preset } from '#events/policy/policy.ts';
import type { Retention } from '#events/policy/retention.ts';
import type {
  PolicyCommand,
  PolicyPatch,
  PolicyRefusal,
  PolicyState,
} from '#events/policy/scope.ts';
import { policyDecider } from '#events/policy/scope.ts';
import type { AsOf, Then } from '#infra/as-of.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { forbidden } from '#infra/http/forbidden.ts';
import { Problem } from '#infra/http/problems.ts';
import { modelKind, policyKind } from '../kinds.ts';
import { layerOf } from '../policies.ts';
import type { FoldedPolicy } from '../policies.ts';
import { loadPolicy } from '../policy-layers.ts';
import { commandHead, sendAnswer } from '../request.ts';
import type { Streams } from '../streams.ts';
import type { Asking } from './model-asking.ts';

export const scopePath = z.strictObject({ scope: z.string().min(1).max(600) });

export const policyQuery = z.strictObject(asOfQuery);

/** What every such route needs; `kept` is what stays where no scope says otherwise. */
export type PolicyAsking = Asking & { streams: Streams; asOf: AsOf; kept: Retention };

/** Models and policies as they are now, or as they were then. */
type Seen = {
  /** @throws Problem `model_not_found`, also for what the caller may not see */
  modelOf: (principal: Principal, named: string) => Promise<Model>;
  policyOf: (tenant: string, scope: PolicyScope) => Promise<FoldedPolicy>;
};

type Shown<Params> = FastifyRequest<{ Params: Params; Querystring: { as_of?: Then | undefined } }>;

/** A scope with the models in it, and the wider ones that bind it, the widest first. */
type Asked = { scope: PolicyScope; place: Place | null; wider: readonly PolicyScope[] };

/** What is sent of a scope: `policy` is what it says itself, `effective` what that comes to. */
export type ShownPolicy = ReturnType<ReturnType<typeof shownUnder>>;
type View = (shown: ShownPolicy) => object;

const shownUnder =
  (kept: Retention) =>
  (scope: PolicyScope, state: PolicyState, wider: readonly FoldedPolicy[], position?: number) => {
    const own = { scope, version: state.stream_version, own: state.own };
    const { policy, sources } = mergePolicies([...wider.map(layerOf), own], kept);
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

export function openPolicyAsking({ ask, resolve, streams, asOf, kept }: PolicyAsking) {
  const shown = shownUnder(kept);

  const now: Seen = {
    async modelOf(principal, named) {
      const stream = await resolve.currentModel(principal.tenant, named);
      const folded = await streams.load(modelKind, stream);
      await streams.catchUp(modelKind, folded);
      const { model } = folded.state;
      if (model === null || !maySee(principal, model))
        throw new Problem('model_not_found', { model: named });
      return model;
    },
    policyOf: (tenant, scope) => loadPolicy(streams, tenant, scope),
  };

  const seenAt = (position: number): Seen => ({
    modelOf: async (principal, named) => (await asOf.model(principal, named, position)).model,
    async policyOf(tenant, scope) {
      const stream = policyStream(tenant, scope);
      return { stream, state: await asOf.folded(stream, position, policyFold) };
    },
  });

  /** What the request asks to see; of then, the header names the position. @throws Problem `time_in_future` */
  async function seen({ query }: Shown<unknown>, reply: FastifyReply): Promise<Seen> {
    if (query.as_of === undefined) return now;
    const { position } = await asOf.moment(query.as_of);
    reply.header('x-position', position);
    return seenAt(position);
  }

  async function scopeOf({ modelOf }: Seen, principal: Principal, text: string): Promise<Asked> {
    if (text.startsWith('model:')) {
      const model = await modelOf(principal, text.slice('model:'.length));
      const scopes = policyScopesOf(model.project, model.model_id);
      return { scope: scopes.at(-1)!, place: model, wider: scopes.slice(0, -1) };
    }
    const scope = policyScope(text);
    if (scope === null)
      throw new Problem('invalid', {
        errors: [{ pointer: '/scope', message: 'must be tenant, project:<name> or model:<id>' }],
      });
    if (scope === 'tenant') return { scope, place: null, wider: [] };
    const place = { team: null, project: scope.slice('project:'.length) };
    return { scope, place, wider: ['tenant'] };
  }

  return {
    /** The layers that hold for a model, the widest first, with its id. */
    async layersOf(
      request: Shown<{ model: string }>,
      reply: FastifyReply,
    ): Promise<{ model_id: string; layers: PolicyLayer[] }> {
      const { principal, params } = request;
      const { modelOf, policyOf } = await seen(request, reply);
      const { tenant, project, model_id } = await modelOf(principal, params.model);
      const policies = await Promise.all(
        policyScopesOf(project, model_id).map((scope) => policyOf(tenant, scope)),
      );
      return { model_id, layers: policies.map(layerOf) };
    },

    async show(
      request: Shown<{ scope: string }>,
      reply: FastifyReply,
      view: View,
    ): Promise<FastifyReply> {
      const { principal, params } = request;
      const then = await seen(request, reply);
      const { scope, wider, place } = await scopeOf(then, principal, params.scope);
      if (place !== null && !maySee(principal, place)) throw forbidden('registry:read');
      const [own, ...bounds] = await Promise.all(
        [scope, ...wider].map((one) => then.policyOf(principal.tenant, one)),
      );
      const body = shown(scope, own!.state, bounds);
      return await reply.header('etag', `"${body.stream_version}"`).send(view(body));
    },

    async set(
      request: FastifyRequest<{ Params: { scope: string } }>,
      reply: FastifyReply,
      said: { preset: Preset | null; patch: PolicyPatch; reason: string | null },
      view: View,
    ): Promise<FastifyReply> {
      const { principal } = request;
      const { scope, wider, place } = await scopeOf(now, principal, request.params.scope);
      const byAdminOfTenant = principal.everywhere.has('policy:write');
      if (!byAdminOfTenant && (place === null || !mayAt(principal, 'policy:write', place)))
        throw forbidden('policy:write', { scope });
      const bounds = await Promise.all(
        wider.map((one) => loadPolicy(streams, principal.tenant, one)),
      );
      const head = commandHead(request, said);
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
          ...said,
          wider: bounds.map(layerOf),
          registry: kept,
          by_admin_of_tenant: byAdminOfTenant,
        }),
        answer: (state, events) => view(shown(scope, state, bounds, events.at(-1)?.position)),
      });
      return sendAnswer(reply, answered);
    },
  };
}

const policyFold = {
  initial: policyDecider.initial,
  evolve: (state: PolicyState, event: RecordedEvent): PolicyState =>
    policyDecider.evolve(state, event as RecordedPolicyEvent),
};
