// The row of a promotion request: what was asked for, who agreed, and what became of it.
import { assert } from '../decider.ts';
import type { Actor, RecordedEvent } from '../envelope.ts';
import type {
  ModelEvent,
  ModelEventData,
  ModelEventOf,
  ModelEventsNamed,
  RecordedModelEvent,
} from './events.ts';
import { existing } from './row.ts';
import type { NoRow } from './row.ts';

export const promotionStates = [
  'open',
  'approved',
  'rejected',
  'staled',
  'expired',
  'withdrawn',
  'executed',
] as const;
export type PromotionState = (typeof promotionStates)[number];

/** One person's last word on a request, with what it was given for. */
export type PromotionDecision = Pick<
  ModelEventData<'promotion.decided'>,
  | 'decision'
  | 'role'
  | 'granted_by'
  | 'content_digest'
  | 'evidence_digest'
  | 'policy_digest'
  | 'reason'
> & { actor: Actor; decided_at: string; event_id: string };

export type PromotionRequest = ModelEventData<'promotion.requested'> & {
  tenant: string;
  /** `approved` is decided by the rules, from the decisions; the row says `open` until an event ends it. */
  state: Exclude<PromotionState, 'approved'>;
  /** One a subject, the latest. */
  decisions: readonly PromotionDecision[];
  stale_because: ModelEventData<'promotion.staled'>['because'] | null;
  requested_by: Actor;
  requested_at: string;
  ended_at: string | null;
  updated_at: string;
};

/** How far it is but for its time: `approved` where as many have agreed as were asked for, to just what it was made for. */
export function progressOf(request: PromotionRequest): PromotionState {
  if (request.state !== 'open') return request.state;
  return approvalsGiven(request) >= request.approvals_required ? 'approved' : 'open';
}

/** The same at a time: past its own a request counts as expired, whether or not the event is written. */
export const progressAt = (request: PromotionRequest, at: string): PromotionState =>
  request.state === 'open' && at >= request.expires_at ? 'expired' : progressOf(request);

/** Decisions are only recorded of who may decide, and any change since ends the request. */
export const approvalsGiven = ({ decisions }: PromotionRequest): number =>
  decisions.filter(({ decision }) => decision === 'approve').length;

type PromotionEventType = 'model.promoted' | ModelEventsNamed<'promotion'>;

const ended = (
  row: PromotionRequest | NoRow,
  event: RecordedEvent,
  state: PromotionRequest['state'],
): PromotionRequest => ({
  ...existing(row, event),
  state,
  ended_at: event.recorded_at,
  updated_at: event.recorded_at,
});

const promotionHandlers: {
  [T in PromotionEventType]: (
    row: PromotionRequest | NoRow,
    event: RecordedEvent<ModelEventOf<T>>,
  ) => PromotionRequest;
} = {
  'promotion.requested': (row, event) => {
    assert(row === undefined, `promotion ${event.data.promotion_request_id} is requested twice`);
    return {
      ...event.data,
      tenant: event.tenant,
      state: 'open',
      decisions: [],
      stale_because: null,
      requested_by: event.actor,
      requested_at: event.recorded_at,
      ended_at: null,
      updated_at: event.recorded_at,
    };
  },
  'promotion.decided': (row, event) => {
    const request = existing(row, event);
    const { actor, data } = event;
    const decision: PromotionDecision = {
      decision: data.decision,
      role: data.role,
      granted_by: data.granted_by,
      content_digest: data.content_digest,
      evidence_digest: data.evidence_digest,
      policy_digest: data.policy_digest,
      reason: data.reason,
      actor,
      decided_at: event.recorded_at,
      event_id: event.id,
    };
    return {
      ...request,
      decisions: [
        ...request.decisions.filter((other) => other.actor.subject !== actor.subject),
        decision,
      ],
      ...(data.decision === 'reject' && { state: 'rejected', ended_at: event.recorded_at }),
      updated_at: event.recorded_at,
    };
  },
  'promotion.staled': (row, event) => ({
    ...ended(row, event, 'staled'),
    stale_because: event.data.because,
  }),
  'promotion.expired': (row, event) => ended(row, event, 'expired'),
  'promotion.withdrawn': (row, event) => ended(row, event, 'withdrawn'),
  'model.promoted': (row, event) => ended(row, event, 'executed'),
};

const isPromotionEvent = (event: ModelEvent): event is ModelEventOf<PromotionEventType> =>
  Object.hasOwn(promotionHandlers, event.type);

/** The id of the promotion request whose row the event changes, or null. */
export const touchedPromotionRequest = (event: ModelEvent): string | null =>
  isPromotionEvent(event) ? event.data.promotion_request_id : null;

/** The next row of the request that `touchedPromotionRequest` names. */
export const evolvePromotionRequest = (
  row: PromotionRequest | NoRow,
  event: RecordedModelEvent,
): PromotionRequest => promotionHandlers[event.type as PromotionEventType](row, event as never);
