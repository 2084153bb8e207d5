// What a policy says, the presets, and what a decision is told of it. A rung of the ladder asks for what policy asks.
import type { PolicyReference } from '../model/shapes.ts';
import { registryRetention } from './retention.ts';
import type { OwnRetention, Retention } from './retention.ts';

export const pointers = ['default', 'aliases', 'bindings'] as const;
export type Pointer = (typeof pointers)[number];

/** One thing that is measured before a promotion to production; a missing measure fails as `not_measured`. */
export type Gate =
  | {
      gate: 'metric';
      name: string;
      split: 'training' | 'validation' | 'test' | null;
      operator: '>=' | '>' | '<=' | '<' | '==';
      threshold: number;
    }
  /** The metric is better than that of the version in production, by at least so much. */
  | {
      gate: 'beats_production';
      name: string;
      split: 'training' | 'validation' | 'test' | null;
      better: 'higher' | 'lower';
      by_at_least: number;
    }
  | { gate: 'artifact_verified' }
  | { gate: 'has_release_notes' }
  | { gate: 'has_signature' }
  | { gate: 'has_lineage' }
  | { gate: 'slo_ok' }
  | { gate: 'cost_per_1k_max'; threshold: number }
  | { gate: 'evaluated_within_days'; days: number };

/** Every field of a policy, as it is in force for a model. */
export type Policy = {
  /** From development straight to production. */
  allow_skip: boolean;
  multi_production: boolean;
  /** Activating a version deactivates the other. */
  single_active: boolean;
  /** Staging asks for a digest, production for readiness `approved`. */
  evidence_required: boolean;
  approvals: { required: number; role: 'approver' | 'admin'; expires_after_hours: number };
  gates: readonly Gate[];
  /** Environments in which only production versions are deployed. */
  protected_environments: readonly string[];
  /** Pointers that only name production versions. */
  protected_pointers: readonly Pointer[];
  on_superseded: 'retire' | 'deprecated' | 'staging' | 'keep';
  break_glass: 'allowed' | 'forbidden';
  /** How long unused versions stay, and how many of the newest stay anyway. */
  retention: Retention;
};

export const policyFields = [
  'allow_skip',
  'multi_production',
  'single_active',
  'evidence_required',
  'approvals',
  'gates',
  'protected_environments',
  'protected_pointers',
  'on_superseded',
  'break_glass',
  'retention',
] as const satisfies readonly (keyof Policy)[];
export type PolicyField = (typeof policyFields)[number];

/** Where a policy is set: the widest first. A narrower one may only tighten, unless a wider one lets it override. */
export type PolicyScope = 'tenant' | `project:${string}` | `model:${string}`;

/** The scopes of a model, the widest first. */
export const policyScopesOf = (project: string | null, modelId: string): readonly PolicyScope[] => [
  'tenant',
  ...(project === null ? [] : [`project:${project}` as const]),
  `model:${modelId}`,
];

/** What one scope says for itself. */
export type OwnPolicy = Partial<Omit<Policy, 'retention'>> & {
  retention?: OwnRetention;
  /** Fields in which narrower scopes need not keep to what is said here. */
  may_override?: readonly PolicyField[];
};

/** What a release asks for; how long versions stay is no part of a preset. */
export const presets = {
  open: {
    allow_skip: true,
    multi_production: false,
    single_active: true,
    evidence_required: false,
    approvals: { required: 0, role: 'approver', expires_after_hours: 168 },
    gates: [],
    protected_environments: [],
    protected_pointers: [],
    on_superseded: 'retire',
    break_glass: 'allowed',
  },
  standard: {
    allow_skip: true,
    multi_production: false,
    single_active: true,
    evidence_required: true,
    approvals: { required: 1, role: 'approver', expires_after_hours: 168 },
    gates: [],
    protected_environments: [],
    protected_pointers: [],
    on_superseded: 'retire',
    break_glass: 'allowed',
  },
  strict: {
    allow_skip: false,
    multi_production: false,
    single_active: true,
    evidence_required: true,
    approvals: { required: 2, role: 'approver', expires_after_hours: 168 },
    gates: [
      { gate: 'has_release_notes' },
      { gate: 'has_lineage' },
      { gate: 'has_signature' },
      { gate: 'evaluated_within_days', days: 30 },
    ],
    protected_environments: ['production'],
    protected_pointers: ['default', 'aliases', 'bindings'],
    on_superseded: 'retire',
    break_glass: 'allowed',
  },
} as const satisfies Record<string, Omit<Policy, 'retention'>>;
export type Preset = keyof typeof presets;

/** A policy in force, with the streams that it was merged from; `ref` is null where none was ever set. */
export type PolicyInForce = { policy: Policy; ref: PolicyReference | null };

/** In force until somebody sets a policy. */
export const openPolicy: PolicyInForce = {
  policy: { ...presets.open, retention: registryRetention() },
  ref: null,
};
