// What can be asked of a model, and the closed list of reasons why the answer may be no.
// Time, ids and chance arrive in the command, so that a decision is repeatable.
import type { Role } from '../access.ts';
import type { Actor } from '../envelope.ts';
import type { PolicyInForce } from '../policy/policy.ts';
import type { ModelEventData } from './events.ts';
import type { Stage, Strategy } from './shapes.ts';

/** How a caller names a version under its model: `{version}` in a path, or a number or text (label, then number) in a body. */
export type VersionRef =
  | { by: 'number'; number: number }
  | { by: 'text'; text: string }
  | { by: 'label'; label: string }
  | { by: 'id'; version_id: string }
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
  stage: 'development' | 'staging' | 'production';
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

/** Who keeps more, and what for: only a service may say so. */
export type ArchiveCause = {
  cause: ModelEventData<'model.archived'>['cause'];
  plan_id: string | null;
  rule: ModelEventData<'model.archived'>['rule'];
};

/** Who asks, as four eyes compare people: by subject, with the subjects who issued the key or the role in use. */
export type Asker = {
  subject: string;
  type: Actor['type'];
  declared_by: string | null;
  role: Role;
  granted_by: readonly string[];
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
      first_version: NewVersion | null;
    })
  | (Common & { type: 'UpdateModel'; patch: ModelPatch })
  | (Common & { type: 'CreateVersion'; version: NewVersion })
  | (OnVersion & { type: 'StartTesting' })
  | (OnVersion & { type: 'Approve' })
  | (OnVersion & { type: 'Reject' })
  | (OnVersion & { type: 'Promote'; to_stage: Stage })
  | (OnVersion & {
      type: 'Demote';
      /** null: one rung down. */
      to_stage: Stage | null;
    })
  | (OnVersion & { type: 'Deprecate'; sunset_at: string | null })
  | (OnVersion & { type: 'Archive'; because: ArchiveCause })
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
    })
  | (Common & { type: 'Undeploy'; deployment_id: string });

/** One thing that holds a version in use. */
export type Use =
  | { kind: 'production' }
  | { kind: 'default' }
  | { kind: 'active' }
  | {
      kind: 'deployment';
      deployment_id: string;
      environment: string;
      region: string | null;
      status: string;
    };

/** Why a command on a model is refused, with the facts that a person needs next. */
export type ModelRefusal =
  | { code: 'model_not_found' }
  | { code: 'version_not_found'; version: string }
  | { code: 'deployment_not_found'; deployment_id: string }
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
      axis: 'stage' | 'readiness' | 'deployment';
      from: string;
      to: string;
      legal_transitions: readonly string[];
    }
  | { code: 'in_use'; number: number; blocking: readonly Use[] }
  | { code: 'version_retired'; number: number; stage: Stage; wanted: 'deployment' | 'default' }
  | { code: 'model_inactive'; state: string }
  | {
      code: 'traffic_invalid';
      strategy: Strategy;
      traffic_percent: number | null;
      message: string;
    };
