// What every write request says beside its body: who, under which key, on which version, traced how.
import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { v5 as uuidv5 } from 'uuid';
import type { Principal } from '#events/access.ts';
import type { Actor } from '#events/envelope.ts';
import type { Common } from '#events/model/commands.ts';
import { openPolicy } from '#events/policy/policy.ts';
import { isUuid } from '#events/names.ts';
import type { Giver } from '#events/tenant/tenant.ts';
import { newId } from '#infra/ids.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Answered } from './ask/asked.ts';

/** The namespace under which command ids are made from (source, tenant, subject, key). */
const commandIdNamespace = 'b6f1a6f0-5d0b-4a0e-9c1c-2f6a3f0d7e51';
const idempotencyKeyCharactersMax = 255;
const correlationIdCharactersMax = 255;
const ifMatchPattern = /^"(?<version>\d{1,9})"$/;
const traceparentPattern = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The same source, tenant, subject and key always give the same command id, however often they come. */
export const commandIdOf = (
  source: 'http' | 'training' | 'training-told' | 'retention',
  tenant: string,
  subject: string,
  key: string,
): string =>
  uuidv5([source, tenant, subject, key].map(encodeURIComponent).join(':'), commandIdNamespace);

export const actorOf = (principal: Principal, declaredBy: string | null | undefined): Actor => ({
  subject: principal.subject,
  type: principal.subject_type,
  auth_method: principal.auth_method,
  key_id: principal.key_id,
  declared_by: declaredBy ?? null,
});

/** As who somebody gives keys and roles: with what they hold themselves, not with what was bound to them, which the rules know. */
export const giverOf = ({ subject, key_id, own }: Principal): Giver => ({ subject, key_id, own });

const invalidHeader = (name: string, message: string): Problem =>
  new Problem('invalid', { errors: [{ pointer: `/headers/${name}`, message }] });

/** What a body may say of a command beside what it asks. */
export type Said =
  | { reason?: string | null | undefined; declared_by?: string | null | undefined }
  | null
  | undefined;

export type CommandHead = ReturnType<typeof commandHead>;

/** The part of a command that the headers give. */
export function commandHead(request: FastifyRequest, body: Said) {
  const { principal, headers } = request;
  const key = headers['idempotency-key'];
  if (
    key !== undefined &&
    (typeof key !== 'string' || key === '' || key.length > idempotencyKeyCharactersMax)
  )
    throw invalidHeader(
      'idempotency-key',
      `must have 1 to ${idempotencyKeyCharactersMax} characters`,
    );
  const correlation = headers['x-correlation-id'];
  if (
    correlation !== undefined &&
    (typeof correlation !== 'string' || correlation.length > correlationIdCharactersMax)
  )
    throw invalidHeader(
      'x-correlation-id',
      `must have at most ${correlationIdCharactersMax} characters`,
    );
  const { traceparent } = headers;
  // a dry run leaves no record, so that the same key is free for the run in earnest
  const isRecorded = key !== undefined && !request.isDryRun;
  return {
    tenant: principal.tenant,
    actor: actorOf(principal, body?.declared_by),
    principal,
    missing: () => missing(request),
    dry_run: request.isDryRun,
    command_id: isRecorded
      ? commandIdOf('http', principal.tenant, principal.subject, key)
      : newId(),
    request_hash: isRecorded ? requestHash(request) : null,
    expected_version: ifMatch(headers['if-match']),
    reason: body?.reason ?? null,
    correlation_id: correlation ?? null,
    traceparent:
      typeof traceparent === 'string' && traceparentPattern.test(traceparent) ? traceparent : null,
    bytes: request.bodyBytes,
  };
}

/** What is not there, where a path names it by an id. */
const missingById = {
  deployments: { code: 'deployment_not_found', fact: 'deployment_id' },
  bindings: { code: 'binding_not_found', fact: 'binding_id' },
  holds: { code: 'hold_not_found', fact: 'hold_id' },
  'promotion-requests': { code: 'promotion_not_found', fact: 'promotion_request_id' },
  versions: { code: 'version_not_found', fact: 'version' },
} as const;

/**
 * What is answered where there is nothing by the name that the request gives: the same that the search for the name
 * answers, so that nobody can tell what they may not see from what is not there.
 */
function missing({ params, body, routeOptions }: FastifyRequest): Problem {
  const { model, id } = (params ?? {}) as { model?: string; id?: string };
  const noun = /\/([a-z-]+)\/:id\b/.exec(routeOptions.url ?? '')?.[1];
  if (id !== undefined && noun !== undefined && Object.hasOwn(missingById, noun)) {
    const { code, fact } = missingById[noun as keyof typeof missingById];
    return new Problem(code, { [fact]: id });
  }
  const named = (body ?? {}) as Partial<
    Record<'model' | 'model_name' | 'model_id' | 'version_id', string | number>
  >;
  const asked = model ?? named.model_name ?? named.model_id ?? named.model;
  if (asked === undefined && named.version_id !== undefined)
    return new Problem('version_not_found', { version: String(named.version_id) });
  // an id leads to its stream without a search, so nothing is said of it
  return new Problem(
    'model_not_found',
    asked === undefined || isUuid(String(asked)) ? {} : { model: asked },
  );
}

/** What a decision is told of who asks, until it is known where the model stands. */
type Asking = Pick<Principal, 'role' | 'issued_by'>;

/** What every command on a model is told beside what it asks. */
export const commonOf = (
  { actor, principal, reason }: { actor: Actor; principal: Asking; reason: string | null },
  at: string,
): Common => ({
  at,
  reason,
  asker: {
    subject: actor.subject,
    type: actor.type,
    declared_by: actor.declared_by,
    role: principal.role,
    granted_by: principal.issued_by === null ? [] : [principal.issued_by],
  },
  in_force: openPolicy,
});

function ifMatch(header: string | undefined): number | null {
  if (header === undefined || header === '*') return null;
  const version = ifMatchPattern.exec(header)?.groups?.['version'];
  if (version === undefined)
    throw invalidHeader('if-match', 'must be a quoted stream version, as "3"');
  return Number(version);
}

const prefix = '/api/v1';

/** Tells a repeat of a request from another one under the same key; the same call with and without the prefix is one. */
function requestHash(request: FastifyRequest): string {
  const { url } = request;
  const parts = [
    request.method,
    url.startsWith(`${prefix}/`) ? url : `${prefix}${url}`,
    request.headers['if-match'] ?? '',
    request.body ?? null,
  ];
  return hash('sha256', JSON.stringify(parts), 'base64url');
}

/** Sends a write's answer: the resource, its place in the log, and its ETag; of a dry run what it would have written beside. */
export function sendAnswer<Body extends object>(
  reply: FastifyReply,
  answered: Answered<Body>,
): FastifyReply {
  reply.code(answered.status).header('etag', `"${answered.stream_version}"`);
  if (answered.position > 0) reply.header('x-position', answered.position);
  return reply.send(bodyOf(answered));
}

/** What is sent of an answer. */
export const bodyOf = ({
  answer,
  would_write,
}: Pick<Answered<object>, 'answer' | 'would_write'>): object =>
  would_write === null ? answer : { dry_run: true, events: would_write, resource: answer };
