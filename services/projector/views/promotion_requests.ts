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
  write: `
    insert into views.promotion_requests_gN as p (promotion_request_id, tenant, model_id, progress, expires_at, state)
    select * from rows from (
      json_to_recordset($1) as (promotion_request_id uuid, tenant text, model_id uuid, progress text, expires_at timestamptz),
      string_to_table($2, E'\\x1e'))
    on conflict (tenant, promotion_request_id) do update set progress = excluded.progress, state = excluded.state`,
  columns: (request) => ({
    promotion_request_id: request.promotion_request_id,
    tenant: request.tenant,
    model_id: request.model_id,
    progress: progressOf(request),
    expires_at: request.expires_at,
  }),
  rowName: 'promotion_request_id::text',
  hasModelId: true,
  keptCharactersMax: 8_000_000,
});
