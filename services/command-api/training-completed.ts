// A finished training becomes a version: of the model that has its name, or of a new one that is registered with it.
import { hash } from 'node:crypto';
import type { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { assert } from '#events/decider.ts';
import type { Actor, RecordedEvent } from '#events/envelope.ts';
import type { ModelCommand, ModelRefusal, NewVersion } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { versionResource } from '#events/model/resource.ts';
import type { VersionResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelStream } from '#events/names.ts';
import { faultsOfBody, faultsOfSchema } from '#infra/http/faults.ts';
import { Problem } from '#infra/http/problems.ts';
import { newId } from '#infra/ids.ts';
import type { TrainingCompleted } from '#infra/kafka/cloudevents.ts';
import { isRecordedNow } from './ask.ts';
import type { Answered, Ask } from './ask.ts';
import { modelFactsOf, modelName, versionFactsOf } from './fields.ts';
import { modelKind } from './kinds.ts';
import { commandIdOf, commonOf } from './request.ts';
import type { Found, Resolve } from './resolve.ts';
import { versionBody } from './version-body.ts';

/** A name can be taken, and freed, between looking and asking; more turns than these are somebody's loop. */
const turnsMax = 3;

/** What a pipeline tells: the producer's name of the model, and the facts of the version. */
const trainingData = versionBody({ model_name: modelName });

export type SubmitTraining = (
  event: TrainingCompleted,
  actor: Actor,
  /** Whose rights are asked for, and whether only to see what would be; absent where the event came by Kafka. */
  asker?: { principal: Principal; isDryRun: boolean },
) => Promise<Answered<VersionResource>>;

/** The service as who a pipeline's event is recorded; the source says whose pipeline it was. */
export const trainingActor = (source: string): Actor => ({
  subject: 'training-completed',
  type: 'service',
  auth_method: 'event',
  key_id: null,
  declared_by: source,
});

/**
 * How to submit an event. The same tenant, source and id always make one version, whichever way they come.
 * @throws Problem for a refusal; `key_reused` where the id came before with other data
 */
export function openTraining({ ask, resolve }: { ask: Ask; resolve: Resolve }): SubmitTraining {
  /** The model with this name, or null. */
  async function findModel(
    naming: Parameters<Resolve['model']>[0],
    name: string,
  ): Promise<Found | null> {
    try {
      return await resolve.model(naming, name);
    } catch (error) {
      if (error instanceof Problem && error.code === 'model_not_found') return null;
      throw error;
    }
  }

  return async (event, actor, asker) => {
    const principal = asker?.principal;
    const { tenant, source, id, data } = event;
    const { model_name: name, ...facts } = parseTrainingData(data);
    const written = sortedText(data);
    const version: NewVersion = {
      version_id: newId(),
      facts: versionFactsOf(facts),
      stage: 'development',
      readiness: 'training',
      is_default: false,
    };
    const head = {
      kind: modelKind,
      tenant,
      actor,
      ...(principal && { principal }),
      command_id: commandIdOf('training', tenant, source, id),
      request_hash: hash('sha256', written, 'base64url'),
      status: 201,
      reason: null,
      dry_run: asker?.isDryRun ?? false,
      occurred_at: event.time,
      causation_id: id,
      bytes: Buffer.byteLength(written),
      answer: versionAnswer,
    };
    const common = (at: string) =>
      commonOf({ actor, principal: principal ?? ownService, reason: null }, at);
    const createVersion = (at: string): ModelCommand => ({
      type: 'CreateVersion',
      version,
      ...common(at),
    });
    const model_id = newId();
    const { framework, model_type } = facts;
    const registerModel = (at: string): ModelCommand => ({
      type: 'RegisterModel',
      model_id,
      name,
      facts: modelFactsOf({ framework, model_type }),
      first_version: version,
      ...common(at),
    });

    for (let turn = 1; ; turn++) {
      const known = await findModel(head, name);
      const found = known ?? { stream: modelStream(tenant, model_id) };
      const isNew = known === null;
      try {
        const answered = await ask.submit<
          ModelState,
          ModelCommand,
          ModelEvent,
          ModelRefusal,
          VersionResource
        >({ ...head, ...found, isNew, command: isNew ? registerModel : createVersion });
        if (isNew && isRecordedNow(answered)) resolve.learnModel(tenant, name, found.stream);
        return answered;
      } catch (error) {
        // Another first event of this name was faster, or the name has just been given up: all succeed.
        const hasMoved =
          error instanceof Problem &&
          (error.code === 'name_taken' || error.code === 'model_not_found');
        if (!hasMoved || turn === turnsMax) throw error;
      }
    }
  };
}

/** As who events of the topic are decided. */
const ownService = { role: 'service', issued_by: null } as const;

/** The version that the event made, when it made it. */
function versionAnswer(
  state: ModelState,
  events: readonly RecordedEvent<ModelEvent>[],
): VersionResource {
  const made = events.find((event) => event.type === 'model.versioned');
  assert(made !== undefined, 'a training was recorded without a version');
  return versionResource(state.versions.get(made.data.number)!, state.model!);
}

/** @throws Problem `invalid` with every fault, as pointers into the CloudEvent */
function parseTrainingData(data: Record<string, unknown>): z.infer<typeof trainingData> {
  const parsed = trainingData.safeParse(data);
  const faults = faultsOfBody(data);
  if (!parsed.success) faults.push(...faultsOfSchema(parsed.error, 'body'));
  else if (faults.length === 0) return parsed.data;
  const errors = faults.map(({ pointer, message }) => ({ pointer: `/data${pointer}`, message }));
  throw new Problem('invalid', { errors });
}

/** The data as text in one order, absent and null alike, so that JSON and Avro of one event are the same request. */
function sortedText(data: unknown): string {
  return JSON.stringify(data, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const kept = Object.entries(value).filter(([, field]) => field !== null);
    return Object.fromEntries(kept.sort(([left], [right]) => (left < right ? -1 : 1)));
  });
}
