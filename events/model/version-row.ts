// The row of a version: the facts it was made with, and where it stands on each axis.
import { assert } from '../decider.ts';
import type { Actor, RecordedEvent } from '../envelope.ts';
import type {
  ModelEvent,
  ModelEventData,
  ModelEventHandlers,
  RecordedModelEvent,
} from './events.ts';
import { existing } from './row.ts';
import type { NoRow } from './row.ts';
import type { DeploymentStatus, Readiness, Stage } from './shapes.ts';

/** A deployment that holds its version in use. */
type LiveDeployment = {
  deployment_id: string;
  environment: string;
  region: string | null;
  status: DeploymentStatus;
  config: ModelEventData<'model.deployed'>['config'];
};

/** A stage of the ladder itself: deprecated and archived are beside it. */
type Rung = Exclude<Stage, 'deprecated' | 'archived'>;
const isRung = (stage: Stage): stage is Rung => stage !== 'deprecated' && stage !== 'archived';

/** Who supplied a part of the evidence, and in which event. */
type Supplier = Pick<Actor, 'subject' | 'declared_by'> & { event_id: string };
const supplierIn = ({ id, actor }: RecordedEvent): Supplier => ({
  subject: actor.subject,
  declared_by: actor.declared_by,
  event_id: id,
});

/** What keeps a version from being archived, deleted or purged until it is released or its time is over. */
export type Hold = Pick<ModelEventData<'hold.placed'>, 'hold_id' | 'reason' | 'until'> & {
  placed_at: string;
  placed_by: Actor;
};

/** One version: the facts it was made with, and where it stands on each axis. */
export type Version = {
  facts: ModelEventData<'model.versioned'>;
  tenant: string;
  stage: Stage;
  /** Where it stood last on the ladder itself: deprecation does not lift it above that. */
  rung: Rung;
  readiness: Readiness;
  activation: 'inactive' | 'active';
  artifact: 'none' | 'uploading' | 'available' | 'quarantined' | 'cold' | 'purged';
  is_default: boolean;
  aliases: readonly string[];
  holds: readonly Hold[];
  /** Ids of the active provider bindings. */
  active_bindings: readonly string[];
  live: readonly LiveDeployment[];
  created_at: string;
  created_by: Actor;
  updated_at: string;
  stage_changed_at: string;
  /** When the last use ended that an event ended: it left production, a deployment ended, it ceased to be the default. */
  last_used_at: string | null;
  promoted_at: string | null;
  was_in_production: boolean;
  /** What was promoted to production the last time; a rollback asks that it is the same. */
  promoted_digest: ModelEventData<'model.promoted'>['content_digest'];
  /** Who supplied each part of what approvals look at, by field; `*`: with the version itself. */
  supplied_by: Readonly<Record<string, Supplier>>;
  deleted_at: string | null;
  deprecated_at: string | null;
  sunset_at: string | null;
  archived_at: string | null;
  archive_uri: string | null;
  archive_cause: ModelEventData<'model.archived'>['cause'] | null;
};

const changed = (row: Version | NoRow, event: RecordedEvent): Version => ({
  ...existing(row, event),
  updated_at: event.recorded_at,
});

function staged(row: Version | NoRow, event: RecordedEvent, to: Stage): Version {
  const version = changed(row, event);
  if (version.stage === 'production') version.last_used_at = event.recorded_at;
  version.stage = to;
  version.stage_changed_at = event.recorded_at;
  if (to !== 'archived') {
    version.archived_at = null;
    version.archive_uri = null;
    version.archive_cause = null;
  }
  if (isRung(to)) {
    version.rung = to;
    version.deprecated_at = null;
    version.sunset_at = null;
  }
  return version;
}

function ready(row: Version | NoRow, event: RecordedEvent, to: Readiness): Version {
  const version = changed(row, event);
  version.readiness = to;
  return version;
}

function deploymentLives(
  row: Version | NoRow,
  event: RecordedEvent,
  live: LiveDeployment,
): Version {
  const version = changed(row, event);
  version.live = [
    ...version.live.filter((other) => other.deployment_id !== live.deployment_id),
    live,
  ];
  return version;
}

function deploymentEnds(row: Version | NoRow, event: RecordedEvent, deploymentId: string): Version {
  const version = changed(row, event);
  version.live = version.live.filter((other) => other.deployment_id !== deploymentId);
  version.last_used_at = event.recorded_at;
  return version;
}

/** What of a version's facts an approval looks at; `evidence_digest` is made of these and the readiness. */
export const evidenceFields: ReadonlySet<string> = new Set([
  'metrics',
  'eval_score',
  'slo_ok',
  'cost_per_1k',
  'release_notes',
  'signature',
  'lineage',
  'evaluated_at',
]);

function aliasGone(version: Version, event: RecordedEvent, alias: string): Version {
  version.aliases = version.aliases.filter((other) => other !== alias);
  version.last_used_at = event.recorded_at;
  return version;
}

