// What can be asked of a model, and the closed list of reasons why the answer may be no.
// Time, ids and chance arrive in the command, so that a decision is repeatable.
import type { Role } from '../access.ts';
import type { Pointer, PolicyInForce, PolicyScope } from '../policy/policy.ts';
import type { Retention } from '../policy/retention.ts';
import type { BindingStatus } from './binding-events.ts';
import type { ModelEventData } from './events.ts';
import type { Asker, Dependence } from './four-eyes.ts';
import type { GateResult } from './gates.ts';
import type { PromotionState } from './promotion-row.ts';
import type { DeploymentStatus, Readiness, Stage, Strategy } from './shapes.ts';
import type { Stated } from './stated.ts';

/** How a caller names a version under its model: `{version}` in a path, or a number or text (label, then number) in a body. */
export type VersionRef =
  | { by: 'number'; number: number }
  | { by: 'text'; text: string }
  | { by: 'label'; label: string }
  | { by: 'id'; version_id: string }
  | { by: 'alias'; alias: string }
  | { by: 'default' }
  | { by: 'latest' };

/** The facts of a new version that its caller supplies. */
type VersionFacts = Omit<
  ModelEventData<'model.versioned'>,
  'model_id' | 'version_id' | 'serial' | 'number' | 'stage' | 'readiness'
>;

export type NewVersion = {
  version_id: string;
  facts: VersionFacts;
  stage: Stage;
  readiness: 'training' | 'testing';
  is_default: boolean;
};

type ModelFacts = Omit<ModelEventData<'model.registered'>, 'model_id' | 'serial' | 'name'>;
/** What a PATCH may change; `tags` and `metadata` merge by key, null removes one; null clears a field. */
export type ModelPatch = {
  [K in keyof Omit<ModelFacts, 'tags' | 'metadata'>]?: ModelFacts[K] | undefined;
} & {
  tags?: Record<string, string | null> | null | undefined;
  metadata?: Record<string, ModelFacts['metadata'][string]> | null | undefined;
};

/** What of a version may change; metrics are replaced whole. Digest, label, artifact and lineage never do. */
type VersionPatch = {
  [
    K in
      | 'description'
      | 'metrics'
      | 'evaluated_at'
      | 'eval_score'
      | 'cost_per_1k'
      | 'slo_ok'
      | 'release_notes'
      | 'region'
  ]?: VersionFacts[K] | undefined;
} & Pick<ModelPatch, 'tags' | 'metadata'>;

/** Who keeps more, and what for: only a service may say so. */
export type ArchiveCause = {
  cause: ModelEventData<'model.archived'>['cause'];
  plan_id: string | null;
  rule: ModelEventData<'model.archived'>['rule'];
};

/** The scopes whose policy a judgement rests on, each with the version of its stream. */
export type PolicyVersions = readonly { scope: PolicyScope; version: number }[];

type BindingFacts = Omit<
  ModelEventData<'binding.created'>,
  'binding_id' | 'model_id' | 'version_id' | 'number' | 'label' | 'status'
>;
export type NewBinding = BindingFacts & { status: 'inactive' | 'active' };
/** What a PATCH of a binding may change; `config` is replaced whole, and `status` moves in the same append. */
export type BindingPatch = { [K in keyof BindingFacts]?: BindingFacts[K] | undefined } & {
  status?: BindingStatus | undefined;
};

export type Common = {
  /** RFC 3339 with milliseconds, by the one clock of the process. */
  at: string;
  reason: string | null;
  asker: Asker;
  /** What is in force for the model; its streams are named in the append, so that a change of it is a conflict. */
  in_force: PolicyInForce;
};
type OnVersion = Common & { version: VersionRef };

