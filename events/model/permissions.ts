// What a command on a model asks for: the permissions that its caller must have where the model stands.
import type { Permission, Place } from '../access.ts';
import type { ModelCommand, NewVersion } from './commands.ts';

/** What each command asks for. Some ask for more, by what they hold: see `neededFor`. */
export const permissionOf: Record<ModelCommand['type'], Permission> = {
  RegisterModel: 'model:write',
  UpdateModel: 'model:write',
  DeleteModel: 'model:write',
  RestoreModel: 'model:write',
  CreateVersion: 'version:write',
  UpdateVersion: 'version:write',
  DeleteVersion: 'version:archive',
  RevokeApproval: 'version:assess',
  Activate: 'stage:change',
  Deactivate: 'stage:change',
  SetAlias: 'stage:change',
  RemoveAlias: 'stage:change',
  Rollback: 'stage:change',
  PlaceHold: 'version:archive',
  ReleaseHold: 'version:archive',
  StartTesting: 'version:write',
  Approve: 'version:assess',
  Reject: 'version:assess',
  Promote: 'stage:change',
  Demote: 'stage:change',
  Transition: 'stage:change',
  Deprecate: 'stage:change',
  Archive: 'version:archive',
  ApplyRetention: 'version:archive',
  Restore: 'stage:change',
  SetDefault: 'stage:change',
  RequestPromotion: 'promotion:request',
  DecidePromotion: 'promotion:decide',
  WithdrawPromotion: 'promotion:request',
  SettlePromotion: 'retention:attribute',
  RaiseSunsetAlert: 'retention:attribute',
  Deploy: 'deployment:write',
  ReportDeployment: 'deployment:write',
  Undeploy: 'deployment:write',
  ShiftTraffic: 'deployment:write',
  RollbackDeployment: 'deployment:write',
  CreateBinding: 'deployment:write',
  UpdateBinding: 'deployment:write',
  RemoveBinding: 'deployment:write',
};

/** What some commands ask for beside, in words, for the table of who may what. */
export const alsoAsked = {
  RegisterModel:
    'with a first version also `version:write`, with one above development, or the default by its caller, also `stage:change`',
  UpdateModel:
    'to another team or project also `model:move`, in the team or project that it leaves and in the one that it enters',
  CreateVersion: 'above development, or as the default, also `stage:change`',
  UpdateVersion: 'that it is the default also `stage:change`',
  Transition: 'to archived also `version:archive`',
  Archive: 'in the name of retention also `retention:attribute`',
  ReportDeployment: 'that it timed out also `retention:attribute`',
} as const satisfies Partial<Record<ModelCommand['type'], string>>;

/** A permission that is asked for, and where: at the model as it stands, or at a place that it has to do with. */
export type Needed = { permission: Permission; at: 'model' | Place };

const needs = (...names: Permission[]): readonly Needed[] =>
  names.map((permission) => ({ permission, at: 'model' }));
const base = new Map(
  Object.entries(permissionOf).map(([type, permission]) => [type, needs(permission)]),
);
const stages = needs('version:write', 'stage:change');
const archives = needs('stage:change', 'version:archive');
const timesOut = needs('deployment:write', 'retention:attribute');
const registersWithVersion = needs('model:write', 'version:write');
const registersWithStage = needs('model:write', ...stages.map(({ permission }) => permission));
const attributes = needs('version:archive', 'retention:attribute');
const moves = needs('model:write', 'model:move');

/**
 * Who moves a model must be an admin where it was and where it goes; of the very team and the very project that it leaves and
 * enters, so that nobody takes it from under a project's policy by what they are in its team.
 */
function neededToMove(from: Place, to: Place): readonly Needed[] {
  const places: Place[] = [to];
  if (from.team !== to.team)
    for (const { team } of [from, to]) if (team !== null) places.push({ team, project: null });
  if (from.project !== to.project)
    for (const { project } of [from, to])
      if (project !== null) places.push({ team: null, project });
  return [...moves, ...places.map((at): Needed => ({ permission: 'model:move', at }))];
}

/** Whether a new version is promoted at once, or made the default. */
const isMoved = ({ stage, is_default }: NewVersion): boolean =>
  stage !== 'development' || is_default;

/** @param place where the model stands now; where it is registered, for a new one */
export function neededFor(command: ModelCommand, place: Place): readonly Needed[] {
  if (command.type === 'RegisterModel' && command.first_version !== null)
    return isMoved(command.first_version) ? registersWithStage : registersWithVersion;
  if (command.type === 'UpdateModel') {
    const { team = place.team, project = place.project } = command.patch;
    if (team !== place.team || project !== place.project)
      return neededToMove(place, { team, project });
  }
  if (command.type === 'UpdateVersion' && command.is_default === true) return stages;
  if (command.type === 'CreateVersion' && isMoved(command.version)) return stages;
  if (command.type === 'Transition' && command.to_stage === 'archived') return archives;
  if (command.type === 'Archive') {
    const { cause, rule, plan_id } = command.because;
    const isJudged = (command.judged_by ?? null) !== null;
    if (cause !== 'manual' || rule !== null || plan_id !== null || isJudged) return attributes;
  }
  if (command.type === 'ReportDeployment' && command.cause !== 'reported') return timesOut;
  return base.get(command.type)!;
}