function bound(row: Version | NoRow, event: RecordedEvent, bindingId: string): Version {
  const version = changed(row, event);
  version.active_bindings = [...version.active_bindings, bindingId];
  return version;
}

/** Only the end of an active binding ends a use. */
function unbound(row: Version | NoRow, event: RecordedEvent, bindingId: string): Version {
  const version = changed(row, event);
  if (!version.active_bindings.includes(bindingId)) return version;
  version.active_bindings = version.active_bindings.filter((other) => other !== bindingId);
  version.last_used_at = event.recorded_at;
  return version;
}

/** A use that is told of later; the latest counts. */
function used(row: Version | NoRow, event: RecordedEvent, at: unknown): Version {
  const version = changed(row, event);
  if (typeof at === 'string' && (version.last_used_at === null || at > version.last_used_at))
    version.last_used_at = at;
  return version;
}

const untouched = (row: Version | NoRow, event: RecordedEvent): Version => existing(row, event);

const versionHandlers: ModelEventHandlers<Version | NoRow, Version> = {
  'model.registered': untouched,
  'model.updated': untouched,
  'model.versioned': (row, event) => {
    assert(row === undefined, `${event.stream} has version ${event.data.number} twice`);
    return {
      facts: event.data,
      tenant: event.tenant,
      stage: event.data.stage,
      rung: isRung(event.data.stage) ? event.data.stage : 'development',
      readiness: event.data.readiness,
      activation: 'inactive',
      artifact: 'none',
      is_default: false,
      aliases: [],
      holds: [],
      active_bindings: [],
      live: [],
      created_at: event.recorded_at,
      created_by: event.actor,
      updated_at: event.recorded_at,
      stage_changed_at: event.recorded_at,
      last_used_at: null,
      promoted_at: null,
      was_in_production: false,
      promoted_digest: null,
      supplied_by: { '*': supplierIn(event) },
      deleted_at: null,
      deprecated_at: null,
      sunset_at: null,
      archived_at: null,
      archive_uri: null,
      archive_cause: null,
    };
  },
  'model.promoted': (row, event) => {
    const version = staged(row, event, event.data.to_stage);
    version.promoted_at = event.recorded_at;
    if (event.data.to_stage === 'production') {
      version.was_in_production = true;
      version.promoted_digest = event.data.content_digest;
    }
    return version;
  },
  'model.deployed': (row, event) =>
    deploymentLives(row, event, {
      deployment_id: event.data.deployment_id,
      environment: event.data.environment,
      region: event.data.region,
      status: 'deployed',
      config: event.data.config,
    }),
  'model.archived': (row, event) => {
    const version = staged(row, event, 'archived');
    version.archived_at = event.recorded_at;
    version.archive_uri = event.data.archive_uri;
    version.archive_cause = event.data.cause;
    return version;
  },
  'version.demoted': (row, event) => staged(row, event, event.data.to_stage),
  'version.superseded': (row, event) => {
    const version = staged(row, event, event.data.to_stage);
    if (event.data.to_stage === 'deprecated') version.deprecated_at = event.recorded_at;
    return version;
  },
  'version.deprecated': (row, event) => {
    const version = staged(row, event, 'deprecated');
    version.deprecated_at ??= event.recorded_at;
    version.sunset_at = event.data.sunset_at;
    return version;
  },
  'version.restored': (row, event) => {
    const version = staged(row, event, event.data.to_stage);
    // whoever brings a version back wants it; retention counts its age anew
    version.last_used_at = event.recorded_at;
    return version;
  },
  'version.updated': (row, event) => {
    const version = changed(row, event);
    version.facts = { ...version.facts, ...event.data.changed };
    const supplied = Object.keys(event.data.changed).filter((field) => evidenceFields.has(field));
    if (supplied.length > 0) {
      const supplier = supplierIn(event);
      version.supplied_by = {
        ...version.supplied_by,
        ...Object.fromEntries(supplied.map((field) => [field, supplier])),
      };
    }
    return version;
  },
  'version.activated': (row, event) => ({ ...changed(row, event), activation: 'active' }),
  'version.deactivated': (row, event) => ({
    ...changed(row, event),
    activation: 'inactive',
    last_used_at: event.recorded_at,
  }),
  'version.deleted': (row, event) => ({ ...changed(row, event), deleted_at: event.recorded_at }),
  'alias.set': (row, event) => {
    const version = changed(row, event);
    const { alias, number } = event.data;
    if (version.facts.number === number) version.aliases = [...version.aliases, alias];
    else return aliasGone(version, event, alias);
    return version;
  },
  'alias.removed': (row, event) => aliasGone(changed(row, event), event, event.data.alias),
  'hold.placed': (row, event) => {
    const version = changed(row, event);
    const { hold_id, reason, until } = event.data;
    version.holds = [
      ...version.holds,
      { hold_id, reason, until, placed_at: event.recorded_at, placed_by: event.actor },
    ];
    return version;
  },
  'hold.released': (row, event) => {
    const { holds } = existing(row, event);
    const isReleased = ({ hold_id }: Hold): boolean => hold_id === event.data.hold_id;
    const until = holds.find(isReleased)?.until ?? null;
    // whose time was over held no more
    const endedAt = until !== null && until < event.recorded_at ? until : event.recorded_at;
    const version = used(row, event, endedAt);
    version.holds = holds.filter((hold) => !isReleased(hold));
    return version;
  },
  'retention.applied': untouched,
  'alert.raised': untouched,
  'alert.cleared': untouched,
  'model.renamed': untouched,
  'model.deactivated': untouched,
  'model.reactivated': untouched,
  'model.deleted': untouched,
  'model.restored': untouched,
  'promotion.requested': untouched,
  'promotion.decided': untouched,
  'promotion.staled': untouched,
  'promotion.expired': untouched,
  'promotion.withdrawn': untouched,
  'binding.created': (row, event) =>
    event.data.status === 'active'
      ? bound(row, event, event.data.binding_id)
      : used(row, event, event.data.last_used_at),
  'binding.updated': (row, event) => used(row, event, event.data.changed['last_used_at']),
  'binding.activated': (row, event) => bound(row, event, event.data.binding_id),
  'binding.deactivated': (row, event) => unbound(row, event, event.data.binding_id),
  'binding.deprecated': (row, event) => unbound(row, event, event.data.binding_id),
  'binding.removed': (row, event) => unbound(row, event, event.data.binding_id),
  'deployment.rolled_back': (row, event) => deploymentEnds(row, event, event.data.deployment_id),
  'version.approval_revoked': (row, event) => ready(row, event, event.data.to_readiness),
  'version.testing_started': (row, event) => ready(row, event, event.data.to_readiness),
  'version.approved': (row, event) => ready(row, event, event.data.to_readiness),
  'version.rejected': (row, event) => ready(row, event, event.data.to_readiness),
  'default.changed': (row, event) => {
    const version = changed(row, event);
    version.is_default = version.facts.number === event.data.number;
    if (!version.is_default) version.last_used_at = event.recorded_at;
    return version;
  },
  'deployment.requested': (row, event) =>
    deploymentLives(row, event, {
      deployment_id: event.data.deployment_id,
      environment: event.data.environment,
      region: event.data.region,
      status: 'requested',
      config: event.data.config,
    }),
  'deployment.started': (row, event) => {
    const version = changed(row, event);
    version.live = version.live.map((live) =>
      live.deployment_id === event.data.deployment_id
        ? { ...live, status: 'deploying' as const }
        : live,
    );
    return version;
  },
  'deployment.failed': (row, event) => deploymentEnds(row, event, event.data.deployment_id),
  'deployment.superseded': (row, event) => deploymentEnds(row, event, event.data.deployment_id),
  'deployment.undeployed': (row, event) => deploymentEnds(row, event, event.data.deployment_id),
  'deployment.traffic_shifted': changed,
};

