// A registry of one model as a person would keep it on paper: lists, maps, and what `domain.md` says, rule by rule.
// Nothing of the code under test is called; its types say only what is asked and how things are named.
import type { ModelCommand, ModelRefusal, VersionRef } from '#events/model/commands.ts';
import type { Asker } from '#events/model/four-eyes.ts';

export type Code = ModelRefusal['code'];
export type CommandOf<Type extends ModelCommand['type']> = Extract<ModelCommand, { type: Type }>;
type Stage = 'development' | 'staging' | 'production' | 'deprecated' | 'archived';

export type Version = {
  number: number;
  id: string;
  label: string | null;
  digest: string | null;
  uri: string | null;
  parents: readonly string[];
  stage: Stage;
  /** The last of development, staging and production that it stood in. */
  rung: 'development' | 'staging' | 'production';
  readiness: 'training' | 'testing' | 'approved' | 'rejected';
  active: boolean;
  deleted: boolean;
  sunsetAt: string | null;
  wasInProduction: boolean;
  /** What approvals look at. */
  evidence: { accuracy: number | null; notes: string | null; slo: boolean | null };
  registeredBy: Person;
  /** Who said each part of the evidence last, by its name. */
  evidenceBy: Partial<Record<keyof Version['evidence'], Person>>;
  holds: { id: string; until: string | null }[];
};

export type Person = Pick<Asker, 'subject' | 'declared_by'>;

export type Deployment = {
  id: string;
  number: number;
  environment: string;
  region: string | null;
  strategy: 'all_at_once' | 'canary' | 'shadow' | 'ab';
  status:
    | 'requested'
    | 'deploying'
    | 'deployed'
    | 'failed'
    | 'superseded'
    | 'rolled_back'
    | 'undeployed';
  /** In percent, not rounded. */
  traffic: number;
  deployedAt: string | null;
  rolledBackAt: string | null;
};

export type Binding = {
  id: string;
  number: number;
  status: 'inactive' | 'active' | 'deprecated';
  removed: boolean;
  success: number | null;
};

export type Request = {
  id: string;
  number: number;
  to: 'staging' | 'production';
  state: 'open' | 'rejected' | 'staled' | 'expired' | 'withdrawn' | 'executed';
  auto: boolean;
  expiresAt: string;
  by: Person;
  /** Bytes, evidence and policy that it was made for. */
  madeFor: string;
  decisions: Map<string, { decision: 'approve' | 'reject'; by: Asker; givenFor: string }>;
};

export type Registry = {
  state: 'none' | 'active' | 'inactive' | 'deleted';
  name: string;
  team: string | null;
  /** In the order of their numbers. */
  versions: Version[];
  default: number | null;
  defaultBy: 'registry' | 'caller' | null;
  aliases: Map<string, number>;
  /** Numbers, the most recently promoted last. */
  production: number[];
  /** Numbers that promotions displaced and no rollback has gone behind. */
  displaced: number[];
  deployments: Map<string, Deployment>;
  bindings: Map<string, Binding>;
  requests: Map<string, Request>;
  /** Alerts that something may yet end, by name. */
  alerts: Set<string>;
};

export const emptyRegistry = (): Registry => ({
  state: 'none',
  name: '',
  team: null,
  versions: [],
  default: null,
  defaultBy: null,
  aliases: new Map(),
  production: [],
  displaced: [],
  deployments: new Map(),
  bindings: new Map(),
  requests: new Map(),
  alerts: new Set(),
});

export const versionAt = (registry: Registry, number: number): Version =>
  registry.versions[number - 1]!;

/** Versions that are there: a deleted one is not. */
export const living = (registry: Registry): Version[] =>
  registry.versions.filter(({ deleted }) => !deleted);

/** The version that is meant, deleted or not; undefined for none. */
export function named(registry: Registry, ref: VersionRef): Version | undefined {
  const numbered = (number: number | null | undefined) =>
    registry.versions.find((version) => version.number === number);
  switch (ref.by) {
    case 'number':
      return numbered(ref.number);
    case 'label':
      return registry.versions.find(({ label }) => label === ref.label);
    case 'text':
      return (
        registry.versions.find(({ label }) => label === ref.text) ??
        registry.versions.find(({ number }) => String(number) === ref.text)
      );
    case 'id':
      return registry.versions.find(({ id }) => id === ref.version_id);
    case 'alias':
      return numbered(registry.aliases.get(ref.alias));
    case 'default':
      return numbered(registry.default);
    case 'latest':
      return living(registry).findLast(({ stage }) => stage !== 'archived');
  }
}

export const live = (registry: Registry, number: number): Deployment[] =>
  [...registry.deployments.values()].filter(
    (one) => one.number === number && ['requested', 'deploying', 'deployed'].includes(one.status),
  );

/** Everything that keeps a version from being archived, deleted or purged. */
export function usesOf(registry: Registry, version: Version, at: string): string[] {
  const uses: string[] = [];
  if (version.stage === 'production') uses.push('production');
  if (registry.default === version.number && registry.defaultBy === 'caller') uses.push('default');
  if (version.active) uses.push('active');
  for (const number of registry.aliases.values()) if (number === version.number) uses.push('alias');
  for (const _ of live(registry, version.number)) uses.push('deployment');
  for (const binding of registry.bindings.values())
    if (binding.number === version.number && binding.status === 'active' && !binding.removed)
      uses.push('binding');
  for (const { until } of version.holds) if (until === null || until > at) uses.push('hold');
  return uses;
}

/** A default that the registry set moves on before its version goes. */
export function handOver(registry: Registry, leaving: Version, arriving: Version | null): void {
  if (registry.default !== leaving.number) return;
  const others = living(registry).filter(({ number }) => number !== leaving.number);
  const heir =
    arriving ??
    others.findLast(({ stage }) => stage === 'production') ??
    others.findLast(({ stage }) => stage === 'development' || stage === 'staging') ??
    others.findLast(({ stage }) => stage === 'deprecated');
  registry.default = heir?.number ?? null;
  registry.defaultBy = heir === undefined ? null : 'registry';
}

/** Requests for a version do not outlive what they were made for. */
export function stale(registry: Registry, number: number): void {
  for (const request of registry.requests.values())
    if (request.state === 'open' && request.number === number) request.state = 'staled';
}

export function moveTo(registry: Registry, version: Version, stage: Stage): void {
  version.stage = stage;
  if (stage !== 'deprecated' && stage !== 'archived') {
    version.sunsetAt = null;
    version.rung = stage;
  }
  registry.alerts.delete(`sunset:${version.number}`);
  registry.production = registry.production.filter((number) => number !== version.number);
  if (stage === 'production') registry.production.push(version.number);
}
