// Random lives of one model: who asks what, under which policy, while time passes. Mostly about what may be there.
import {
  array,
  boolean,
  constant,
  constantFrom,
  integer,
  noBias,
  oneof,
  option,
  record,
} from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { catalogue } from '#events/catalogue.ts';
import type { ModelCommand, NewVersion, VersionRef } from '#events/model/commands.ts';
import type { Asker } from '#events/model/four-eyes.ts';
import { bindingStatuses } from '#events/model/binding-events.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import { stages, strategies } from '#events/model/shapes.ts';
import type { ModelState } from '#events/model/state.ts';
import { openPolicy, presets } from '#events/policy/policy.ts';
import type { Gate, Policy, PolicyInForce } from '#events/policy/policy.ts';
import { nothingKept, registryRetention } from '#events/policy/retention.ts';
import { complete, person, under } from './governed.ts';
import { bindingId, deploymentId, modelId, noModelFacts, noon, versionId } from './history.ts';
import { commandOf, recorded } from './scenario.ts';
import type { Wanted } from './scenario.ts';
import { newVersion } from './wanted.ts';

/** All that can happen to a model. */
export const eventTypes: readonly string[] = Object.keys(catalogue).filter(
  (type) => !/^(tenant|policy|role|api_key)\./.test(type),
);

/** The same lives in every run. */
export const seed = 20_261_121;
const numbersMax = 5;

const byNumber = (number: number): VersionRef => ({ by: 'number', number });
const alias = constantFrom('champion', 'challenger');
const version: Arbitrary<VersionRef> = oneof(
  { weight: 7, arbitrary: integer({ min: 1, max: numbersMax }).map(byNumber) },
  { weight: 1, arbitrary: constantFrom<VersionRef>({ by: 'default' }, { by: 'latest' }) },
  { weight: 1, arbitrary: alias.map((name): VersionRef => ({ by: 'alias', alias: name })) },
  {
    weight: 1,
    arbitrary: constantFrom('v1', 'v2', '3').map((text): VersionRef => ({ by: 'text', text })),
  },
);

const evidence = {
  metrics: constantFrom([], ...[0.8, 0.9, 0.95].map((value) => [accuracyOf(value)])),
  release_notes: constantFrom(null, '', 'Learns from November.'),
  slo_ok: constantFrom(null, true, true, false),
};
function accuracyOf(value: number) {
  return { name: 'accuracy', split: null, value };
}
const adding: Arbitrary<NewVersion> = record({
  label: option(constantFrom('v1', 'v2', 'v3', '2', '3'), { freq: 2 }),
  digit: option(constantFrom(...Array.from({ length: 16 }, (_, digit) => digit.toString(16))), {
    freq: 6,
  }),
  artifact_uri: option(constant(complete.artifact_uri), { freq: 6 }),
  parent: option(constantFrom('1', '2', 'v1'), { freq: 3 }),
  evidence: record(evidence),
  stage: oneof(
    { weight: 15, arbitrary: constantFrom('development', 'development', 'staging', 'production') },
    { weight: 1, arbitrary: constantFrom('deprecated', 'archived') },
  ),
  readiness: constantFrom('training', 'testing'),
  is_default: boolean(),
}).map(({ label, digit, artifact_uri, parent, evidence: shown, ...said }) => {
  const content_digest =
    digit === null ? null : { ...complete.content_digest, sha256: digit.repeat(64) };
  const parent_versions = parent === null ? [] : [parent];
  const lineage = { ...complete.lineage, parent_versions };
  return newVersion(0, {
    ...said,
    facts: { label, content_digest, artifact_uri, lineage, ...shown },
  });
});

const place = {
  environment: constantFrom('eu-prod', 'eu-prod', 'us-prod'),
  region: option(constant('a'), { freq: 2 }),
};
/** Which of those that there are is meant, by how many are newer; `Life` knows them by their ids. */
const ordinal = constantFrom('0', '0', '1', '2', '3');
/** An id that does not exist yet; `Life` makes it. */
const fresh = constant('');
const stage = constantFrom(...stages);
const sunset = '2027-01-01T00:00:00.000Z';
const percent = integer({ min: 0, max: 100 });
const reason = constantFrom('because', 'because', null);
const because = constantFrom(
  { cause: 'manual', plan_id: null, rule: null } as const,
  {
    cause: 'retention_age',
    plan_id: 'p',
    rule: { type: 'age_days', limit: 30, measured: 31 },
  } as const,
);
const tags = option(constantFrom({ tier: 'gold' }, { tier: null }, { ö: '✓' }));
const lastUsed = option(constantFrom('2026-11-20T12:00:00.000Z', '2036-01-01T00:00:00.000Z'), {
  freq: 2,
});