/** The next row of a version that `touchedVersions` names. */
export const evolveVersion = (row: Version | NoRow, event: RecordedModelEvent): Version =>
  versionHandlers[event.type](row, event as never);

/** Numbers of the versions whose rows the event changes. */
export function touchedVersions(event: ModelEvent): readonly number[] {
  switch (event.type) {
    case 'model.registered':
    case 'model.updated':
    case 'model.renamed':
    case 'model.deactivated':
    case 'model.reactivated':
    case 'model.deleted':
    case 'model.restored':
    case 'retention.applied':
    case 'alert.raised':
    case 'alert.cleared':
    case 'promotion.requested':
    case 'promotion.decided':
    case 'promotion.staled':
    case 'promotion.expired':
    case 'promotion.withdrawn':
      return [];
    case 'default.changed':
    case 'alias.set': {
      const { number, previous_number } = event.data;
      const touched: number[] = [];
      if (previous_number !== null) touched.push(previous_number);
      if (number !== null && number !== previous_number) touched.push(number);
      return touched;
    }
    case 'alias.removed':
    case 'hold.placed':
    case 'hold.released':
    case 'version.updated':
    case 'version.activated':
    case 'version.deactivated':
    case 'version.deleted':
    case 'version.approval_revoked':
    case 'binding.created':
    case 'binding.updated':
    case 'binding.activated':
    case 'binding.deactivated':
    case 'binding.deprecated':
    case 'binding.removed':
    case 'deployment.rolled_back':
    case 'model.versioned':
    case 'model.promoted':
    case 'model.deployed':
    case 'model.archived':
    case 'version.demoted':
    case 'version.superseded':
    case 'version.deprecated':
    case 'version.restored':
    case 'version.testing_started':
    case 'version.approved':
    case 'version.rejected':
    case 'deployment.requested':
    case 'deployment.started':
    case 'deployment.failed':
    case 'deployment.superseded':
    case 'deployment.undeployed':
    case 'deployment.traffic_shifted':
      return [event.data.number];
  }
}
