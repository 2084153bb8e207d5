// The policy's own hand: looks at a promotion request again, and executes what is agreed to, stales or expires what is over.
import type { Actor } from '#events/envelope.ts';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { newId } from '#infra/ids.ts';
import type { Ask } from './ask/ask.ts';
import type { Answered } from './ask/asked.ts';
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

const policyHead = { actor: policyActor, reason: null };
const policyPrincipal = { role: 'service', issued_by: null } as const;

/** What the policy asks once something was said about a request. */
export const settlement = (promotion_request_id: string) => ({
  ...policyHead,
  command: (at: string): ModelCommand => ({
    type: 'SettlePromotion',
    promotion_request_id,
    ...commonOf({ ...policyHead, principal: policyPrincipal }, at),
  }),
});

/** Answers with what became of the request; what it does is caused by the last decision on it. */
export type Settle = <Body extends object>(
  request: { tenant: string; stream: string; promotion_request_id: string; dry_run: boolean },
  answer: (state: ModelState) => Body,
) => Promise<Answered<Body>>;

export const openSettle =
  (deps: { ask: Ask; streams: Streams }): Settle =>
  async ({ tenant, stream, promotion_request_id, dry_run }, answer) => {
    const { state } = await deps.streams.load(modelKind, stream);
    const request = state.promotionRequests.get(promotion_request_id);
    return await deps.ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, never>({
      kind: modelKind,
      stream,
      tenant,
      ...settlement(promotion_request_id),
      command_id: newId(),
      request_hash: null,
      dry_run,
      status: 200,
      causation_id: request?.decisions.at(-1)?.event_id ?? null,
      answer: answer as (state: ModelState) => never,
    });
  };