export type ModelCommand =
  | (Common & {
      type: 'RegisterModel';
      model_id: string;
      name: string;
      facts: ModelFacts;
      /** false: switched off from the start. */
      is_active?: boolean | undefined;
      first_version: NewVersion | null;
    })
  | (Common & {
      type: 'UpdateModel';
      patch: ModelPatch;
      name?: string | undefined;
      is_active?: boolean | undefined;
      stated?: Stated;
    })
  | (Common & { type: 'DeleteModel' })
  | (Common & {
      type: 'RestoreModel';
      /** null: the name that it had. */
      name: string | null;
    })
  | (Common & {
      type: 'CreateVersion';
      version: NewVersion;
      /** What is said of the model, which must be so. */
      stated?: Stated;
    })
  | (OnVersion & {
      type: 'UpdateVersion';
      patch: VersionPatch;
      /** Single metrics, where `metrics` is not replaced whole; null clears. */
      metric_values?: Readonly<Record<string, number | null>>;
      is_default?: boolean | undefined;
      stated?: Stated;
    })
  | (OnVersion & { type: 'DeleteVersion' })
  | (OnVersion & { type: 'RevokeApproval' })
  | (OnVersion & { type: 'Activate' })
  | (OnVersion & { type: 'Deactivate' })
  | (OnVersion & { type: 'SetAlias'; alias: string })
  | (Common & { type: 'RemoveAlias'; alias: string })
  | (Common & {
      type: 'Rollback';
      /** null: the version that was in production before. */
      to: VersionRef | null;
      /** Deployments that are asked for get their ids from it. */
      new_id: string;
    })
  | (OnVersion & {
      type: 'PlaceHold';
      hold_id: string;
      /** null: until it is released. */
      until: string | null;
    })
  | (Common & { type: 'ReleaseHold'; hold_id: string })
  | (OnVersion & { type: 'StartTesting' })
  | (OnVersion & { type: 'Approve' })
  | (OnVersion & { type: 'Reject' })
  | (OnVersion & {
      type: 'Promote';
      to_stage: Stage;
      /** Past gates and approvals, by an admin with a reason; it is marked, and raises an alert. */
      break_glass?: boolean;
    })
  | (OnVersion & {
      type: 'RequestPromotion';
      promotion_request_id: string;
      to_stage: 'staging' | 'production';
      /** The policy's own hand promotes as soon as it is agreed to. */
      auto_execute: boolean;
    })
  | (Common & {
      type: 'DecidePromotion';
      promotion_request_id: string;
      decision: 'approve' | 'reject';
    })
  | (Common & { type: 'WithdrawPromotion'; promotion_request_id: string })
  | (Common & { type: 'SettlePromotion'; promotion_request_id: string })
  | (OnVersion & {
      type: 'Demote';
      /** null: one rung down. */
      to_stage: Stage | null;
    })
  /** To whatever stage, by the step that leads there. */
  | (OnVersion & { type: 'Transition'; to_stage: Stage })
  | (OnVersion & { type: 'Deprecate'; sunset_at: string | null })
  | (OnVersion & {
      type: 'Archive';
      because: ArchiveCause;
      /** The policies by which the version was judged to be due; absent where a person says so. */
      judged_by?: PolicyVersions | null;
    })
  | (Common & {
      type: 'ApplyRetention';
      /** The plan that is carried out; null: an order by itself. */
      plan_id: string | null;
      /** Beyond so many of the newest all goes that nothing protects, whatever its age; null: what is due goes. */
      retention_count: number | null;
      /** Only of these, as many as one append takes; null: of all. */
      numbers: readonly number[] | null;
      /** What is kept where no policy says otherwise. */
      registry: Retention;
    })
  | (OnVersion & {
      type: 'RaiseSunsetAlert';
      /** The end that was seen to have come; RFC 3339. */
      sunset_at: string;
    })
  | (OnVersion & { type: 'Restore'; to_stage: Stage })
  | (OnVersion & { type: 'SetDefault' })
  | (OnVersion & {
      type: 'Deploy';
      deployment_id: string;
      environment: string;
      region: string | null;
      endpoint_url: string | null;
      strategy: Strategy;
      /** null: what the strategy implies (100, or 0 for shadow). */
      traffic_percent: number | null;
      config: ModelEventData<'model.deployed'>['config'];
      external_ref: string | null;
      status: 'requested' | 'deployed';
    })
  | (Common & {
      type: 'ReportDeployment';
      deployment_id: string;
      status: 'deploying' | 'deployed' | 'failed';
      endpoint_url: string | null;
      /** Why it failed; only the registry's own sweep says `timed_out`. */
      cause: ModelEventData<'deployment.failed'>['cause'];
    })
  | (Common & { type: 'Undeploy'; deployment_id: string })
  | (Common & { type: 'ShiftTraffic'; deployment_id: string; traffic_percent: number })
  | (Common & {
      type: 'RollbackDeployment';
      deployment_id: string;
      /** null: the version that ran there before. */
      to: VersionRef | null;
      /** The id of the deployment that takes its place, if one must be asked for. */
      new_id: string;
    })
  | (OnVersion & { type: 'CreateBinding'; binding_id: string; binding: NewBinding })
  | (Common & {
      type: 'UpdateBinding';
      binding_id: string;
      patch: BindingPatch;
      stated?: Stated;
    })
  | (Common & { type: 'RemoveBinding'; binding_id: string });

