// The policies that keep a model's versions: read from the log when the model is looked at, and merged.
import { LRUCache } from 'lru-cache';
import type { PolicyVersions } from '#events/model/commands.ts';
import type { EventLog } from '#events/log.ts';
import type { Model } from '#events/model/model-row.ts';
import { policyStream } from '#events/names.ts';
import type { RecordedPolicyEvent } from '#events/policy/events.ts';
import { mergePolicies } from '#events/policy/merge.ts';
import { policyScopesOf } from '#events/policy/policy.ts';
import type { OwnPolicy } from '#events/policy/policy.ts';
import type { Retention } from '#events/policy/retention.ts';
import { policyDecider } from '#events/policy/scope.ts';
import { upcast } from '#events/upcasters.ts';

/** Folded policies in memory; one is a few KB, and most models have none but their tenant's. */
const policiesMax = 1_000;

/** How long a model's versions stay, and what that was read from. */
type Keeping = { retention: Retention; judgedBy: PolicyVersions };
export type KeepingOf = (model: Pick<Model, 'tenant' | 'project' | 'model_id'>) => Promise<Keeping>;

/** @param registry what is kept where no scope says otherwise */
export function openPolicies(
  log: Pick<EventLog, 'readStream' | 'lookUp'>,
  registry: Retention,
): KeepingOf {
  const folded = new LRUCache<string, { version: number; own: OwnPolicy }>({ max: policiesMax });

  async function load(
    stream: string,
    version: number,
  ): Promise<{ version: number; own: OwnPolicy }> {
    const known = folded.get(stream);
    if (known?.version === version) return known;
    let state = policyDecider.initial();
    for (const event of await log.readStream(stream, 0))
      state = policyDecider.evolve(state, upcast(event) as RecordedPolicyEvent);
    const found = { version: state.stream_version, own: state.own };
    folded.set(stream, found);
    return found;
  }

  return async ({ tenant, project, model_id }) => {
    const scopes = policyScopesOf(project, model_id);
    const streams = scopes.map((scope) => policyStream(tenant, scope));
    const { versions } = await log.lookUp(streams, []);
    const layers = await Promise.all(
      scopes.map(async (scope, index) => {
        const stream = streams[index]!;
        const version = versions.get(stream) ?? 0;
        return { scope, ...(version === 0 ? { version, own: {} } : await load(stream, version)) };
      }),
    );
    return {
      retention: mergePolicies(layers, registry).policy.retention,
      judgedBy: layers.map(({ scope, version }) => ({ scope, version })),
    };
  };
}
