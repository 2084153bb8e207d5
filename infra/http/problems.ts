// Every way the registry says no over HTTP: a closed list of codes, answered as RFC 9457 problem documents.

const codes = {
  malformed: { status: 400, title: 'The request cannot be read' },
  unauthenticated: { status: 401, title: 'A valid API key or token is needed' },
  forbidden: { status: 403, title: 'The caller does not have the permission' },
  not_found: { status: 404, title: 'There is nothing here' },
  model_not_found: { status: 404, title: 'There is no such model' },
  version_not_found: { status: 404, title: 'There is no such version' },
  no_version_in_stage: { status: 404, title: 'The model has no version in this stage' },
  deployment_not_found: { status: 404, title: 'There is no such deployment' },
  binding_not_found: { status: 404, title: 'There is no such binding' },
  alias_not_found: { status: 404, title: 'The model has no such alias' },
  hold_not_found: { status: 404, title: 'There is no such hold' },
  event_not_found: { status: 404, title: 'There is no such event' },
  tenant_exists: { status: 409, title: 'There is such a tenant already' },
  tenant_not_found: { status: 404, title: 'There is no such tenant' },
  role_binding_not_found: { status: 404, title: 'The subject does not have this role there' },
  too_many_bindings: { status: 409, title: 'The subject has as many roles as one may have' },
  granted_to_self: { status: 403, title: 'Nobody grants a role to themselves' },
  api_key_needed: { status: 403, title: 'Only an API key is turned into an access token' },
  tokens_not_set_up: {
    status: 501,
    title: 'There are no access tokens here: SECRET_KEY is not set',
  },
  key_not_found: { status: 404, title: 'There is no such key' },
  last_admin_key: {
    status: 409,
    title:
      'It is the last key in force that issues others; issue one first, then revoke this with it',
  },
  name_taken: { status: 409, title: 'The name is taken by another model' },
  version_exists: { status: 409, title: 'The model has such a version already' },
  illegal_transition: { status: 409, title: 'There is no way from here to there' },
  in_use: { status: 409, title: 'The version is in use' },
  version_retired: { status: 409, title: 'The version is deprecated or archived' },
  promotion_not_found: { status: 404, title: 'There is no such promotion request' },
  skip_not_allowed: { status: 409, title: 'The policy allows no skip; promote to staging first' },
  artifact_unusable: { status: 409, title: 'The bytes of the version are quarantined or gone' },
  digest_required: {
    status: 422,
    title: 'The policy asks for bytes that can be told from others: a digest, and where they are',
  },
  not_ready: { status: 409, title: 'The version is not approved as fit; have it approved first' },
  gates_failed: {
    status: 409,
    title: 'A gate of the policy fails; `failed_gates` says what was measured and what is asked',
  },
  approvals_missing: {
    status: 409,
    title: 'Approvals are missing; request the promotion, and let others approve it',
  },
  break_glass_forbidden: { status: 403, title: 'The policy forbids to break the glass' },
  reason_required: { status: 422, title: 'This is done with a reason, or not at all' },
  not_independent: {
    status: 403,
    title: 'Four eyes: the approval would not count; somebody else must give it',
  },
  promotion_open: { status: 409, title: 'The version has a live request for this stage' },
  promotion_ended: { status: 409, title: 'The promotion request has ended' },
  policy_bound: {
    status: 409,
    title: 'A wider scope asks for more; a narrower one may only tighten',
  },
  loosening_forbidden: { status: 403, title: 'Only an admin of the tenant may loosen a policy' },
  keep_needs_multi_production: {
    status: 422,
    title: 'What is displaced stays in production only where there may be several',
  },
  model_inactive: { status: 409, title: 'The model is not active' },
  not_deployed: { status: 409, title: 'The deployment takes no traffic, as it is not deployed' },
  nothing_to_roll_back_to: {
    status: 409,
    title: 'There is nothing to go back to: no other version was there before',
  },
  never_in_production: {
    status: 409,
    title: 'Only a version that was in production is rolled back to; promote it',
  },
  too_many_aliases: { status: 409, title: 'The model has as many aliases as one may have' },
  too_many_holds: { status: 409, title: 'The version has as many holds as one may have' },
  rollback_unsafe: { status: 409, title: 'The version must not come back' },
  environment_protected: {
    status: 409,
    title: 'Only production versions are deployed to this environment; promote it first',
  },
  pointer_protected: {
    status: 409,
    title: 'The policy lets only production versions be named so; promote it first',
  },
  plan_not_found: { status: 404, title: 'There is no such plan of retention' },
  plan_expired: { status: 409, title: 'The plan has expired; make another' },
  policy_moved: {
    status: 409,
    title: 'The policy is not the one that this was judged by; judge again',
  },
  conflict: { status: 409, title: 'The model changed at the same time; try again' },
  precondition_failed: { status: 412, title: 'The stream version is not the one in If-Match' },
  too_slow: { status: 408, title: 'The request did not come in time' },
  too_large: { status: 413, title: 'The request is too large' },
  headers_too_large: { status: 431, title: 'The headers of the request are too large' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  invalid: { status: 422, title: 'The request is well formed but invalid' },
  reserved_name: { status: 422, title: 'The name means something else in a path' },
  label_not_its_number: {
    status: 422,
    title: 'A label of digits must be the number that the version gets',
  },
  traffic_invalid: { status: 422, title: 'The share of traffic does not fit the strategy' },
  immutable: { status: 422, title: 'These fields cannot be changed' },
  as_of_too_wide: {
    status: 422,
    title: 'There were too many models then to go over all; ask for one model, or read GET /events',
  },
  time_in_future: { status: 422, title: 'The time has not come yet' },
  time_in_past: { status: 422, title: 'The time is over already' },
  role_above_own: { status: 403, title: 'Nobody gives or takes a role above their own' },
  key_reused: { status: 422, title: 'The Idempotency-Key was used for another request' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  internal: {
    status: 500,
    title: 'The registry failed; the request may or may not have been recorded',
  },
  overloaded: { status: 503, title: 'Nothing happened; try again later' },
  in_doubt: {
    status: 503,
    title: 'The command may have been recorded; ask again with the same Idempotency-Key',
  },
  position_not_reached: { status: 504, title: 'The view has not reached the position in time' },
} as const;

export type ProblemCode = keyof typeof codes;
export const problemCodes = Object.keys(codes) as ProblemCode[];

/** Seconds after which a client that was told to come back should do so. */
const retryAfterSeconds = 1;

/** One fault of an invalid request: where (a JSON pointer into body, or `?name` of the query) and why. */
export type Fault = { pointer: string; message: string };

/** A refusal on its way to the client; thrown by handlers, answered by the server. */
export class Problem extends Error {
  override name = 'Problem';
  readonly code: ProblemCode;
  readonly status: number;
  readonly facts: object;
  /** What was asked of which stream, where a command was refused; the stream alone where none was decided. */
  about: { action?: string; stream: string } | null = null;

  constructor(code: ProblemCode, facts: object = {}, options?: { cause?: unknown }) {
    super(codes[code].title, options);
    this.code = code;
    this.status = codes[code].status;
    this.facts = facts;
  }

  /** The document of RFC 9457, with the code and the facts as its extensions. */
  document(): object {
    return {
      type: `urn:modelog:problem:${this.code}`,
      title: this.message,
      status: this.status,
      code: this.code,
      ...this.facts,
    };
  }

  /** For those that may be asked again. */
  get retryAfterSeconds(): number | null {
    return this.status === 503 || this.status === 429 ? retryAfterSeconds : null;
  }
}

export const statusOf = (code: ProblemCode): number => codes[code].status;