/** So that a command type cannot be forgotten: each has its arbitrary, and how often it comes. */
type Asking = { [Type in ModelCommand['type']]: [weight: number, arbitrary: Arbitrary<Wanted>] };
const ask = <Said extends Wanted>(weight: number, arbitrary: Arbitrary<Said>) =>
  [weight, arbitrary] as [number, Arbitrary<Wanted>];
const onVersion = <Type extends Extract<Wanted, { version: VersionRef }>['type']>(type: Type) =>
  record({ type: constant(type), version });

const asking: Asking = {
  RegisterModel: ask(
    1,
    record({
      type: constant('RegisterModel' as const),
      model_id: constant(modelId),
      name: constant('churn'),
      facts: constant(noModelFacts),
      first_version: option(adding),
    }),
  ),
  UpdateModel: ask(
    3,
    record({
      type: constant('UpdateModel' as const),
      patch: record(
        { owner: option(constantFrom('zoë', 'ana')), tags, team: constantFrom('risk', null) },
        { requiredKeys: ['owner', 'tags'] },
      ),
      name: constantFrom(undefined, undefined, 'churn', 'churn-2'),
      is_active: constantFrom(undefined, true, true, false),
    }),
  ),
  DeleteModel: ask(1, record({ type: constant('DeleteModel' as const) })),
  RestoreModel: ask(
    6,
    record({ type: constant('RestoreModel' as const), name: constantFrom(null, 'churn-3') }),
  ),
  CreateVersion: ask(14, record({ type: constant('CreateVersion' as const), version: adding })),
  UpdateVersion: ask(
    3,
    record({
      type: constant('UpdateVersion' as const),
      version,
      patch: record(
        { ...evidence, description: constantFrom('new', null), tags },
        { requiredKeys: [] },
      ),
      is_default: constantFrom(undefined, undefined, true, false),
    }),
  ),
  DeleteVersion: ask(3, onVersion('DeleteVersion')),
  StartTesting: ask(2, onVersion('StartTesting')),
  Approve: ask(6, onVersion('Approve')),
  Reject: ask(2, onVersion('Reject')),
  RevokeApproval: ask(2, onVersion('RevokeApproval')),
  Activate: ask(3, onVersion('Activate')),
  Deactivate: ask(2, onVersion('Deactivate')),
  SetAlias: ask(5, record({ type: constant('SetAlias' as const), version, alias })),
  RemoveAlias: ask(1, record({ type: constant('RemoveAlias' as const), alias })),
  PlaceHold: ask(
    4,
    record({
      type: constant('PlaceHold' as const),
      version,
      hold_id: fresh,
      reason,
      until: constantFrom(null, '2026-11-25T00:00:00.000Z'),
    }),
  ),
  ReleaseHold: ask(1, record({ type: constant('ReleaseHold' as const), hold_id: ordinal })),
  Promote: ask(
    14,
    record({
      type: constant('Promote' as const),
      version,
      to_stage: oneof(stage, constantFrom('staging' as const, 'production' as const)),
      break_glass: constantFrom(false, false, false, true),
      reason,
    }),
  ),
  RequestPromotion: ask(
    14,
    record({
      type: constant('RequestPromotion' as const),
      version,
      promotion_request_id: fresh,
      to_stage: constantFrom('staging' as const, 'production' as const, 'production' as const),
      auto_execute: constantFrom(true, true, false),
    }),
  ),
  DecidePromotion: ask(
    14,
    record({
      type: constant('DecidePromotion' as const),
      promotion_request_id: ordinal,
      decision: constantFrom('approve', 'approve', 'approve', 'reject'),
    }),
  ),
  WithdrawPromotion: ask(
    1,
    record({ type: constant('WithdrawPromotion' as const), promotion_request_id: ordinal }),
  ),
  SettlePromotion: ask(
    6,
    record({ type: constant('SettlePromotion' as const), promotion_request_id: ordinal }),
  ),
  Demote: ask(2, record({ type: constant('Demote' as const), version, to_stage: option(stage) })),
  Deprecate: ask(
    2,
    record({
      type: constant('Deprecate' as const),
      version,
      sunset_at: option(constant(sunset), { freq: 6 }),
    }),
  ),
  Archive: ask(
    6,
    record({
      type: constant('Archive' as const),
      version,
      because,
      judged_by: constantFrom(null, null, null, [{ scope: 'tenant' as const, version: 1 }]),
    }),
  ),
  Transition: ask(
    4,
    record({ type: constant('Transition' as const), version, to_stage: stage, reason }),
  ),
  RaiseSunsetAlert: ask(
    5,
    record({
      type: constant('RaiseSunsetAlert' as const),
      version,
      sunset_at: constant(sunset),
    }),
  ),
  ApplyRetention: ask(
    2,
    record({
      type: constant('ApplyRetention' as const),
      plan_id: constantFrom(null, 'p'),
      retention_count: constantFrom(null, 1, 3),
      numbers: option(constant([1, 2, 3])),
      registry: constant(registryRetention()),
    }),
  ),
  Restore: ask(5, record({ type: constant('Restore' as const), version, to_stage: stage })),
  Rollback: ask(
    6,
    record({
      type: constant('Rollback' as const),
      to: option(version, { freq: 2 }),
      new_id: fresh,
    }),
  ),
  SetDefault: ask(2, onVersion('SetDefault')),
  Deploy: ask(
    18,
    record({
      type: constant('Deploy' as const),
      version,
      deployment_id: fresh,
      ...place,
      endpoint_url: constant(null),
      share: oneof(
        constant({ strategy: 'all_at_once' as const, traffic_percent: null }),
        record({ strategy: constantFrom(...strategies), traffic_percent: percent }),
      ),
      config: constant({ replicas: 2 }),
      external_ref: constant(null),
      status: constantFrom('requested' as const, 'deployed' as const),
    }).map(({ share, ...said }) => ({ ...said, ...share })),
  ),
  ReportDeployment: ask(
    8,
    record({
      type: constant('ReportDeployment' as const),
      deployment_id: ordinal,
      status: constantFrom('deploying' as const, 'deployed' as const, 'failed' as const),
      endpoint_url: constant(null),
      cause: constantFrom('reported' as const, 'timed_out' as const),
    }),
  ),
  Undeploy: ask(2, record({ type: constant('Undeploy' as const), deployment_id: ordinal })),
  ShiftTraffic: ask(
    4,
    record({
      type: constant('ShiftTraffic' as const),
      deployment_id: ordinal,
      traffic_percent: percent,
    }),
  ),
  RollbackDeployment: ask(
    5,
    record({
      type: constant('RollbackDeployment' as const),
      deployment_id: ordinal,
      to: option(version),
      new_id: fresh,
    }),
  ),
  CreateBinding: ask(
    7,
    record({
      type: constant('CreateBinding' as const),
      version,
      binding_id: fresh,
      binding: record({
        provider: constantFrom('openai', 'bedrock'),
        provider_model_id: constant('m'),
        status: constantFrom('inactive' as const, 'active' as const),
        config: constant({ max_tokens: 2_000 }),
        endpoint_url: constant(null),
        avg_latency_ms: constant(null),
        success_rate: option(constant(0.99)),
        last_used_at: lastUsed,
      }),
    }),
  ),
  UpdateBinding: ask(
    6,
    record({
      type: constant('UpdateBinding' as const),
      binding_id: ordinal,
      patch: record(
        {
          status: constantFrom(...bindingStatuses),
          success_rate: constantFrom(0.5, null),
          last_used_at: lastUsed,
        },
        { requiredKeys: [] },
      ),
    }),
  ),
  RemoveBinding: ask(1, record({ type: constant('RemoveBinding' as const), binding_id: ordinal })),
};

