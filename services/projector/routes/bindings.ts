// Reading provider bindings: which vendors' models implement what, and one of them.
import { z } from 'zod';
import { bindingStatuses } from '#events/model/binding-events.ts';
import type { Binding } from '#events/model/binding-row.ts';
import { bindingResource } from '#events/model/resource.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery } from '../lists.ts';
import { freshnessQuery } from './freshly.ts';
import { partPath, partsOf } from './parts-of-models.ts';
import { filterText, isAsked, where } from './reading.ts';
import type { Reading } from './reading.ts';
import { idOrSerial, versionIdOf } from './version-ids.ts';

const bindingsQuery = z.strictObject({
  provider: filterText.optional(),
  status: z.enum(bindingStatuses).optional(),
  version_id: idOrSerial('version').optional(),
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
    idOf: ({ binding_id }) => binding_id,
    only: { sql: 'not p.is_removed', holds: ({ removed_at }) => removed_at === null },
    missing: (id) => new Problem('binding_not_found', { binding_id: id }),
    resource: bindingResource,
    inState: (state) => state.bindings.values(),
    streamOf: (tenant, id) => reading.log.findPart(tenant, 'binding', id),
  });

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
      const versionId = query.version_id && (await versionIdOf(log, principal, query.version_id));
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
