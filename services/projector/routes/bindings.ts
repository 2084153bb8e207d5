// Reading provider bindings: which vendors' models implement what, and one of them.
import { z } from 'zod';
import type { Principal } from '#events/access.ts';
import { bindingStatuses } from '#events/model/binding-events.ts';
import type { Binding } from '#events/model/binding-row.ts';
import { bindingResource } from '#events/model/resource.ts';
import { isDigits } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery } from '../lists.ts';
import { asOfQuery, freshnessQuery } from './freshly.ts';
import { partPath, partsOf } from './parts-of-models.ts';
import { filterText, isAsked, where } from './reading.ts';
import type { Reading } from './reading.ts';

const bindingsQuery = z.strictObject({
  provider: filterText.optional(),
  status: z.enum(bindingStatuses).optional(),
  /** An id, or a serial. */
  version_id: z
    .union(
      [z.uuid(), z.string().regex(/^[0-9]{1,9}$/)],
      'must be the id or the serial of a version',
    )
    .optional(),
  ...pageQuery,
  ...freshnessQuery,
  ...asOfQuery,
});

export function bindingReadRoutes(server: HttpServer, reading: Reading): void {
  const { log } = reading;
  const bindings = partsOf<Binding>(reading, {
    noun: 'binding',
    view: 'bindings',
    id: 'binding_id',
    only: { sql: 'not p.is_removed', holds: ({ removed_at }) => removed_at === null },
    missing: (id) => new Problem('binding_not_found', { binding_id: id }),
    resource: bindingResource,
    inState: (state) => state.bindings.values(),
    streamOf: log.findBinding,
  });

  /** @throws Problem `version_not_found` */
  async function versionIdOf({ tenant, sees }: Principal, version: string): Promise<string> {
    if (!isDigits(version)) return version;
    const found = await log.findSerial(tenant, 'version', Number(version));
    if (found === null || (sees !== null && !(await log.isInScope(found.stream, sees))))
      throw new Problem('version_not_found', { version });
    return found.version_id!;
  }

  server.get(
    '/bindings',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Provider bindings, the newest first',
        tags: ['bindings'],
        querystring: bindingsQuery,
      },
    },
    async ({ principal, url, query }, reply) => {
      const { provider, status } = query;
      const versionId = query.version_id && (await versionIdOf(principal, query.version_id));
      return await bindings.sendPage(reply, principal, `bindings ${url}`, query, {
        conditions: () => [
          ...where('p.provider = ?', provider),
          ...where('p.status = ?', status),
          ...where('p.version_id = ?', versionId),
        ],
        matches: (binding) =>
          isAsked(provider, binding.provider) &&
          isAsked(status, binding.status) &&
          isAsked(versionId, binding.version_id),
      });
    },
  );

  server.get(
    '/bindings/:id',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'One provider binding',
        tags: ['bindings'],
        params: partPath,
        querystring: z.strictObject({ ...freshnessQuery, ...asOfQuery }),
      },
    },
    async ({ principal, params, query }, reply) =>
      await bindings.sendOne(reply, principal, params.id, query),
  );
}
