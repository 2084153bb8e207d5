// What follows from a command on a model: one total switch from state and command to events, or to one refusal.
import type { Decider, Decision } from '../decider.ts';
import { isDigits } from '../names.ts';
import { raiseSunsetAlert, withClearedAlerts } from './alerts.ts';
import { activate, deactivate } from './activation.ts';
import { removeAlias, setAlias } from './aliases.ts';
import { createBinding, removeBinding, updateBinding } from './bindings.ts';
import { againstModel, updateModel, updateVersion } from './changes.ts';
import type { Common, ModelCommand, ModelRefusal, NewVersion, VersionRef } from './commands.ts';
import { deleteModel, deleteVersion, restoreModel } from './deletion.ts';
import { rollbackDeployment } from './deployment-rollback.ts';
import { deploy, reportDeployment, undeploy } from './deployments.ts';
import type { Judged } from './evidence.ts';
import type { ModelEvent, ModelEventData } from './events.ts';
import { placeHold, releaseHold } from './holds.ts';
import type { PromotionRequest } from './promotion-row.ts';
import {
  decidePromotion,
  requestPromotion,
  settlePromotion,
  withdrawPromotion,
  withStaledRequests,
} from './promotions.ts';
import { applyRetention } from './retention.ts';
import { grantFor } from './rungs.ts';
import {
  approveFitness,
  archive,
  becomesDefault,
  bringBack,
  demote,
  deprecate,
  moveReadiness,
  promote,
  promotion,
  revokeApproval,
  setDefault,
} from './release.ts';
import { rollback } from './rollback.ts';
import type { Deployment } from './deployment-row.ts';
import { evolveModelState, forkModelState, initialModelState } from './state.ts';
import type { ModelState } from './state.ts';
import { shiftTraffic } from './traffic.ts';
import { transition } from './transition.ts';
import { findVersion, findVersionOrTombstone, showVersionRef } from './version-ref.ts';
import type { Version } from './version-row.ts';

type Outcome = Decision<ModelEvent, ModelRefusal>;

function registerModel(
  state: ModelState,
  command: Extract<ModelCommand, { type: 'RegisterModel' }>,
): Outcome {
  if (state.model !== null) return { refusal: { code: 'name_taken', name: command.name } };
  const registered: ModelEvent = {
    type: 'model.registered',
    data: { ...command.facts, model_id: command.model_id, serial: 0, name: command.name },
  };
  if (command.first_version === null)
    return {
      events:
        command.is_active === false
          ? [
              registered,
              {
                type: 'model.deactivated',
                data: { model_id: command.model_id, reason: command.reason },
              },
            ]
          : [registered],
    };
  const first = newVersion(command.model_id, initialModelState(), command.first_version, command);
  return first.refusal === undefined ? { events: [registered, ...first.events] } : first;
}

/** A version is made in development and, if a higher stage was asked for, promoted in the same append. */
function newVersion(
  modelId: string,
  state: ModelState,
  version: NewVersion,
  common: Common,
): Outcome {
  const { facts, version_id, readiness, stage } = version;
  const number = (state.model?.last_number ?? 0) + 1;
  if (stage === 'deprecated' || stage === 'archived')
    return {
      refusal: {
        code: 'illegal_transition',
        axis: 'stage',
        from: 'new',
        to: stage,
        legal_transitions: ['development', 'staging', 'production'],
      },
    };
  const taken = (by: 'label' | 'sha256', value: string, other: number): Outcome => ({
    refusal: {
      code: 'version_exists',
      by,
      value,
      number: other,
      version_id: state.versions.get(other)!.facts.version_id,
    },
  });
  if (facts.label !== null) {
    if (isDigits(facts.label) && facts.label !== String(number))
      return { refusal: { code: 'label_not_its_number', label: facts.label, number } };
    const other = state.numberByLabel.get(facts.label);
    if (other !== undefined) return taken('label', facts.label, other);
  }
  const sha256 = facts.content_digest?.sha256 ?? null;
  if (sha256 !== null) {
    const other = state.numberBySha256.get(sha256);
    if (other !== undefined) return taken('sha256', sha256, other);
  }
  if (stage === 'production' && state.model?.state === 'inactive')
    return { refusal: { code: 'model_inactive', state: state.model.state } };
  const pointed = common.in_force.policy.protected_pointers;
  if (version.is_default && stage !== 'production' && pointed.includes('default'))
    return { refusal: { code: 'pointer_protected', pointer: 'default', number, stage } };
  const data: ModelEventData<'model.versioned'> = {
    ...facts,
    model_id: modelId,
    version_id,
    serial: 0,
    number,
    stage: 'development',
    readiness,
  };
  const made: Judged = {
    facts: data,
    stage: data.stage,
    rung: 'development',
    readiness,
    artifact: 'none',
    supplied_by: {},
  };
  const begun: ModelEvent[] = [
    { type: 'model.versioned', data },
    ...becomesDefault(state, made, version.is_default),
  ];
  if (stage === 'development') return { events: begun };
  const how = { break_glass: false, automated: false };
  const granted = grantFor(state, made, stage, common, how);
  if (granted.refusal !== undefined) return granted;
  return {
    events: [...begun, ...promotion(state, made, stage, common, version.is_default, granted.grant)],
  };
}

