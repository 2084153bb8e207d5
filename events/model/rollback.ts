// Going back to what was in production before: one append that repairs the stage and every place where the bad one is live.
import type { Decision } from '../decider.ts';
import { nthId } from '../names.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import { lastDeploymentThere, rollingBack, unsafeToReturn } from './deployment-rollback.ts';
import { evidenceDigestOf } from './evidence.ts';
import type { ModelEvent } from './events.ts';
import { displacing, restore, versionRef } from './release.ts';
import { afterwards } from './state.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;

/** The last incumbent that a promotion displaced and no rollback has gone behind; null: there is none. */
function lastDisplaced(state: ModelState, current: Version | undefined): Version | null {
  for (const id of state.model!.displaced.toReversed()) {
    const version = state.versions.get(state.numberByVersionId.get(id)!);
    if (version !== undefined && version !== current && version.deleted_at === null) return version;
  }
  return null;
}

/** @param named the version that the caller asked for; null: the one that was in production before */
export function rollback(
  state: ModelState,
  named: Version | null,
  command: Extract<ModelCommand, { type: 'Rollback' }>,
): Outcome {
  const { at, reason, new_id, in_force } = command;
  const current = state.versions.get(state.model!.production.at(-1) ?? 0);
  const to = named ?? lastDisplaced(state, current);
  if (to === null)
    return {
      refusal: {
        code: 'nothing_to_roll_back_to',
        environment: null,
        region: null,
        version: null,
      },
    };
  const { number } = to.facts;
  if (number === current?.facts.number) return { events: [] };
  if (!to.was_in_production) return { refusal: { code: 'never_in_production', number } };
  const because = unsafeToReturn(to, to.promoted_digest);
  if (because !== null) return { refusal: { code: 'rollback_unsafe', number, because } };

  const events: ModelEvent[] = [];
  let now = state;
  const tell = (more: readonly ModelEvent[]): void => {
    events.push(...more);
    now = afterwards(now, more, at);
  };
  if (to.stage === 'archived')
    tell(restore(state, to, { to_stage: 'staging', reason }).events ?? []);
  const liveIds = (current?.live ?? [])
    .filter(({ status }) => status === 'deployed')
    .map(({ deployment_id }) => deployment_id);
  for (const [index, id] of liveIds.entries()) {
    const leaving = now.deployments.get(id)!;
    const before = lastDeploymentThere(now, to.facts.version_id, leaving);
    tell(rollingBack(now, leaving, to, before, { at, reason, new_id: nthId(new_id, index) }));
  }
  const arriving = now.versions.get(number)!;
  // the bad one goes first: what the fold forgets of this append begins with it
  if (current !== undefined)
    tell(displacing(now, now.versions.get(current.facts.number)!, arriving, command, true));
  for (const other of now.model!.production)
    if (other !== number) tell(displacing(now, now.versions.get(other)!, arriving, command));
  tell([
    {
      type: 'model.promoted',
      data: {
        ...versionRef(to),
        from_stage: arriving.stage,
        to_stage: 'production',
        mode: 'rollback',
        promotion_request_id: null,
        approvals: [],
        gates: [],
        policy_ref: in_force.ref,
        content_digest: to.facts.content_digest,
        evidence_digest: evidenceDigestOf(to),
        superseded_version_id: current?.facts.version_id ?? null,
        previous_production_version_id: current?.facts.version_id ?? null,
        rollback_of: current?.facts.version_id ?? null,
        reason,
      },
    },
  ]);
  return { events };
}
