// What an order of retention is held to, and how versions are named in what it answers.
import type { Model } from '#events/model/model-row.ts';
import type { OrderScope } from '#events/model/retention.ts';
import type { ModelState } from '#events/model/state.ts';
import { mergePolicies } from '#events/policy/merge.ts';
import { nothingKept } from '#events/policy/retention.ts';
import type { Retention } from '#events/policy/retention.ts';
import { layersOf } from './policy-layers.ts';
import type { NamedVersion } from './retention-plans.ts';
import type { Streams } from './streams.ts';

/** @param deps.kept what stays where no policy says otherwise */
export function openJudging({ streams, kept }: { streams: Streams; kept: Retention }) {
  /** An order by count is held to what an admin has set; what is due is so by all that is in force. */
  const registryFor = ({ retention_count }: OrderScope): Retention =>
    retention_count === null ? kept : nothingKept;
  return {
    registryFor,
    retentionOf: async (model: Model, order: OrderScope): Promise<Retention> =>
      mergePolicies(await layersOf(streams, model), registryFor(order)).policy.retention,
  };
}

export type Judging = ReturnType<typeof openJudging>;

export const named = (state: ModelState, number: number): NamedVersion => {
  const { version_id, label } = state.versions.get(number)!.facts;
  return { version_id, number, label, version: label ?? String(number) };
};
