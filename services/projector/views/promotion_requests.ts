// The view of promotion requests: each as it is now.
import {
  evolvePromotionRequest,
  progressOf,
  touchedPromotionRequest,
} from '#events/model/promotion-row.ts';
import type { PromotionRequest } from '#events/model/promotion-row.ts';
import { defineView, forEveryModelEvent, tenantEventsUntouched } from './view.ts';

export const promotionRequests = defineView<PromotionRequest>({
  name: 'promotion_requests',
  version: 1,
  handlers: {
    ...tenantEventsUntouched,
    ...forEveryModelEvent((event) => {
      const requestId = touchedPromotionRequest(event);
      if (requestId === null) return [];
      return [
        {
          key: `${event.tenant}/${requestId}`,
          isNew: event.type === 'promotion.requested',
          next: (row) => evolvePromotionRequest(row, event),
        },
      ];
    }),
  },
  load: `
    select k.key, p.state from unnest($1::text[]) k(key),
      lateral (select state from views.promotion_requests_gN
               where tenant = split_part(k.key, '/', 1) and promotion_request_id = split_part(k.key, '/', 2)::uuid limit 1) p`,
  columns: {
    promotion_request_id: ['uuid', (request) => request.promotion_request_id],
    tenant: ['text', (request) => request.tenant],
    model_id: ['uuid', (request) => request.model_id],
    progress: ['text', progressOf],
    expires_at: ['timestamptz', (request) => request.expires_at],
  },
  key: ['tenant', 'promotion_request_id'],
  rowName: 'promotion_request_id::text',
  hasModelId: true,
  keptCharactersMax: 8_000_000,
});