/** Decides a command on the folded state. Pure; see `ModelRefusal` for every way to say no. */
function decideModel(state: ModelState, command: ModelCommand): Outcome {
  if (command.type === 'RegisterModel') return registerModel(state, command);
  if (state.model === null) return { refusal: { code: 'model_not_found' } };
  // a tombstone is only raised again; it is deleted already, and none of its requests is executed
  if (state.model.state === 'deleted' && command.type !== 'RestoreModel')
    return command.type === 'DeleteModel' || command.type === 'SettlePromotion'
      ? { events: [] }
      : { refusal: { code: 'model_not_found' } };
  switch (command.type) {
    case 'UpdateModel':
      return updateModel(state.model, command);
    case 'DeleteModel':
      return deleteModel(state, command);
    case 'RestoreModel':
      return restoreModel(state.model, command);
    case 'RemoveAlias':
      return removeAlias(state, command);
    case 'ReleaseHold':
      return releaseHold(state, command);
    case 'ApplyRetention':
      return applyRetention(state, command);
    case 'Rollback': {
      const named = command.to === null ? null : findVersion(state, command.to);
      return command.to !== null && named === null
        ? { refusal: { code: 'version_not_found', version: showVersionRef(command.to) } }
        : rollback(state, named, command);
    }
    case 'CreateVersion':
      if (command.stated !== undefined) {
        const against = againstModel(state.model, command.stated);
        if (against !== null) return against;
      }
      return newVersion(state.model.model_id, state, command.version, command);
    case 'ReportDeployment':
    case 'Undeploy':
    case 'ShiftTraffic':
    case 'RollbackDeployment': {
      const deployment = state.deployments.get(command.deployment_id);
      if (deployment === undefined)
        return { refusal: { code: 'deployment_not_found', deployment_id: command.deployment_id } };
      return decideDeployment(state, deployment, command);
    }
    case 'DecidePromotion':
    case 'WithdrawPromotion':
    case 'SettlePromotion': {
      const { promotion_request_id } = command;
      const request = state.promotionRequests.get(promotion_request_id);
      return request === undefined
        ? { refusal: { code: 'promotion_not_found', promotion_request_id } }
        : onRequest(state, request, command);
    }
    case 'UpdateBinding':
    case 'RemoveBinding': {
      const { binding_id } = command;
      const binding = state.bindings.get(binding_id);
      if (binding === undefined) return { refusal: { code: 'binding_not_found', binding_id } };
      if (command.type === 'RemoveBinding') return removeBinding(binding, command);
      return binding.removed_at === null
        ? updateBinding(state, binding, command)
        : { refusal: { code: 'binding_not_found', binding_id } };
    }
    case 'UpdateVersion':
    case 'DeleteVersion':
    case 'RevokeApproval':
    case 'Activate':
    case 'Deactivate':
    case 'SetAlias':
    case 'PlaceHold':
    case 'StartTesting':
    case 'Approve':
    case 'Reject':
    case 'Promote':
    case 'RequestPromotion':
    case 'Demote':
    case 'Transition':
    case 'Deprecate':
    case 'RaiseSunsetAlert':
    case 'Archive':
    case 'Restore':
    case 'SetDefault':
    case 'CreateBinding':
    case 'Deploy': {
      // asking to delete what is deleted changes nothing
      const find = command.type === 'DeleteVersion' ? findVersionOrTombstone : findVersion;
      const version = find(state, command.version);
      if (version === null)
        return { refusal: { code: 'version_not_found', version: showVersionRef(command.version) } };
      return decideVersion(state, version, command);
    }
  }
}