/** One thing that holds a version in use. */
export type Use =
  | { kind: 'production' }
  | { kind: 'default' }
  | { kind: 'active' }
  | { kind: 'alias'; alias: string }
  | { kind: 'hold'; hold_id: string; reason: string; until: string | null }
  | { kind: 'child'; version_id: string; child_number: number }
  | {
      kind: 'deployment';
      deployment_id: string;
      environment: string;
      region: string | null;
      status: string;
    }
  | { kind: 'binding'; binding_id: string };

/** Why a command on a model is refused, with the facts that a person needs next. */
export type ModelRefusal =
  | { code: 'model_not_found' }
  | { code: 'version_not_found'; version: string }
  | { code: 'deployment_not_found'; deployment_id: string }
  | { code: 'binding_not_found'; binding_id: string }
  | { code: 'name_taken'; name: string }
  | {
      code: 'version_exists';
      by: 'label' | 'sha256';
      value: string;
      number: number;
      version_id: string;
    }
  | { code: 'label_not_its_number'; label: string; number: number }
  | {
      code: 'illegal_transition';
      axis: 'stage' | 'readiness' | 'deployment' | 'binding';
      from: string;
      to: string;
      legal_transitions: readonly string[];
      /** The steps that may be taken from here, where one place is reached by several. */
      legal_commands?: readonly string[];
    }
  /** `number` is null where the whole model is meant; each use then says its version. */
  | { code: 'in_use'; number: number | null; blocking: readonly (Use & { number?: number })[] }
  | { code: 'alias_not_found'; alias: string }
  | { code: 'too_many_aliases'; most: number }
  | { code: 'hold_not_found'; hold_id: string }
  | { code: 'too_many_holds'; most: number }
  | { code: 'never_in_production'; number: number }
  | {
      code: 'version_retired';
      number: number;
      stage: Stage;
      wanted: 'deployment' | 'default' | 'binding' | 'alias' | 'activation';
    }
  | { code: 'model_inactive'; state: string }
  /** The role in the model's scope does not do; a permission is judged before. */
  | {
      code: 'forbidden';
      required_role: readonly Role[];
      because: 'break_glass' | 'approval' | 'not_the_requester';
    }
  | { code: 'reason_required' }
  | {
      code: 'skip_not_allowed';
      number: number;
      from: Stage;
      to: Stage;
      legal_transitions: readonly Stage[];
    }
  /** The policies that the order rests on are not those in force. */
  | { code: 'policy_moved'; scopes: readonly string[]; versions: readonly number[] }
  | { code: 'artifact_unusable'; number: number; artifact: 'quarantined' | 'purged' }
  | {
      code: 'digest_required';
      number: number;
      to_stage: Stage;
      missing: readonly ('content_digest' | 'artifact_uri')[];
    }
  | { code: 'not_ready'; number: number; readiness: Readiness; required: 'approved' }
  | { code: 'gates_failed'; number: number; failed_gates: readonly GateResult[] }
  | {
      code: 'approvals_missing';
      number: number;
      missing_approvals: number;
      required_role: 'approver' | 'admin';
      /** The request that waits for them; null: there is none yet. */
      promotion_request_id: string | null;
    }
  | { code: 'break_glass_forbidden'; scopes: readonly string[] }
  | {
      code: 'not_independent';
      because: Dependence;
      number: number;
      required_role: 'approver' | 'admin';
    }
  | { code: 'promotion_not_found'; promotion_request_id: string }
  | { code: 'promotion_open'; promotion_request_id: string; to_stage: Stage }
  | { code: 'promotion_ended'; promotion_request_id: string; state: PromotionState }
  | { code: 'not_deployed'; deployment_id: string; status: DeploymentStatus }
  /** No other version ran there, or not the one that was named. */
  | {
      code: 'nothing_to_roll_back_to';
      /** null: the model's production was asked for, not a place. */
      environment: string | null;
      region: string | null;
      version: string | null;
    }
  | {
      code: 'rollback_unsafe';
      number: number;
      because: 'rejected' | 'quarantined' | 'purged' | 'digest_changed';
    }
  | { code: 'environment_protected'; environment: string; number: number; stage: Stage }
  | { code: 'pointer_protected'; pointer: Pointer; number: number; stage: Stage }
  | {
      code: 'immutable';
      fields: readonly string[];
      /** The calls that change a field, where there are such. */
      changed_by?: Readonly<Record<string, readonly string[]>>;
    }
  | { code: 'time_in_future'; field: string; value: string }
  | { code: 'time_in_past'; field: string; value: string }
  | {
      code: 'traffic_invalid';
      strategy: Strategy;
      traffic_percent: number | null;
      message: string;
    };