const wanted: Arbitrary<Wanted> = oneof(
  ...Object.values(asking).map(([weight, arbitrary]) => ({ weight, arbitrary })),
);

/** Ana and Bea make things, Ned's role was given by Ana, Kim's stronger one by Bea, Bea's by Lea, and a machine approves whatever it is shown. */
const askers: readonly Asker[] = [
  person('ana', { role: 'producer' }),
  person('bea', { role: 'deployer' }),
  person('eve'),
  person('max'),
  person('ned', { granted_by: ['ana'] }),
  person('kim', {
    role: 'admin',
    granted_by: ['bea'],
    other_roles: [{ role: 'approver', granted_by: ['ada'] }],
  }),
  person('ada', { role: 'admin' }),
  person('bot', { type: 'service' }),
  person('bea', { role: 'deployer', declared_by: 'max' }),
];

const better: readonly Gate[] = [
  { gate: 'metric', name: 'accuracy', split: null, operator: '>=', threshold: 0.9 },
  { gate: 'has_release_notes' },
];
const beating: readonly Gate[] = [
  { gate: 'beats_production', name: 'accuracy', split: null, better: 'higher', by_at_least: 0 },
  { gate: 'slo_ok' },
];
const oneApproval = { required: 1, role: 'approver', expires_after_hours: 48 } as const;
const settings: readonly Omit<Policy, 'retention'>[] = [
  presets.open,
  presets.standard,
  { ...presets.strict, gates: better, protected_environments: ['eu-prod'] },
  { ...presets.open, approvals: oneApproval },
  { ...presets.open, approvals: { ...oneApproval, role: 'admin' }, break_glass: 'forbidden' },
  { ...presets.open, gates: beating, on_superseded: 'staging' },
  { ...presets.standard, gates: better, on_superseded: 'deprecated', single_active: false },
  { ...presets.open, multi_production: true, on_superseded: 'keep' },
  {
    ...presets.open,
    protected_pointers: ['default', 'aliases', 'bindings'],
    protected_environments: ['us-prod'],
  },
];
/** Where an age is kept, no version of these lives is old enough; where none is, rank alone decides. */
const policies = settings.map((setting, index): Policy => ({
  ...setting,
  retention: index % 2 === 0 ? { ...nothingKept, newest_kept: index % 4 } : registryRetention(),
}));
const inForce: Arbitrary<PolicyInForce> = oneof(
  constant(openPolicy),
  integer({ min: 0, max: policies.length - 1 }).map((index) => under(policies[index]!, index + 1)),
);

