// What a command on a model asks for: the permissions that its caller must have where the model stands.
import type { Permission, Place } from '../access.ts';
import type { ModelCommand } from './commands.ts';

/** A permission that is asked for, and where: at the model as it stands, and where it is moved to. */
export type Needed = { permission: Permission; at: 'model' | 'destination' };

const needs = (...names: Permission[]): readonly Needed[] =>
  names.map((permission) => ({ permission, at: 'model' }));
const writesModel = needs('model:write');
const writesVersion = needs('version:write');
const assesses = needs('version:assess');
const changesStage = needs('stage:change');
const requests = needs('promotion:request');
const decides = needs('promotion:decide');
const settles = needs('retention:attribute');
const archives = needs('version:archive');
const deploys = needs('deployment:write');
const timesOut = needs('deployment:write', 'retention:attribute');
const stages = needs('version:write', 'stage:change');
const registersWithVersion = needs('model:write', 'version:write');
const registersWithStage = needs('model:write', 'version:write', 'stage:change');
const attributes = needs('version:archive', 'retention:attribute');
/** Who moves a model to another team or project must be an admin where it was and where it goes. */
const moves: readonly Needed[] = [
  ...writesModel,
  { permission: 'model:move', at: 'model' },
  { permission: 'model:move', at: 'destination' },
];

/** Where an update leaves a model. */
export function destinationOf(command: ModelCommand, place: Place): Place {
  if (command.type !== 'UpdateModel') return place;
  const { team, project } = command.patch;
  return {
    team: team === undefined ? place.team : team,
    project: project === undefined ? place.project : project,
  };
}

/** @param place where the model stands now; where it is registered, for a new one */
export function neededFor(command: ModelCommand, place: Place): readonly Needed[] {
  switch (command.type) {
    case 'RegisterModel':
      if (command.first_version === null) return writesModel;
      return command.first_version.stage === 'development'
        ? registersWithVersion
        : registersWithStage;
    case 'UpdateModel': {
      const { team, project } = destinationOf(command, place);
      return team === place.team && project === place.project ? writesModel : moves;
    }
    case 'CreateVersion':
      return command.version.stage === 'development' ? writesVersion : stages;
    case 'StartTesting':
      return writesVersion;
    case 'Approve':
    case 'Reject':
      return assesses;
    case 'Promote':
    case 'Demote':
    case 'Deprecate':
    case 'Restore':
    case 'SetDefault':
      return changesStage;
    case 'RequestPromotion':
    case 'WithdrawPromotion':
      return requests;
    case 'DecidePromotion':
      return decides;
    case 'SettlePromotion':
      return settles;
    case 'Archive':
      return command.because.cause === 'manual' &&
        command.because.rule === null &&
        command.because.plan_id === null
        ? archives
        : attributes;
    case 'ReportDeployment':
      return command.cause === 'reported' ? deploys : timesOut;
    case 'Deploy':
    case 'Undeploy':
    case 'ShiftTraffic':
    case 'RollbackDeployment':
    case 'CreateBinding':
    case 'UpdateBinding':
    case 'RemoveBinding':
      return deploys;
  }
}
