// Reading provider bindings: which vendors' models implement what, and one of them.
import { z } from 'zod';
import { maySee } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import { bindingStatuses } from '#events/model/binding-events.ts';
import type { Binding } from '#events/model/binding-row.ts';
import { bindingResource } from '#events/model/resource.ts';
import { isDigits } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { pageQuery } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import { partPath, partsOf } from './parts-of-models.ts';
import { filterText, sendJson, sendResource, where } from './reading.ts';
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
});

export function bindingReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, findSerial, freshness, share } = reading;
  const bindings = partsOf<Binding>(reading, {
    noun: 'binding',
    view: 'bindings',
    id: 'binding_id',
    only: 'not p.is_removed',
    missing: (id) => new Problem('binding_not_found', { binding_id: id }),
    resource: bindingResource,
  });

  /** @throws Problem `version_not_found` */
  async function versionIdOf(caller: Principal, version: string): Promise<string> {
    if (!isDigits(version)) return version;
    const found = await findSerial(caller.tenant, 'version', Number(version));
    const modelId = found?.stream.split(':').at(-1);
    const [row] =
      modelId === undefined
        ? []
        : await reader.rows<{ version_id: string } & Place>({
            name: 'version id of a number',
            text: `select v.version_id, m.team, m.project from views.versions_gN v join views.models_gN m using (model_id)
                   where v.model_id = $1 and v.number = $2`,
            values: [modelId, found!.number],
          });
    if (row === undefined || !maySee(caller, row))
      throw new Problem('version_not_found', { version });
    return row.version_id;
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
    async (request, reply) => {
      const { query, principal, url } = request;
      await waitUntilFresh(freshness, query, reply);
      const json = await share(principal, `bindings ${url}`, async () => {
        const versionId =
          query.version_id === undefined
            ? undefined
            : await versionIdOf(principal, query.version_id);
        return await bindings.page(principal, query, [
          ...where('p.provider = ?', query.provider),
          ...where('p.status = ?', query.status),
          ...where('p.version_id = ?', versionId),
        ]);
      });
      return sendJson(reply, json);
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
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      await waitUntilFresh(freshness, request.query, reply);
      return sendResource(reply, await bindings.one(request.principal, request.params.id));
    },
  );
}
