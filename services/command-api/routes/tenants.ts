// Tenants, made and listed by those above them. A new one comes with the key of its first admin, shown once.
import type { Pool } from 'pg';
import { z } from 'zod';
import { isStorableText, tenantSchema } from '#events/names.ts';
import { newSecret, secretHash } from '#infra/auth/keys.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import { listTenants } from '#infra/postgres/tenants.ts';
import type { Ask } from '../ask/ask.ts';
import { ownSubjectPrefix } from '../bootstrap.ts';
import { prose, word } from '../fields.ts';
import { commandHead } from '../request.ts';
import { noQuery, pageSize } from './query.ts';
import { askTenant } from './tenant-asking.ts';

const newTenantBody = z.strictObject({
  id: tenantSchema,
  name: word.refine(isStorableText, 'must be well-formed Unicode without NUL').optional(),
  admin_subject: word
    .refine(isStorableText, 'must be well-formed Unicode without NUL')
    .refine(
      (subject) => !subject.startsWith(ownSubjectPrefix),
      `must not begin with "${ownSubjectPrefix}", as the registry's own do`,
    ),
  reason: prose.nullish(),
});
const tenantsQuery = z.strictObject({
  page_size: pageSize,
  page_token: tenantSchema.optional(),
});

export function tenantRoutes(server: HttpServer, { ask, pool }: { ask: Ask; pool: Pool }): void {
  server.post(
    '/tenants',
    {
      config: { permission: 'tenant:manage' },
      schema: {
        summary: "Make a tenant; the answer shows its first admin's key, once",
        tags: ['identity'],
        body: newTenantBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { id, name = id, admin_subject, reason } = request.body;
      const head = { ...commandHead(request, { reason }), tenant: id };
      const secret = head.dry_run ? null : newSecret();
      const first_key = {
        key_id: newId(),
        subject: admin_subject,
        subject_type: 'user',
        role: 'admin',
        description: 'the first key of the tenant',
        expires_at: null,
      } as const;
      return await askTenant(
        ask,
        reply,
        head,
        201,
        { type: 'CreateTenant', tenant_id: id, name, first_key },
        secret === null
          ? []
          : [{ effect: 'issue', sha256: secretHash(secret), tenant: id, ...first_key }],
        (state, events) => {
          const created = events.find((event) => event.type === 'tenant.created');
          const issued = events.find((event) => event.type === 'api_key.issued');
          // a repeated request is told of the key that the first issued, whose secret nobody knows any more
          const isFirst = issued?.data.key_id === first_key.key_id;
          return {
            id,
            name: created?.data.name ?? name,
            created_at: created?.recorded_at ?? null,
            admin_key: {
              id: issued?.data.key_id ?? null,
              subject: issued?.data.subject ?? null,
              role: 'admin',
              secret: isFirst ? secret : null,
            },
            stream_version: state.stream_version,
            position: events.at(-1)?.position ?? null,
          };
        },
      );
    },
  );

  server.get(
    '/tenants',
    {
      config: { permission: 'tenant:manage' },
      schema: { summary: 'List the tenants by id', tags: ['identity'], querystring: tenantsQuery },
    },
    async (request) => {
      const { page_size, page_token = '' } = request.query;
      const { rows, total } = await listTenants(pool, page_token, page_size + 1);
      const items = rows.slice(0, page_size);
      return {
        items,
        next_page_token: rows.length > page_size ? items.at(-1)!.id : null,
        total_count: total,
      };
    },
  );
}
