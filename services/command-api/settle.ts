// The policy's own hand: looks at a promotion request again, and executes what is agreed to, stales or expires what is over.
import type { Actor } from '#events/envelope.ts';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { newId } from '#infra/ids.ts';
import type { Answered, Ask } from './ask.ts';
import { modelKind } from './kinds.ts';
import { commonOf } from './request.ts';
import type { Streams } from './streams.ts';

const policyActor: Actor = {
  subject: 'policy',
  type: 'policy',
  auth_method: 'internal',
  key_id: null,
  declared_by: null,
};

/** Answers with what became of the request; what it does is caused by the last decision on it. */
export type Settle = <Body extends object>(
  tenant: string,
  stream: string,
  promotionRequestId: string,
  answer: (state: ModelState) => Body,
) => Promise<Answered<Body>>;

export const openSettle =
  (deps: { ask: Ask; streams: Streams }): Settle =>
  async (tenant, stream, promotion_request_id, answer) => {
    const { state } = await deps.streams.load(modelKind, stream);
    const request = state.promotionRequests.get(promotion_request_id);
    const head = { actor: policyActor, reason: null };
    const principal = { role: 'service', issued_by: null } as const;
    return await deps.ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, never>({
      kind: modelKind,
      stream,
      tenant,
      ...head,
      command_id: newId(),
      request_hash: null,
      status: 200,
      causation_id: request?.decisions.at(-1)?.event_id ?? null,
      command: (at) => ({
        type: 'SettlePromotion',
        promotion_request_id,
        ...commonOf({ ...head, principal }, at),
      }),
      answer: answer as (state: ModelState) => never,
    });
  };