/** One step of a life: somebody asks something, time passes, or another policy is set. */
export type Step =
  | { step: 'asks'; asker: Asker; wanted: Wanted }
  | { step: 'passes'; hours: number }
  | { step: 'sets'; in_force: PolicyInForce };

export const step: Arbitrary<Step> = noBias(
  oneof(
    {
      weight: 30,
      arbitrary: record({
        step: constant('asks' as const),
        asker: constantFrom(...askers),
        wanted,
      }),
    },
    {
      weight: 1,
      arbitrary: record({ step: constant('passes' as const), hours: integer({ min: 1, max: 60 }) }),
    },
    { weight: 2, arbitrary: record({ step: constant('sets' as const), in_force: inForce }) },
  ),
);

const asks = (wanted: Wanted): Step => ({ step: 'asks', asker: askers[0]!, wanted });
/** How every life begins: a model with versions that lack nothing but somebody who says that they are fit. */
export const beginning: readonly Step[] = [
  asks({
    type: 'RegisterModel',
    model_id: modelId,
    name: 'churn',
    facts: noModelFacts,
    first_version: null,
  }),
  ...['c', 'd', 'e'].map((digit, index) =>
    asks({
      type: 'CreateVersion',
      version: newVersion(index + 1, {
        facts: {
          ...complete,
          content_digest: { ...complete.content_digest, sha256: digit.repeat(64) },
        },
      }),
    }),
  ),
];

export const steps: Arbitrary<Step[]> = array(step, {
  minLength: 20,
  maxLength: 80,
  size: 'max',
}).map((asked) => [...beginning, ...asked]);

const hourMs = 3_600_000;
const commandMs = 1_000;
/** A rollback of the model makes several ids from one on. */
const apart = 100;

