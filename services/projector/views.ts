// Every view there is, in the order in which they are written.
import { bindings } from './views/bindings.ts';
import { deployments } from './views/deployments.ts';
import { models } from './views/models.ts';
import { promotionRequests } from './views/promotion_requests.ts';
import { stats } from './views/stats.ts';
import { timeline } from './views/timeline.ts';
import { versions } from './views/versions.ts';
import type { View } from './views/view.ts';

export const views: readonly View[] = [
  models,
  versions,
  deployments,
  bindings,
  promotionRequests,
  timeline,
  stats,
];
