// From how a caller names a thing to its stream: an exact name first, then an id, then a serial.
import { LRUCache } from 'lru-cache';
import type { VersionRef } from '#events/model/commands.ts';
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
  /** @throws Problem `promotion_not_found`. */
  promotionRequest: (tenant: string, promotionRequestId: string) => string | Promise<string>;
  /** @throws Problem `binding_not_found`. */
  binding: (tenant: string, bindingId: string) => string | Promise<string>;
  /**
   * The stream of the version with an id or a serial, and how the version is named there.
   * @throws Problem `version_not_found`.
   */
  version: (tenant: string, version: string) => Promise<{ stream: string; ref: VersionRef }>;
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

  async function findPromotionRequest(tenant: string, id: string): Promise<string> {
    const stream = await log.findPromotionRequest(tenant, id);
    if (stream === null) throw new Problem('promotion_not_found', { promotion_request_id: id });
    streamByName.set(`promotion:${tenant}:${id}`, stream);
    return stream;
  }

  async function findBinding(tenant: string, bindingId: string): Promise<string> {
    const stream = await log.findBinding(tenant, bindingId);
    if (stream === null) throw new Problem('binding_not_found', { binding_id: bindingId });
    streamByName.set(`binding:${tenant}:${bindingId}`, stream);
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
    promotionRequest: (tenant, id) =>
      streamByName.get(`promotion:${tenant}:${id}`) ?? findPromotionRequest(tenant, id),
    binding: (tenant, bindingId) =>
      streamByName.get(`binding:${tenant}:${bindingId}`) ?? findBinding(tenant, bindingId),
    async version(tenant, version) {
      const isSerial = isDigits(version);
      if (isSerial && Number(version) > serialMax)
        throw new Problem('version_not_found', { version });
      const found = isSerial
        ? await log.findSerial(tenant, 'version', Number(version))
        : await log.findVersion(tenant, version.toLowerCase());
      if (found === null) throw new Problem('version_not_found', { version });
      return { stream: found.stream, ref: { by: 'number', number: found.number! } };
    },
    learnModel: (tenant, name, stream) =>
      void streamByName.set(modelNameClaim(tenant, name), stream),
  };
}
