// What can happen to a deployment. A storage format: add, never edit.
import { z } from 'zod';
import {
  contentDigest,
  deploymentRef,
  deploymentStatuses,
  jsonObject,
  nullableText,
  strategies,
  text,
} from './shapes.ts';

const placement = {
  environment: text,
  region: nullableText,
  endpoint_url: nullableText,
  strategy: z.enum(strategies),
  traffic_percent: z.number(),
  config: jsonObject,
  content_digest: contentDigest.nullable(),
  replaces_deployment_id: nullableText,
  external_ref: nullableText,
};
const deploymentRequested = z.object({ ...deploymentRef, ...placement, requested_at: text });
const deployed = z.object({ ...deploymentRef, ...placement, deployed_at: text });
const deploymentMoved = z.object({
  ...deploymentRef,
  environment: text,
  region: nullableText,
  from_status: z.enum(deploymentStatuses),
  reason: nullableText,
});
const deploymentFailed = deploymentMoved.extend({ cause: z.enum(['reported', 'timed_out']) });
const deploymentSuperseded = deploymentMoved.extend({ superseded_by_deployment_id: text });
const trafficShifted = z.object({
  ...deploymentRef,
  environment: text,
  region: nullableText,
  from_percent: z.number(),
  to_percent: z.number(),
});
/** `to_deployment_id` is the one that takes its place: asked for now, or there already; null where nothing takes it. */
const deploymentRolledBack = deploymentMoved.extend({
  rollback_at: text,
  to_version_id: nullableText,
  to_deployment_id: nullableText,
});

export const deploymentEvents = {
  'model.deployed': { schema_version: 1, data: deployed },
  'deployment.requested': { schema_version: 1, data: deploymentRequested },
  'deployment.started': { schema_version: 1, data: deploymentMoved },
  'deployment.failed': { schema_version: 1, data: deploymentFailed },
  'deployment.superseded': { schema_version: 1, data: deploymentSuperseded },
  'deployment.rolled_back': { schema_version: 1, data: deploymentRolledBack },
  'deployment.undeployed': { schema_version: 1, data: deploymentMoved },
  'deployment.traffic_shifted': { schema_version: 1, data: trafficShifted },
} as const;
