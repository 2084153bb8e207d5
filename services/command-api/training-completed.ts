// A finished training becomes a version: of the model that has its name, or of a new one that is registered with it.
import { hash } from 'node:crypto';
import type { z } from 'zod';
import type { Principal } from '#events/access.ts';
import type { Actor } from '#events/envelope.ts';
import type { VersionResource } from '#events/model/resource.ts';
import { faultsOfBody, faultsOfSchema } from '#infra/http/faults.ts';
import { Problem } from '#infra/http/problems.ts';
import { newId } from '#infra/ids.ts';
import type { TrainingCompleted } from '#infra/kafka/cloudevents.ts';
import type { Answered } from './ask/asked.ts';
import { modelFactsOf, modelName, versionFactsOf } from './fields.ts';
import type { RegisterVersion } from './register-version.ts';
import { commandIdOf, commonOf } from './request.ts';
import { versionBody } from './version-body.ts';

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
 * The id of an event's command. By Kafka, and from who reports for the whole tenant, source and id are believed; from who does
 * for a team or project they are the caller's own: they would keep a pipeline of others out by telling its ids first.
 */
function commandIdOfEvent(
  { tenant, source, id }: TrainingCompleted,
  principal?: Principal,
): string {
  const isBelieved = principal === undefined || principal.everywhere.has('training:report');
  return isBelieved
    ? commandIdOf('training', tenant, source, id)
    : commandIdOf('training-told', tenant, principal.subject, JSON.stringify([source, id]));
}

/**
 * How to submit an event. The same tenant, source and id always make one version, whichever way they come; told by who reports
 * for a team or project, one for each of these.
 * @throws Problem for a refusal; `key_reused` where the id came before with other data
 */
export function openTraining(registerVersion: RegisterVersion): SubmitTraining {
  return async (event, actor, asker) => {
    const principal = asker?.principal;
    const { tenant, id, data } = event;
    const { model_name: name, ...facts } = parseTrainingData(data);
    const written = sortedText(data);
    const { framework, model_type } = facts;
    return await registerVersion({
      name,
      facts: modelFactsOf({ framework, model_type }),
      version: {
        version_id: newId(),
        facts: versionFactsOf(facts),
        stage: 'development',
        readiness: 'training',
        is_default: false,
      },
      stated: {},
      common: (at) => commonOf({ actor, principal: principal ?? ownService, reason: null }, at),
      head: {
        tenant,
        actor,
        ...(principal && { principal }),
        command_id: commandIdOfEvent(event, principal),
        request_hash: hash('sha256', written, 'base64url'),
        reason: null,
        dry_run: asker?.isDryRun ?? false,
        occurred_at: event.time,
        causation_id: id,
        bytes: Buffer.byteLength(written),
      },
    });
  };
}

/** As who events of the topic are decided. */
const ownService = { role: 'service', issued_by: null } as const;

/** @throws Problem `invalid` with every fault, as pointers into the CloudEvent */
function parseTrainingData(data: Record<string, unknown>): z.infer<typeof trainingData> {
  const parsed = trainingData.safeParse(data);
  const faults = faultsOfBody(data, JSON.stringify(data));
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
