// The kinds of streams that commands are sent to, with what the memory and the snapshots need to know of each.
import { modelDecider } from '#events/model/decide.ts';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { tenantDecider } from '#events/tenant/tenant.ts';
import type { TenantCommand, TenantRefusal, TenantState } from '#events/tenant/tenant.ts';
import type { TenantEvent } from '#events/tenant/events.ts';
import { policyDecider } from '#events/policy/scope.ts';
import type { PolicyCommand, PolicyRefusal, PolicyState } from '#events/policy/scope.ts';
import type { PolicyEvent } from '#events/policy/events.ts';
import { Problem } from '#infra/http/problems.ts';
import { informedModelCommand, policyStreamsRestedOn } from './policies.ts';
import { admitToModel, callerNow, rolesStreamOf } from './admission.ts';
import { withDescent } from './descent.ts';
import { modelSnapshot } from './model-snapshot.ts';
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
  admit(principal, state, asked, tenant) {
    const command = admitToModel(principal, state, asked);
    if (tenant === undefined || command instanceof Problem) return command;
    return withDescent(command, principal, tenant);
  },
  isCalled: ({ model }, name) => model !== null && model.state !== 'deleted' && model.name === name,
  rowsOf: (state) =>
    1 +
    state.versions.size +
    state.deployments.size +
    state.bindings.size +
    state.promotionRequests.size +
    state.alerts.size,
  snapshot: modelSnapshot,
};
