// How soon each event can make something of its model due: what due times are reckoned from.
import type { ModelEventType } from '#events/model/events.ts';

/** How soon an event can make a version of its model due, on a model that was looked at before. */
export const effects: Record<
  ModelEventType,
  'begins' | 'at once' | 'after an age' | 'after a timeout' | 'at the next sweep' | 'none'
> = {
  'model.registered': 'begins',
  'model.updated': 'at once', // in another project, other policies hold
  'model.versioned': 'at once', // it may push another out of the newest
  'model.promoted': 'at once', // reinstated from deprecated, it has a shorter age
  'model.deployed': 'none',
  'model.archived': 'none',
  'version.demoted': 'at once',
  'version.superseded': 'after an age', // it was in use until now
  'version.deprecated': 'at the next sweep', // its announced end may come before any age
  'version.restored': 'at once',
  'version.testing_started': 'none',
  'version.approved': 'none',
  'version.rejected': 'none',
  'default.changed': 'after an age',
  'model.renamed': 'none',
  'model.deactivated': 'none',
  'model.reactivated': 'none',
  'model.deleted': 'none',
  'model.restored': 'at once',
  'version.updated': 'none',
  'version.activated': 'none',
  'version.deactivated': 'after an age',
  'version.deleted': 'none',
  'version.approval_revoked': 'none',
  'alias.set': 'after an age', // the version that had it
  'alias.removed': 'after an age',
  'hold.placed': 'at once', // it may end by itself
  'hold.released': 'after an age',
  'retention.applied': 'none',
  'alert.raised': 'none',
  'alert.cleared': 'none',
  'binding.created': 'none',
  'binding.updated': 'none',
  'binding.activated': 'none',
  'binding.deactivated': 'after an age',
  'binding.deprecated': 'after an age',
  'binding.removed': 'after an age',
  'promotion.requested': 'at the next sweep',
  'promotion.decided': 'at the next sweep',
  'promotion.staled': 'none',
  'promotion.expired': 'none',
  'promotion.withdrawn': 'none',
  'deployment.rolled_back': 'after an age',
  'deployment.requested': 'after a timeout',
  'deployment.started': 'after a timeout',
  'deployment.failed': 'after an age',
  'deployment.superseded': 'after an age',
  'deployment.undeployed': 'after an age',
  'deployment.traffic_shifted': 'none',
};
