// Which policies a command on a model rests on, and the policy in force that they make together.
import { LRUCache } from 'lru-cache';
import { restsOnPolicy } from '#events/model/governed.ts';
import type { ModelCommand } from '#events/model/commands.ts';
import type { ModelState } from '#events/model/state.ts';
import { parseStream, policyStream } from '#events/names.ts';
import { inForce } from '#events/policy/merge.ts';
import { policyScopesOf } from '#events/policy/policy.ts';
import type { PolicyLayer } from '#events/policy/merge.ts';
import type { PolicyInForce, PolicyScope } from '#events/policy/policy.ts';
import type { PolicyState } from '#events/policy/scope.ts';
import type { Folded } from './streams.ts';

/** Merged policies kept in memory; one is a few KB. */
const mergedMax = 1_000;
const merged = new LRUCache<string, PolicyInForce>({ max: mergedMax });

/** The policy streams that a command rests on; none for what no policy governs. */
export function policyStreamsRestedOn(
  tenant: string,
  { model }: ModelState,
  command: ModelCommand,
): readonly string[] {
  if (!restsOnPolicy(command)) return noStreams;
  if (command.type === 'RegisterModel')
    return streamsOf(tenant, command.facts.project, command.model_id);
  return model === null ? noStreams : streamsOf(tenant, model.project, model.model_id);
}
const noStreams: readonly string[] = [];

const streamsOf = (tenant: string, project: string | null, modelId: string): readonly string[] =>
  policyScopesOf(project, modelId).map((scope) => policyStream(tenant, scope));

/** A policy's stream, and what it comes to. */
export type FoldedPolicy = Pick<Folded<PolicyState>, 'stream' | 'state'>;

/** What a policy's stream says of its scope, as a layer to merge. */
export const layerOf = ({ stream, state }: FoldedPolicy): PolicyLayer => ({
  scope: parseStream(stream)!.id as PolicyScope,
  version: state.stream_version,
  own: state.own,
});

function policyInForce(rested: readonly Folded<PolicyState>[]): PolicyInForce {
  if (rested.every(({ state }) => state.stream_version === 0)) return inForce([]);
  const key = JSON.stringify(rested.map(({ stream, state }) => [stream, state.stream_version]));
  const known = merged.get(key);
  if (known !== undefined) return known;
  const found = inForce(rested.map(layerOf));
  merged.set(key, found);
  return found;
}

export const informedModelCommand = (
  command: ModelCommand,
  rested: readonly Folded<PolicyState>[],
): ModelCommand =>
  rested.length === 0
    ? command
    : {
        ...command,
        in_force:
          command.type === 'ApplyRetention'
            ? inForce(rested.map(layerOf), command.registry)
            : policyInForce(rested),
      };
