// A version under a name: the next of the model that has the name, or the first of one that is registered with it.
import { assert } from '#events/decider.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import type { Common, ModelCommand, ModelRefusal, NewVersion } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { versionResource } from '#events/model/resource.ts';
import type { VersionResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import type { Stated } from '#events/model/stated.ts';
import { modelStream } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import { newId } from '#infra/ids.ts';
import { isRecordedNow } from './ask/asked.ts';
import type { Ask } from './ask/ask.ts';
import type { Answered } from './ask/asked.ts';
import type { modelFactsOf } from './fields.ts';
import { modelKind } from './kinds.ts';
import type { Found, Resolve } from './resolve.ts';

/** A name can be taken, and freed, between looking and asking; more turns than these are somebody's loop. */
const turnsMax = 3;

/** What a command is sent with, whoever sends it. */
type Head = Omit<
  Parameters<Ask['submit']>[0],
  'kind' | 'stream' | 'foundBy' | 'isNew' | 'status' | 'command' | 'next' | 'answer'
>;

type Registration = {
  head: Head;
  name: string;
  /** Of the model, where the name is new. */
  facts: ReturnType<typeof modelFactsOf>;
  version: NewVersion;
  /** Of the model too; where the name is known, it must be so already. */
  stated: Stated;
  common: (at: string) => Common;
};

export type RegisterVersion = (registration: Registration) => Promise<Answered<VersionResource>>;

/** Of several first ones of a name at once all succeed: one registers the model, the others add to it. */
export function openRegistration({
  ask,
  resolve,
}: {
  ask: Ask;
  resolve: Resolve;
}): RegisterVersion {
  /** The model with this name, or null. */
  async function findModel(head: Head, name: string): Promise<Found | null> {
    try {
      return await resolve.model(head, name);
    } catch (error) {
      if (error instanceof Problem && error.code === 'model_not_found') return null;
      throw error;
    }
  }

  return async ({ head, name, facts, version, stated, common }) => {
    const { tenant } = head;
    const model_id = newId();
    const createVersion = (at: string): ModelCommand => ({
      ...common(at),
      type: 'CreateVersion',
      version,
      stated,
    });
    const registerModel = (at: string): ModelCommand => ({
      ...common(at),
      type: 'RegisterModel',
      model_id,
      name,
      facts,
      first_version: version,
    });

    for (let turn = 1; ; turn++) {
      const known = await findModel(head, name);
      const found: Found = known ?? { stream: modelStream(tenant, model_id) };
      const isNew = known === null;
      try {
        const answered = await ask.submit<
          ModelState,
          ModelCommand,
          ModelEvent,
          ModelRefusal,
          VersionResource
        >({
          ...head,
          kind: modelKind,
          stream: found.stream,
          foundBy: found.foundBy,
          isNew,
          status: 201,
          command: isNew ? registerModel : createVersion,
          answer: madeVersion,
        });
        if (isNew && isRecordedNow(answered)) resolve.learnModel(tenant, name, found.stream);
        return answered;
      } catch (error) {
        // another first one of this name was faster, or the name has just been given up
        const hasMoved =
          error instanceof Problem &&
          (error.code === 'name_taken' || error.code === 'model_not_found');
        if (!hasMoved || turn === turnsMax) throw error;
      }
    }
  };
}

function madeVersion(
  state: ModelState,
  events: readonly RecordedEvent<ModelEvent>[],
): VersionResource {
  const made = events.find((event) => event.type === 'model.versioned');
  assert(made !== undefined, 'a registration was recorded without a version');
  return versionResource(state.versions.get(made.data.number)!, state.model!);
}
