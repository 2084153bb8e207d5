// What is true of a model: its rows, and the fold of a whole stream into them.
// The decision folds a whole stream; the projector folds only the rows that an event touches. Both use the same rows.
import { assert } from '../decider.ts';
import { evolveAlerts } from './alert-row.ts';
import type { OpenAlert } from './alert-row.ts';
import { evolveBinding, touchedBinding } from './binding-row.ts';
import type { Binding } from './binding-row.ts';
import { evolveDeployment, touchedDeployment } from './deployment-row.ts';
import type { Deployment } from './deployment-row.ts';
import type { ModelEvent, RecordedModelEvent } from './events.ts';
import { copied, entered, noEntries } from './entries.ts';
import { evolveModel } from './model-row.ts';
import type { Model } from './model-row.ts';
import { evolvePromotionRequest, touchedPromotionRequest } from './promotion-row.ts';
import type { PromotionRequest } from './promotion-row.ts';
import { evolveVersion, touchedVersions } from './version-row.ts';
import type { Version } from './version-row.ts';

/** A whole model stream, folded. The maps are changed in place (see `entered`); the rows in them are replaced. */
export type ModelState = {
  stream_version: number;
  model: Model | null;
  versions: Map<number, Version>;
  deployments: Map<string, Deployment>;
  bindings: Map<string, Binding>;
  promotionRequests: Map<string, PromotionRequest>;
  /** Raised and not over, by their names. */
  alerts: Map<string, OpenAlert>;
  numberByVersionId: Map<string, number>;
  numberByLabel: Map<string, number>;
  numberBySha256: Map<string, number>;
};

export const initialModelState = (): ModelState => ({
  stream_version: 0,
  model: null,
  versions: noEntries(),
  deployments: noEntries(),
  bindings: noEntries(),
  promotionRequests: noEntries(),
  alerts: noEntries(),
  numberByVersionId: noEntries(),
  numberByLabel: noEntries(),
  numberBySha256: noEntries(),
});

export const forkModelState = (state: ModelState): ModelState => ({
  stream_version: state.stream_version,
  model: state.model,
  versions: copied(state.versions),
  deployments: copied(state.deployments),
  bindings: copied(state.bindings),
  promotionRequests: copied(state.promotionRequests),
  alerts: copied(state.alerts),
  numberByVersionId: copied(state.numberByVersionId),
  numberByLabel: copied(state.numberByLabel),
  numberBySha256: copied(state.numberBySha256),
});

/** Folds one recorded event into the state, in place; its version must be the next. */
export function evolveModelState(state: ModelState, event: RecordedModelEvent): ModelState {
  assert(
    event.stream_version === state.stream_version + 1,
    `${event.stream} is at ${state.stream_version}, the event is ${event.stream_version}`,
  );
  state.model = evolveModel(state.model ?? undefined, event);
  for (const number of touchedVersions(event))
    state.versions = entered(
      state.versions,
      number,
      evolveVersion(state.versions.get(number), event),
    );
  const deploymentId = touchedDeployment(event);
  if (deploymentId !== null)
    state.deployments = entered(
      state.deployments,
      deploymentId,
      evolveDeployment(state.deployments.get(deploymentId), event),
    );
  const bindingId = touchedBinding(event);
  if (bindingId !== null)
    state.bindings = entered(
      state.bindings,
      bindingId,
      evolveBinding(state.bindings.get(bindingId), event),
    );
  const requestId = touchedPromotionRequest(event);
  if (requestId !== null)
    state.promotionRequests = entered(
      state.promotionRequests,
      requestId,
      evolvePromotionRequest(state.promotionRequests.get(requestId), event),
    );
  state.alerts = evolveAlerts(state.alerts, event);
  if (event.type === 'model.versioned') {
    const { number, version_id, label, content_digest } = event.data;
    state.numberByVersionId = entered(state.numberByVersionId, version_id, number);
    if (label !== null) state.numberByLabel = entered(state.numberByLabel, label, number);
    if (content_digest?.sha256)
      state.numberBySha256 = entered(state.numberBySha256, content_digest.sha256, number);
  }
  if (event.type === 'version.deleted') {
    const digest = state.versions.get(event.data.number)!.facts.content_digest?.sha256;
    // number and label are never given again; the bytes may come back as another version
    if (digest) state.numberBySha256.delete(digest);
  }
  state.stream_version = event.stream_version;
  return state;
}

/** The state after events that are about to be recorded; the given one stays as it is. */
export function afterwards(
  state: ModelState,
  events: readonly ModelEvent[],
  at: string,
): ModelState {
  const after = forkModelState(state);
  for (const event of events)
    evolveModelState(after, {
      ...event,
      position: 0,
      id: '',
      schema_version: 1,
      tenant: after.model!.tenant,
      stream: after.model!.model_id,
      stream_version: after.stream_version + 1,
      actor: after.model!.created_by,
      occurred_at: at,
      recorded_at: at,
      reason: null,
      command_id: '',
      correlation_id: null,
      causation_id: null,
      traceparent: null,
    });
  return after;
}
