// API keys: issued with a role, listed without their secrets, revoked at once.
import { z } from 'zod';
import { roles } from '#events/access.ts';
import { tenantSchema, tenantStream } from '#events/names.ts';
import type { ApiKey, TenantState } from '#events/tenant/tenant.ts';
import { newId } from '#infra/ids.ts';
import { newSecret, secretHash } from '#infra/auth/keys.ts';
import { forbidden } from '#infra/http/forbidden.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Ask } from '../ask/ask.ts';
import { ownSubjectPrefix } from '../bootstrap.ts';
import { prose, time, word } from '../fields.ts';
import { tenantKind } from '../kinds.ts';
import { commandHead, giverOf } from '../request.ts';
import type { Streams } from '../streams.ts';
import { noQuery, pageSize } from './query.ts';
import { askTenant } from './tenant-asking.ts';

const newKeyBody = z.strictObject({
  subject: word.refine(
    (subject) => !subject.startsWith(ownSubjectPrefix),
    `must not begin with "${ownSubjectPrefix}", as the registry's own do`,
  ),
  subject_type: z.enum(['user', 'service']).default('user'),
  role: z.enum(roles),
  description: prose.nullish(),
  expires_at: time.nullish(),
  /** Another than the caller's, for a system admin to name. */
  tenant: tenantSchema.optional(),
  reason: prose.nullish(),
});
const keyPath = z.strictObject({ id: z.uuid() });

/** What is shown of a key; its secret is shown once, by the answer that issued it. */
const keyResource = (key: ApiKey, state: TenantState) => ({
  id: key.key_id,
  subject: key.subject,
  subject_type: key.subject_type,
  role: key.role,
  description: key.description,
  expires_at: key.expires_at,
  issued_at: key.issued_at,
  issued_by: key.issued_by,
  revoked_at: key.revoked_at,
  stream_version: state.stream_version,
});

export function keyRoutes(
  server: HttpServer,
  { ask, streams }: { ask: Ask; streams: Streams },
): void {
  server.post(
    '/api-keys',
    {
      config: { permission: 'key:manage' },
      schema: {
        summary: 'Issue a key; the answer shows the secret, once',
        tags: ['identity'],
        body: newKeyBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { principal } = request;
      const { reason, tenant = principal.tenant, ...fields } = request.body;
      if (tenant !== principal.tenant && !principal.everywhere.has('tenant:manage'))
        throw forbidden('tenant:manage');
      const by = giverOf(principal);
      const head = { ...commandHead(request, { reason }), tenant };
      const secret = head.dry_run ? null : newSecret();
      const key_id = newId();
      const data = {
        key_id,
        ...fields,
        description: fields.description ?? null,
        expires_at: fields.expires_at ?? null,
      };
      return await askTenant(
        ask,
        reply,
        head,
        201,
        (at) => ({ type: 'IssueApiKey', at, by, ...data }),
        secret === null
          ? []
          : [{ effect: 'issue', sha256: secretHash(secret), tenant: head.tenant, ...data }],
        (state, events) => {
          const issued = events.find((event) => event.type === 'api_key.issued');
          const id = issued?.data.key_id ?? key_id;
          // a repeated request is told of the key that it issued, whose secret nobody knows any more
          const shown = id === key_id ? { secret } : { secret: null };
          return {
            ...keyResource(state.keys.get(id)!, state),
            ...shown,
            position: issued?.position ?? null,
          };
        },
      );
    },
  );

  server.get(
    '/api-keys',
    {
      config: { permission: 'key:manage' },
      schema: {
        summary: 'List the keys, without their secrets',
        tags: ['identity'],
        querystring: z.strictObject({
          page_size: pageSize,
          page_token: z.uuid().optional(),
        }),
      },
    },
    async (request) => {
      const { page_size, page_token } = request.query;
      const folded = await streams.load(tenantKind, tenantStream(request.principal.tenant));
      await streams.catchUp(tenantKind, folded);
      const all = [...folded.state.keys.values()];
      const from =
        page_token === undefined ? 0 : all.findIndex((key) => key.key_id === page_token) + 1;
      const page = all.slice(from, from + page_size);
      return {
        items: page.map((key) => keyResource(key, folded.state)),
        next_page_token: from + page.length < all.length ? page.at(-1)!.key_id : null,
        total_count: all.length,
      };
    },
  );

  server.delete(
    '/api-keys/:id',
    {
      config: { permission: 'key:manage' },
      schema: {
        summary: 'Revoke a key; it holds within a second everywhere',
        tags: ['identity'],
        params: keyPath,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const head = commandHead(request, null);
      const { id } = request.params;
      return await askTenant(
        ask,
        reply,
        head,
        200,
        (at) => ({
          type: 'RevokeApiKey',
          at,
          by: giverOf(request.principal),
          key_id: id,
          reason: null,
        }),
        [{ effect: 'revoke', key_id: id }],
        (state, events) => ({
          ...keyResource(state.keys.get(id)!, state),
          position: events[0]?.position ?? null,
        }),
      );
    },
  );
}
