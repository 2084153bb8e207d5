// Whether an operator switched a version on; under `single_active` one takes the other's place in the same append.
import type { Decision } from '../decider.ts';
import type { Common, ModelRefusal } from './commands.ts';
import type { ModelEvent } from './events.ts';
import { versionRef } from './release.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;

export function activate(
  state: ModelState,
  version: Version,
  { in_force, reason }: Common,
): Outcome {
  if (version.activation === 'active') return { events: [] };
  const { stage, facts } = version;
  if (stage === 'archived')
    return {
      refusal: { code: 'version_retired', number: facts.number, stage, wanted: 'activation' },
    };
  const leaving = in_force.policy.single_active ? state.model!.active : [];
  return {
    events: [
      ...leaving.map((number): ModelEvent => ({
        type: 'version.deactivated',
        data: {
          ...versionRef(state.versions.get(number)!),
          replaced_by_version_id: facts.version_id,
          reason,
        },
      })),
      { type: 'version.activated', data: { ...versionRef(version), reason } },
    ],
  };
}

export function deactivate(version: Version, { reason }: Common): Outcome {
  if (version.activation === 'inactive') return { events: [] };
  return {
    events: [
      {
        type: 'version.deactivated',
        data: { ...versionRef(version), replaced_by_version_id: null, reason },
      },
    ],
  };
}
