// The kinds of streams that commands are sent to, with what the memory and the snapshots need to know of each.
import { modelDecider } from '#events/model/decide.ts';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { Binding } from '#events/model/binding-row.ts';
import type { Deployment } from '#events/model/deployment-row.ts';
import type { PromotionRequest } from '#events/model/promotion-row.ts';
import type { ModelState } from '#events/model/state.ts';
import type { Version } from '#events/model/version-row.ts';
import { tenantDecider } from '#events/tenant/tenant.ts';
import type { TenantCommand, TenantRefusal, TenantState } from '#events/tenant/tenant.ts';
import type { TenantEvent } from '#events/tenant/events.ts';
import { policyDecider } from '#events/policy/scope.ts';
import type { PolicyCommand, PolicyRefusal, PolicyState } from '#events/policy/scope.ts';
import type { PolicyEvent } from '#events/policy/events.ts';
import { informedModelCommand, policyStreamsRestedOn } from './policies.ts';
import { packRows, unpackRows } from './packed-rows.ts';
import type { PackedRows } from './packed-rows.ts';
import { admitToModel, callerNow, rolesStreamOf } from './admission.ts';
import type { StreamKind } from './streams.ts';

export const policyKind: StreamKind<PolicyState, PolicyCommand, PolicyEvent, PolicyRefusal> = {
  decider: policyDecider,
  admit: null,
  rowsOf: () => 1,
  snapshot: null,
};

export const tenantKind: StreamKind<TenantState, TenantCommand, TenantEvent, TenantRefusal> = {
  decider: tenantDecider,
  // the rules of a tenant know who holds what in it
  admit: null,
  rowsOf: (state) => 1 + state.keys.size + state.bindings.size,
  snapshot: null,
};

export const modelKind: StreamKind<ModelState, ModelCommand, ModelEvent, ModelRefusal> = {
  decider: modelDecider,
  restsOn: {
    kind: policyKind as never,
    streamsOf: policyStreamsRestedOn,
    informed: informedModelCommand as never,
  },
  roles: { kind: tenantKind as never, streamOf: rolesStreamOf, current: callerNow as never },
  admit: admitToModel,
  isCalled: ({ model }, name) => model !== null && model.state !== 'deleted' && model.name === name,
  rowsOf: (state) =>
    1 +
    state.versions.size +
    state.deployments.size +
    state.bindings.size +
    state.promotionRequests.size,
  snapshot: {
    foldVersion: 4,
    encode: (state) =>
      JSON.stringify({
        stream_version: state.stream_version,
        model: state.model,
        versions: packRows(state.versions.values()),
        deployments: packRows(state.deployments.values()),
        bindings: packRows(state.bindings.values()),
        promotion_requests: packRows(state.promotionRequests.values()),
      }),
    decode(text) {
      const { stream_version, model, versions, deployments, bindings, promotion_requests } =
        JSON.parse(text) as Pick<ModelState, 'stream_version' | 'model'> &
          Record<'versions' | 'deployments' | 'bindings' | 'promotion_requests', PackedRows>;
      const state = modelDecider.initial();
      state.stream_version = stream_version;
      state.model = model;
      for (const version of unpackRows<Version>(versions)) {
        const { number, version_id, label, content_digest } = version.facts;
        state.versions.set(number, version);
        state.numberByVersionId.set(version_id, number);
        if (label !== null) state.numberByLabel.set(label, number);
        if (content_digest?.sha256 && version.deleted_at === null)
          state.numberBySha256.set(content_digest.sha256, number);
      }
      for (const deployment of unpackRows<Deployment>(deployments))
        state.deployments.set(deployment.deployment_id, deployment);
      for (const binding of unpackRows<Binding>(bindings))
        state.bindings.set(binding.binding_id, binding);
      for (const request of unpackRows<PromotionRequest>(promotion_requests))
        state.promotionRequests.set(request.promotion_request_id, request);
      return state;
    },
  },
};
