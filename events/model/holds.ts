// What keeps a version whatever retention or anybody says, until it is released or its time is over.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import type { ModelEvent } from './events.ts';
import { versionRef } from './release.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;

/** So many holds a version has at most. */
const holdsMax = 100;

export function placeHold(
  version: Version,
  { hold_id, reason, until, at }: Extract<ModelCommand, { type: 'PlaceHold' }>,
): Outcome {
  if (reason === null || reason.trim() === '') return { refusal: { code: 'reason_required' } };
  if (until !== null && until <= at)
    return { refusal: { code: 'time_in_past', field: 'until', value: until } };
  if (version.holds.length >= holdsMax)
    return { refusal: { code: 'too_many_holds', most: holdsMax } };
  return {
    events: [{ type: 'hold.placed', data: { hold_id, ...versionRef(version), reason, until } }],
  };
}

export function releaseHold(
  state: ModelState,
  { hold_id, reason }: Extract<ModelCommand, { type: 'ReleaseHold' }>,
): Outcome {
  for (const version of state.versions.values())
    if (version.holds.some((hold) => hold.hold_id === hold_id))
      return {
        events: [{ type: 'hold.released', data: { hold_id, ...versionRef(version), reason } }],
      };
  return { refusal: { code: 'hold_not_found', hold_id } };
}
