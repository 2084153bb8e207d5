// A move to whatever stage, by the step that the ladder has for it.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import type { ModelEvent } from './events.ts';
import { archive, bringBack, demote, deprecate, illegalStage, ladder, promote } from './release.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

export function transition(
  state: ModelState,
  version: Version,
  command: Extract<ModelCommand, { type: 'Transition' }>,
): Decision<ModelEvent, ModelRefusal> {
  const { to_stage } = command;
  if (version.stage === to_stage) return { events: [] };
  const step = ladder[version.stage][to_stage];
  if (step === undefined) return illegalStage(version.stage, to_stage);
  switch (step) {
    case 'promote':
      return promote(state, version, { ...command, type: 'Promote' });
    case 'demote':
      return demote(version, { ...command, type: 'Demote' });
    case 'deprecate':
      return deprecate(version, { ...command, type: 'Deprecate', sunset_at: null });
    case 'archive': {
      const because = { cause: 'manual', rule: null, plan_id: null } as const;
      return archive(state, version, { ...command, type: 'Archive', because });
    }
    case 'restore':
      return bringBack(state, version, command);
  }
}