function onRequest(
  state: ModelState,
  request: PromotionRequest,
  command: Extract<
    ModelCommand,
    { type: 'DecidePromotion' | 'WithdrawPromotion' | 'SettlePromotion' }
  >,
): Outcome {
  switch (command.type) {
    case 'DecidePromotion':
      return decidePromotion(state, request, command);
    case 'WithdrawPromotion':
      return withdrawPromotion(request, command);
    case 'SettlePromotion':
      return settlePromotion(state, request, command);
  }
}

type DeploymentCommand = Exclude<
  Extract<ModelCommand, { deployment_id: string }>,
  { version: VersionRef }
>;

function decideDeployment(
  state: ModelState,
  deployment: Deployment,
  command: DeploymentCommand,
): Outcome {
  switch (command.type) {
    case 'ReportDeployment':
      return reportDeployment(state, deployment, command);
    case 'Undeploy':
      return undeploy(state, deployment, command);
    case 'ShiftTraffic':
      return shiftTraffic(state, deployment, command);
    case 'RollbackDeployment': {
      const { to } = command;
      const named = to === null ? null : findVersion(state, to);
      return to !== null && named === null
        ? { refusal: { code: 'version_not_found', version: showVersionRef(to) } }
        : rollbackDeployment(state, deployment, named, command);
    }
  }
}

type VersionCommand = Extract<ModelCommand, { version: VersionRef }>;

function decideVersion(state: ModelState, version: Version, command: VersionCommand): Outcome {
  switch (command.type) {
    case 'UpdateVersion':
      return updateVersion(state, version, command);
    case 'DeleteVersion':
      return deleteVersion(state, version, command);
    case 'RevokeApproval':
      return revokeApproval(version, command);
    case 'Activate':
      return activate(state, version, command);
    case 'Deactivate':
      return deactivate(version, command);
    case 'SetAlias':
      return setAlias(state, version, command);
    case 'PlaceHold':
      return placeHold(version, command);
    case 'StartTesting':
      return moveReadiness(version, 'version.testing_started', 'testing', command.reason);
    case 'Approve':
      return approveFitness(version, command);
    case 'Reject':
      return moveReadiness(version, 'version.rejected', 'rejected', command.reason);
    case 'Promote':
      return promote(state, version, command);
    case 'RequestPromotion':
      return requestPromotion(state, version, command);
    case 'Demote':
      return demote(version, command);
    case 'Transition':
      return transition(state, version, command);
    case 'Deprecate':
      return deprecate(version, command);
    case 'RaiseSunsetAlert':
      return raiseSunsetAlert(state, version, command);
    case 'Archive':
      return archive(state, version, command);
    case 'Restore':
      return bringBack(state, version, command);
    case 'SetDefault':
      return setDefault(state, version, command);
    case 'CreateBinding':
      return createBinding(state, version, command);
    case 'Deploy':
      return deploy(state, version, command);
  }
}

export const modelDecider: Decider<ModelState, ModelCommand, ModelEvent, ModelRefusal> = {
  initial: initialModelState,
  decide: (state, command) => {
    const { events, refusal } = decideModel(state, command);
    return refusal === undefined
      ? { events: withClearedAlerts(state, withStaledRequests(state, events)) }
      : { refusal };
  },
  evolve: (state, event) => evolveModelState(state, event),
  fork: forkModelState,
};
