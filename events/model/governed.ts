// What a command on a model is decided on beside the model, and so on its version: the policy in force, and who holds which role.
import type { ModelCommand } from './commands.ts';

const governed: Record<ModelCommand['type'], 'always' | 'above development' | 'never'> = {
  RegisterModel: 'above development',
  CreateVersion: 'above development',
  UpdateModel: 'never',
  DeleteModel: 'never',
  RestoreModel: 'never',
  UpdateVersion: 'never',
  DeleteVersion: 'never',
  RevokeApproval: 'never',
  Activate: 'always',
  Deactivate: 'never',
  SetAlias: 'always',
  RemoveAlias: 'never',
  Rollback: 'always',
  PlaceHold: 'never',
  ReleaseHold: 'never',
  StartTesting: 'never',
  Approve: 'always',
  Reject: 'never',
  Promote: 'always',
  RequestPromotion: 'always',
  DecidePromotion: 'always',
  WithdrawPromotion: 'never',
  SettlePromotion: 'always',
  Demote: 'never',
  Transition: 'always',
  Deprecate: 'never',
  RaiseSunsetAlert: 'never',
  Archive: 'always',
  ApplyRetention: 'always',
  Restore: 'always',
  SetDefault: 'always',
  Deploy: 'always',
  ReportDeployment: 'never',
  Undeploy: 'never',
  ShiftTraffic: 'never',
  RollbackDeployment: 'always',
  CreateBinding: 'always',
  UpdateBinding: 'always',
  RemoveBinding: 'never',
};

/** A new version in development is asked nothing, unless it takes a pointer at once. */
export function restsOnPolicy(command: ModelCommand): boolean {
  if (command.type === 'UpdateVersion') return command.is_default === true;
  switch (governed[command.type]) {
    case 'always':
      return true;
    case 'never':
      return false;
    case 'above development': {
      const made =
        command.type === 'RegisterModel'
          ? command.first_version
          : command.type === 'CreateVersion'
            ? command.version
            : null;
      return made !== null && (made.stage !== 'development' || made.is_default);
    }
  }
}

const fourEyes: ReadonlySet<ModelCommand['type']> = new Set([
  'Approve',
  'DecidePromotion',
  'WithdrawPromotion',
]);

/** Where the rules themselves look at who asks, and by whose grant: four eyes, and past the gates. */
export const restsOnRoles = (command: ModelCommand): boolean =>
  fourEyes.has(command.type) || (command.type === 'Promote' && command.break_glass === true);