/** What a step led to. */
export type Taken = {
  command: ModelCommand;
  events: readonly RecordedModelEvent[];
  refusal: ReturnType<typeof modelDecider.decide>['refusal'];
};

/** A model as its life has left it. */
export class Life {
  state: ModelState = modelDecider.initial();
  in_force: PolicyInForce = openPolicy;
  /** Whether several versions may be in production, because they once might. */
  mayHaveSeveral = false;
  private atMs = Date.parse(noon);
  private made = 0;

  get at(): string {
    return new Date(this.atMs).toISOString();
  }

  /** With the ids that are meant, and a new one where something is made. */
  private meant(said: Wanted): Wanted {
    const { deployments, bindings, promotionRequests, versions } = this.state;
    const nth = (ids: Iterable<string>, newer: string): string => {
      const all = [...ids];
      return all.at(-1 - Number(newer)) ?? all.at(-1) ?? deploymentId(0);
    };
    const made = ++this.made;
    switch (said.type) {
      case 'CreateVersion':
        return { ...said, version: { ...said.version, version_id: versionId(made) } };
      case 'Deploy':
        return { ...said, deployment_id: deploymentId(made * apart) };
      case 'Rollback':
        return { ...said, new_id: deploymentId(made * apart) };
      case 'RollbackDeployment':
        return {
          ...said,
          deployment_id: nth(deployments.keys(), said.deployment_id),
          new_id: deploymentId(made * apart),
        };
      case 'ReportDeployment':
      case 'Undeploy':
      case 'ShiftTraffic':
        return { ...said, deployment_id: nth(deployments.keys(), said.deployment_id) };
      case 'CreateBinding':
        return { ...said, binding_id: bindingId(made) };
      case 'UpdateBinding':
      case 'RemoveBinding':
        return { ...said, binding_id: nth(bindings.keys(), said.binding_id) };
      case 'RequestPromotion':
        return { ...said, promotion_request_id: `request-${made}` };
      case 'DecidePromotion':
      case 'WithdrawPromotion':
      case 'SettlePromotion': {
        const promotion_request_id = nth(promotionRequests.keys(), said.promotion_request_id);
        return { ...said, promotion_request_id };
      }
      case 'PlaceHold':
        return { ...said, hold_id: `hold-${made}` };
      case 'ReleaseHold': {
        const holds = [...versions.values()].flatMap((row) => row.holds);
        const ids = holds.map(({ hold_id }) => hold_id);
        return { ...said, hold_id: nth(ids, said.hold_id) };
      }
      case 'RegisterModel':
      case 'ApplyRetention':
      case 'RaiseSunsetAlert':
      case 'Transition':
      case 'Activate':
      case 'Approve':
      case 'Archive':
      case 'Deactivate':
      case 'DeleteModel':
      case 'DeleteVersion':
      case 'Demote':
      case 'Deprecate':
      case 'Promote':
      case 'Reject':
      case 'RemoveAlias':
      case 'Restore':
      case 'RestoreModel':
      case 'RevokeApproval':
      case 'SetAlias':
      case 'SetDefault':
      case 'StartTesting':
      case 'UpdateModel':
      case 'UpdateVersion':
        return said;
    }
  }

  /** Returns what was asked and what followed, before it is folded; null where nobody asked. */
  take(taken: Step): Taken | null {
    this.atMs += commandMs;
    switch (taken.step) {
      case 'passes':
        this.atMs += taken.hours * hourMs;
        return null;
      case 'sets':
        this.in_force = taken.in_force;
        this.mayHaveSeveral ||= taken.in_force.policy.multi_production;
        return null;
      case 'asks': {
        const { asker } = taken;
        const command = commandOf({
          at: this.at,
          in_force: this.in_force,
          asker,
          ...this.meant(taken.wanted),
        });
        const { events = [], refusal } = modelDecider.decide(this.state, command);
        const { subject, type, declared_by } = asker;
        const next = events.map((event, index) => {
          const one = recorded(event, this.state.stream_version + 1 + index);
          return { ...one, actor: { ...one.actor, subject, type, declared_by } };
        });
        return { command, events: next, refusal };
      }
    }
  }

  /** Folds what followed. */
  fold(events: readonly RecordedModelEvent[]): void {
    for (const event of events) modelDecider.evolve(this.state, event);
  }
}
