// Policies for who asks what is in force, and sends no command on it: read up to what the log has now.
import type { Model } from '#events/model/model-row.ts';
import { policyStream } from '#events/names.ts';
import type { PolicyLayer } from '#events/policy/merge.ts';
import { policyScopesOf } from '#events/policy/policy.ts';
import type { PolicyScope } from '#events/policy/policy.ts';
import type { PolicyState } from '#events/policy/scope.ts';
import { policyKind } from './kinds.ts';
import { layerOf } from './policies.ts';
import type { Folded, Streams } from './streams.ts';

/** The layers that hold for a model, the widest first, as the log has them now. */
export async function layersOf(
  streams: Streams,
  { tenant, project, model_id }: Pick<Model, 'tenant' | 'project' | 'model_id'>,
): Promise<PolicyLayer[]> {
  const scopes = policyScopesOf(project, model_id);
  return (await Promise.all(scopes.map((scope) => loadPolicy(streams, tenant, scope)))).map(
    layerOf,
  );
}

/** What a scope says, as the log has it now. */
export async function loadPolicy(
  streams: Streams,
  tenant: string,
  scope: PolicyScope,
): Promise<Folded<PolicyState>> {
  const folded = await streams.load(policyKind, policyStream(tenant, scope));
  await streams.catchUp(policyKind, folded);
  return folded;
}
