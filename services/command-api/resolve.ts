// From how a caller names a thing to its stream: an exact name first, then an id, then a serial.
import { LRUCache } from 'lru-cache';
import type { PartKind } from '#events/catalogue.ts';
import type { VersionRef } from '#events/model/commands.ts';
import type { EventLog } from '#events/log.ts';
import { isDigits, isUuid, modelNameClaim, modelStream } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import { coalesce } from '#infra/postgres/coalesce.ts';
import type { FoundBy } from './ask/asked.ts';

const namesMax = 50_000;
/** One query looks up so many names at most: all that are not remembered and asked for in one moment. */
const claimsAtOnceMax = 200;
/** Serials are 32-bit in the log. */
const serialMax = 2_147_483_647;

/** A command that names its model, and how a repeat of it is known. */
type Naming = { tenant: string; command_id: string; request_hash: string | null };

/** Where a command goes; with the name, where it was found by one, as names move. */
export type Found = { stream: string; foundBy?: FoundBy };

export type Resolve = {
  /**
   * The model that a command is for. A name found is remembered; nothing that was not found is.
   * @throws Problem `model_not_found`
   */
  model: (naming: Naming, model: string) => Found | Promise<Found>;
  /**
   * The stream that a name, id or serial leads to now, for who only reads.
   * @throws Problem `model_not_found`
   */
  currentModel: (tenant: string, model: string) => Promise<string>;
  /** @throws Problem `deployment_not_found`. */
  deployment: (tenant: string, deploymentId: string) => Promise<Found>;
  /** @throws Problem `promotion_not_found`. */
  promotionRequest: (tenant: string, promotionRequestId: string) => Promise<Found>;
  /** @throws Problem `binding_not_found`. */
  binding: (tenant: string, bindingId: string) => Promise<Found>;
  /** @throws Problem `hold_not_found`. */
  hold: (tenant: string, holdId: string) => Promise<Found>;
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
  const holderOf = coalesce<string, string | undefined>(claimsAtOnceMax, async (claims) => {
    const held = await log.findClaims(claims);
    return claims.map((claim) => held.get(claim));
  });

  async function currentModel(tenant: string, model: string): Promise<string> {
    if (isUuid(model)) return modelStream(tenant, model.toLowerCase());
    if (isDigits(model)) {
      const serial = Number(model);
      const found = serial > serialMax ? null : await log.findSerial(tenant, 'model', serial);
      if (found === null) throw new Problem('model_not_found', { model });
      return found.stream;
    }
    const claim = modelNameClaim(tenant, model);
    const stream = await holderOf(claim);
    if (stream === undefined) {
      streamByName.delete(claim);
      throw new Problem('model_not_found', { model });
    }
    streamByName.set(claim, stream);
    return stream;
  }

  /** A repeat is answered as it was, also where the model has another name by now: its record says where that is. */
  async function findModel(naming: Naming, model: string): Promise<string> {
    const { tenant, command_id, request_hash } = naming;
    try {
      return await currentModel(tenant, model);
    } catch (error) {
      if (!(error instanceof Problem) || request_hash === null) throw error;
      const record = (await log.lookUp([], [command_id])).commands.get(command_id);
      if (record === undefined) throw error;
      if (record.request_hash !== request_hash) throw new Problem('key_reused');
      return record.stream;
    }
  }

  function findNamed(naming: Naming, name: string): Found | Promise<Found> {
    const again = () => findModel(naming, name);
    const foundBy = { name, again };
    const known = streamByName.get(modelNameClaim(naming.tenant, name));
    if (known !== undefined) return { stream: known, foundBy };
    return again().then((stream) => ({ stream, foundBy }));
  }

  /** What has an id of its own is found by it, and stays where it is. */
  function byId(
    kind: PartKind,
    missing: (id: string) => Problem,
  ): (tenant: string, id: string) => Promise<Found> {
    return async (tenant, id) => {
      const key = `${kind}:${tenant}:${id}`;
      const stream = streamByName.get(key) ?? (await log.findPart(tenant, kind, id));
      if (stream === null) throw missing(id);
      streamByName.set(key, stream);
      return { stream };
    };
  }

  return {
    model(naming, model) {
      if (!isUuid(model) && !isDigits(model)) return findNamed(naming, model);
      return currentModel(naming.tenant, model).then((stream) => ({ stream }));
    },
    currentModel,
    deployment: byId(
      'deployment',
      (id) => new Problem('deployment_not_found', { deployment_id: id }),
    ),
    promotionRequest: byId(
      'promotion_request',
      (id) => new Problem('promotion_not_found', { promotion_request_id: id }),
    ),
    binding: byId('binding', (id) => new Problem('binding_not_found', { binding_id: id })),
    hold: byId('hold', (id) => new Problem('hold_not_found', { hold_id: id })),
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
