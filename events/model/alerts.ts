// Alerts: what somebody should look at, raised once, and cleared in the same append as what ends it.
import type { Decision } from '../decider.ts';
import type { ModelCommand, ModelRefusal } from './commands.ts';
import { sunsetAlert } from './alert-row.ts';
import type { OpenAlert } from './alert-row.ts';
import type { ModelEvent, ModelEventType } from './events.ts';
import { versionRef } from './release.ts';
import type { ModelState } from './state.ts';
import { usesOf } from './uses.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;
/** The announced end has come. Nothing is undeployed by it; whoever still uses the version should hear. */
export function raiseSunsetAlert(
  state: ModelState,
  version: Version,
  { sunset_at, at }: Extract<ModelCommand, { type: 'RaiseSunsetAlert' }>,
): Outcome {
  const { model_id, version_id, number } = versionRef(version);
  // the end was moved, or taken back, since it was seen to have come
  if (version.stage !== 'deprecated' || version.sunset_at !== sunset_at) return { events: [] };
  const alert = sunsetAlert(number);
  if (state.alerts.has(alert)) return { events: [] };
  const uses = usesOf(state, version, at);
  return {
    events: [
      {
        type: 'alert.raised',
        data: { model_id, version_id, number, alert, kind: 'sunset', detail: { sunset_at, uses } },
      },
    ],
  };
}

/** What ends the notice of a version's end. */
const endsSunset: Partial<Record<ModelEventType, string>> = {
  'model.archived': 'archived',
  'version.deleted': 'deleted',
  'model.promoted': 'reinstated',
  'version.deprecated': 'moved',
};

/** Why an alert is over with an event; null while it is not. */
function whyOver(state: ModelState, alert: OpenAlert, event: ModelEvent): string | null {
  switch (alert.kind) {
    case 'sunset':
      return 'number' in event.data && event.data.number === alert.number
        ? (endsSunset[event.type] ?? null)
        : null;
    case 'deployment_timed_out': {
      const { deployment_id } = alert.detail as { deployment_id: string };
      const given = state.deployments.get(deployment_id);
      return event.type === 'model.deployed' &&
        event.data.environment === given?.environment &&
        event.data.region === given.region
        ? 'deployed'
        : null;
    }
    case 'break_glass':
      return null;
  }
}

/** The events with those that clear the alerts which are over with them, in the same append. */
export function withClearedAlerts(
  state: ModelState,
  events: readonly ModelEvent[],
): readonly ModelEvent[] {
  if (state.alerts.size === 0 || events.length === 0) return events;
  const cleared: ModelEvent[] = [];
  for (const alert of state.alerts.values())
    for (const event of events) {
      const reason = whyOver(state, alert, event);
      if (reason === null) continue;
      const { model_id } = state.model!;
      cleared.push({ type: 'alert.cleared', data: { model_id, alert: alert.alert, reason } });
      break;
    }
  return cleared.length === 0 ? events : [...events, ...cleared];
}
