// The kinds of streams that commands are sent to, with what the memory and the snapshots need to know of each.
import { modelDecider } from '#events/model/decide.ts';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { tenantDecider } from '#events/tenant/tenant.ts';
import type { TenantCommand, TenantRefusal, TenantState } from '#events/tenant/tenant.ts';
import type { TenantEvent } from '#events/tenant/events.ts';
import type { StreamKind } from './streams.ts';

export const modelKind: StreamKind<ModelState, ModelCommand, ModelEvent, ModelRefusal> = {
  decider: modelDecider,
  rowsOf: (state) => 1 + state.versions.size + state.deployments.size,
  snapshot: {
    foldVersion: 1,
    encode: (state) =>
      JSON.stringify({
        stream_version: state.stream_version,
        model: state.model,
        versions: [...state.versions.values()],
        deployments: [...state.deployments.values()],
      }),
    decode(text) {
      const { stream_version, model, versions, deployments } = JSON.parse(text) as Pick<
        ModelState,
        'stream_version' | 'model'
      > & {
        versions: ModelState['versions'] extends Map<number, infer Row> ? Row[] : never;
        deployments: ModelState['deployments'] extends Map<string, infer Row> ? Row[] : never;
      };
      const state = modelDecider.initial();
      state.stream_version = stream_version;
      state.model = model;
      for (const version of versions) {
        const { number, version_id, label, content_digest } = version.facts;
        state.versions.set(number, version);
        state.numberByVersionId.set(version_id, number);
        if (label !== null) state.numberByLabel.set(label, number);
        if (content_digest?.sha256) state.numberBySha256.set(content_digest.sha256, number);
      }
      for (const deployment of deployments)
        state.deployments.set(deployment.deployment_id, deployment);
      return state;
    },
  },
};

export const tenantKind: StreamKind<TenantState, TenantCommand, TenantEvent, TenantRefusal> = {
  decider: tenantDecider,
  rowsOf: (state) => 1 + state.keys.size,
  snapshot: null,
};
