// Four eyes: who may agree to what others did. People are compared by subject; a declared name can exclude, never include.
import { may } from '../access.ts';
import type { HeldRole, Role } from '../access.ts';
import type { Actor } from '../envelope.ts';
import type { Judged } from './evidence.ts';

/** Who asks, as four eyes compare people: by subject, with the strongest role held there and who it came from. */
export type Asker = HeldRole & {
  subject: string;
  type: Actor['type'];
  declared_by: string | null;
  /** What else is held there: a role that does for something may have come from somebody else. */
  other_roles?: readonly HeldRole[];
};

export type Dependence =
  | 'service'
  | 'requested'
  | 'registered'
  | 'changed_evidence'
  | 'acts_by_grant_of_requester'
  | 'acts_by_grant_of_registrar'
  | 'acts_by_grant_of_evidence_changer';

/** Whose word is judged, with the subjects through whose hands the key or the role in use came. */
type Person = Pick<Asker, 'subject' | 'type' | 'granted_by'>;
type Involved = Pick<Actor, 'subject' | 'declared_by'>;

const isNamedBy = (subject: string, { subject: own, declared_by }: Involved): boolean =>
  subject === own || subject === declared_by;

/** Why somebody's word on what these did does not count; null if it does. */
function dependence(
  person: Person,
  involved: readonly { actor: Involved; did: Dependence; granted: Dependence }[],
): Dependence | null {
  if (person.type !== 'user') return 'service';
  for (const { actor, did, granted } of involved) {
    if (isNamedBy(person.subject, actor)) return did;
    if (person.granted_by.some((giver) => isNamedBy(giver, actor))) return granted;
  }
  return null;
}

/** Somebody once for each role that would do, the strongest first: no role counts less for another that was given beside it. */
const actingBy = (asker: Asker, suffices: (role: Role) => boolean): readonly Asker[] =>
  [asker, ...(asker.other_roles ?? []).map((held) => ({ ...asker, ...held }))].filter(({ role }) =>
    suffices(role),
  );

const registrarOf = (actor: Involved) =>
  ({
    actor,
    did: 'registered',
    granted: 'acts_by_grant_of_registrar',
  }) as const;

const supplierOfEvidence = (actor: Involved) =>
  ({
    actor,
    did: 'changed_evidence',
    granted: 'acts_by_grant_of_evidence_changer',
  }) as const;

/** Whether a person's approval of a promotion counts, as things stand. */
export const whyApprovalDoesNotCount = (
  person: Person,
  requestedBy: Involved,
  version: Pick<Judged, 'supplied_by'> & { created_by: Actor },
): Dependence | null =>
  dependence(person, [
    {
      actor: requestedBy,
      did: 'requested',
      granted: 'acts_by_grant_of_requester',
    },
    registrarOf(version.created_by),
    ...Object.values(version.supplied_by).map(supplierOfEvidence),
  ]);

/** Whether a person may say that a version is fit: not who registered it. */
export function whyAssessmentDoesNotCount(
  asker: Asker,
  { created_by }: { created_by: Actor },
): Dependence | null {
  const because = actingBy(asker, (role) => role === asker.role || may(role, 'version:assess')).map(
    (person) => dependence(person, [registrarOf(created_by)]),
  );
  return because.includes(null) ? null : because[0]!;
}

/** Roles that may do what an approver may, and an admin. */
const approving: Record<'approver' | 'admin', readonly Role[]> = {
  approver: ['approver', 'admin'],
  admin: ['admin'],
};
export const rolesThatApprove = (required: 'approver' | 'admin'): readonly Role[] =>
  approving[required];

/** Somebody by each of their roles that may approve. */
export const actingAsApprover = (asker: Asker, required: 'approver' | 'admin'): readonly Asker[] =>
  actingBy(asker, (role) => approving[required].includes(role === 'system_admin' ? 'admin' : role));
