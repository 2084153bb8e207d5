// From how a caller names a thing to its stream: an exact name first, then an id, then a serial.
import { LRUCache } from 'lru-cache';
import type { EventLog } from '#events/log.ts';
import { isDigits, isUuid, modelNameClaim, modelStream } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';

const namesMax = 50_000;
/** Serials are 32-bit in the log. */
const serialMax = 2_147_483_647;

export type Resolve = {
  /** @throws Problem `model_not_found`. A name found is remembered; nothing that was not found is. */
  model: (tenant: string, model: string) => string | Promise<string>;
  /** @throws Problem `deployment_not_found`. */
  deployment: (tenant: string, deploymentId: string) => string | Promise<string>;
  /** A name that was recorded just now. */
  learnModel: (tenant: string, name: string, stream: string) => void;
};

export function openResolve(log: EventLog): Resolve {
  const streamByName = new LRUCache<string, string>({ max: namesMax });

  async function findModel(tenant: string, model: string): Promise<string> {
    if (isDigits(model)) {
      const serial = Number(model);
      const found = serial > serialMax ? null : await log.findSerial(tenant, 'model', serial);
      if (found === null) throw new Problem('model_not_found', { model });
      return found.stream;
    }
    const claim = modelNameClaim(tenant, model);
    const stream = (await log.findClaims([claim])).get(claim);
    if (stream === undefined) throw new Problem('model_not_found', { model });
    streamByName.set(claim, stream);
    return stream;
  }

  async function findDeployment(tenant: string, deploymentId: string): Promise<string> {
    const stream = await log.findDeployment(tenant, deploymentId);
    if (stream === null) throw new Problem('deployment_not_found', { deployment_id: deploymentId });
    streamByName.set(`deployment:${tenant}:${deploymentId}`, stream);
    return stream;
  }

  return {
    model(tenant, model) {
      if (isUuid(model)) return modelStream(tenant, model.toLowerCase());
      return streamByName.get(modelNameClaim(tenant, model)) ?? findModel(tenant, model);
    },
    deployment: (tenant, deploymentId) =>
      streamByName.get(`deployment:${tenant}:${deploymentId}`) ??
      findDeployment(tenant, deploymentId),
    learnModel: (tenant, name, stream) =>
      void streamByName.set(modelNameClaim(tenant, name), stream),
  };
}
