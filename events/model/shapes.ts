// The words and the parts that events of a model are made of.
import { z } from 'zod';

export const stages = ['development', 'staging', 'production', 'deprecated', 'archived'] as const;
export type Stage = (typeof stages)[number];
export const readinesses = ['training', 'testing', 'approved', 'rejected'] as const;
export type Readiness = (typeof readinesses)[number];
export const deploymentStatuses = [
  'requested',
  'deploying',
  'deployed',
  'failed',
  'superseded',
  'rolled_back',
  'undeployed',
] as const;
export type DeploymentStatus = (typeof deploymentStatuses)[number];
export const strategies = ['all_at_once', 'canary', 'shadow', 'ab'] as const;
export type Strategy = (typeof strategies)[number];
export const splits = ['training', 'validation', 'test'] as const;

export const text = z.string();
export const nullableText = z.string().nullable();
export const count = z.int().nonnegative();
export const stage = z.enum(stages);
export const readiness = z.enum(readinesses);
export const json = z.json();
export const jsonObject = z.record(z.string(), json);
export const tags = z.record(z.string(), z.string());

export const contentDigest = z.object({
  sha256: nullableText,
  blake3: nullableText,
  origin: z.enum(['declared', 'computed']),
});
export const metric = z.object({ name: text, split: z.enum(splits).nullable(), value: z.number() });
export const signature = z.object({
  inputs: json,
  outputs: json,
  input_shape: z.array(z.number()).nullable(),
  output_shape: z.array(z.number()).nullable(),
  feature_schema: json,
});
export const lineage = z.object({
  data_versions: z.array(text),
  code_version: nullableText,
  parent_versions: z.array(text),
  experiment_id: nullableText,
  run_id: nullableText,
});
export const file = z.object({ path: text, sha256: text, size: count });

/** How an event names the version that it is about. */
export const versionRef = { model_id: text, version_id: text, number: count, label: nullableText };
/** How one names the deployment, and the binding. */
export const deploymentRef = { deployment_id: text, ...versionRef };
export const bindingRef = { binding_id: text, ...versionRef };
/** How one names the promotion request. */
export const promotionRef = { promotion_request_id: text, ...versionRef };

/** The policies that a decision rests on: each scope's stream at a version, and a digest of the fields that matter. */
export const policyRef = z.object({
  scopes: z.array(text),
  versions: z.array(count),
  digest: text,
});
export type PolicyReference = z.infer<typeof policyRef>;
/**
 * What a gate found. `measured` holds the value with the event and the subject that supplied it (`{value, event_id,
 * subject}`), or null where nothing was measured; `threshold` what the policy asks for.
 */
export const gateResult = z.object({ gate: text, outcome: text, measured: json, threshold: json });
