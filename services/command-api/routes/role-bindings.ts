// Role bindings: who holds which role beside their key's, in the whole tenant, a team or a project.
import { z } from 'zod';
import { boundRoles, may, parseScope } from '#events/access.ts';
import type { BoundRole, Principal, Scope } from '#events/access.ts';
import { isStorableText, tenantStream } from '#events/names.ts';
import { bindingKey } from '#events/tenant/tenant.ts';
import type { RoleBinding, TenantCommand } from '#events/tenant/tenant.ts';
import type { KeyEffect } from '#events/log.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpServer } from '#infra/http/server.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Ask } from '../ask/ask.ts';
import { ownSubjectPrefix } from '../bootstrap.ts';
import { prose, word } from '../fields.ts';
import { tenantKind } from '../kinds.ts';
import { commandHead, giverOf } from '../request.ts';
import type { Streams } from '../streams.ts';
import { noQuery, pageSize } from './query.ts';
import { askTenant } from './tenant-asking.ts';

const scope = word.transform((text, context): Scope => {
  const parsed = parseScope(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: 'custom', message: 'must be tenant, team:<name> or project:<name>' });
  return z.NEVER;
});
const subject = word
  .refine(isStorableText, 'must be well-formed Unicode without NUL')
  .refine(
    (text) => !text.startsWith(ownSubjectPrefix),
    `must not begin with "${ownSubjectPrefix}", as the registry's own do`,
  );
const binding = { subject, role: z.enum(boundRoles), scope };

const grantBody = z.strictObject({ ...binding, reason: prose.nullish() });
const revokeQuery = z.strictObject({ ...binding, reason: prose.optional() });
const listQuery = z.strictObject({
  subject: word.optional(),
  scope: scope.optional(),
  page_size: pageSize,
  page_token: z.string().max(2_048).optional(),
});
type Binding = { subject: string; role: BoundRole; scope: Scope };

/** Whether somebody manages the roles of a scope; each sees those that they manage. */
const manages = (principal: Principal, where: Scope): boolean =>
  principal.everywhere.has('role:manage') ||
  principal.grants.some((grant) => grant.scope === where && may(grant.role, 'role:manage'));

const tokenOf = (one: Binding): string => Buffer.from(bindingKey(one)).toString('base64url');

export function roleBindingRoutes(
  server: HttpServer,
  { ask, streams }: { ask: Ask; streams: Streams },
): void {
  async function submit(
    request: FastifyRequest,
    reply: FastifyReply,
    reason: string | null,
    command: Extract<TenantCommand, { type: 'GrantRole' | 'RevokeRole' }>,
  ): Promise<FastifyReply> {
    const head = commandHead(request, { reason });
    const { subject: whose, role, scope: where } = command;
    const isGrant = command.type === 'GrantRole';
    const effect: KeyEffect = {
      effect: isGrant ? 'grant' : 'ungrant',
      tenant: head.tenant,
      subject: whose,
      role,
      scope: where,
    };
    return await askTenant(ask, reply, head, 200, command, [effect], (state, events) => ({
      subject: whose,
      role,
      scope: where,
      ...(isGrant ? givenBy(state.bindings.get(bindingKey(command))) : { revoked: true }),
      position: events[0]?.position ?? null,
      stream_version: state.stream_version,
    }));
  }

  server.put(
    '/role-bindings',
    {
      config: { permission: 'role:manage' },
      schema: {
        summary: 'Grant a role to a subject in a scope: tenant, team:<name> or project:<name>',
        tags: ['identity'],
        body: grantBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { reason, ...granted } = request.body;
      const by = giverOf(request.principal);
      return await submit(request, reply, reason ?? null, { type: 'GrantRole', ...granted, by });
    },
  );

  server.delete(
    '/role-bindings',
    {
      config: { permission: 'role:manage' },
      schema: {
        summary: 'Revoke a role; it holds within a second everywhere',
        tags: ['identity'],
        querystring: revokeQuery,
      },
    },
    async (request, reply) => {
      const { reason = null, ...revoked } = request.query;
      const by = giverOf(request.principal);
      return await submit(request, reply, reason, { type: 'RevokeRole', ...revoked, reason, by });
    },
  );

  server.get(
    '/role-bindings',
    {
      config: { permission: 'role:manage' },
      schema: {
        summary: 'List the roles that subjects hold in the scopes that the caller manages',
        tags: ['identity'],
        querystring: listQuery,
      },
    },
    async (request) => {
      const { principal, query } = request;
      const folded = await streams.load(tenantKind, tenantStream(principal.tenant));
      await streams.catchUp(tenantKind, folded);
      const all = [...folded.state.bindings.values()].filter(
        (one) =>
          manages(principal, one.scope) &&
          (query.subject === undefined || one.subject === query.subject) &&
          (query.scope === undefined || one.scope === query.scope),
      );
      const token = query.page_token;
      const before = token === undefined ? -1 : all.findIndex((one) => tokenOf(one) === token);
      if (token !== undefined && before === -1)
        throw new Problem('invalid', {
          errors: [{ pointer: '?page_token', message: 'is not a page_token of this list' }],
        });
      const page = all.slice(before + 1, before + 1 + query.page_size);
      const isLast = before + 1 + page.length >= all.length;
      return {
        items: page,
        next_page_token: isLast ? null : tokenOf(page.at(-1)!),
        total_count: all.length,
      };
    },
  );
}

/** Who gave a role and when; nothing where it was revoked again before a repeated request was answered. */
const givenBy = (one: RoleBinding | undefined): Partial<RoleBinding> =>
  one === undefined ? {} : { granted_at: one.granted_at, granted_by: one.granted_by };
