// What an approval looks at beside the bytes, and the digest by which it is bound to it.
import { digestOf } from '../digest.ts';
import { evidenceFields } from './version-row.ts';
import type { Version } from './version-row.ts';

/** A version as promotions see it; one that is only being made has no past yet. */
export type Judged = Pick<
  Version,
  'facts' | 'stage' | 'rung' | 'readiness' | 'artifact' | 'supplied_by'
>;

/** Who supplied a part of the evidence, and in which event; null for a version that is only being made. */
export const supplierOf = (
  version: Judged,
  field: string,
): { event_id: string | null; subject: string | null } => {
  const supplied = version.supplied_by[field] ?? version.supplied_by['*'];
  return { event_id: supplied?.event_id ?? null, subject: supplied?.subject ?? null };
};

const fields = [...evidenceFields].sort();

export const evidenceDigestOf = ({
  facts,
  readiness,
}: Pick<Judged, 'facts' | 'readiness'>): string =>
  digestOf([readiness, ...fields.map((field) => facts[field as keyof typeof facts])]);
