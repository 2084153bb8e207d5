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
import { pageQuery, readList } from '../lists.ts';
import type { ListOf } from '../lists.ts';
import { freshnessQuery, waitUntilFresh } from './freshly.ts';
import {
  encodedPage,
  filterText,
  seenBy,
  sendJson,
  sendResource,
  shown,
  where,
} from './reading.ts';
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

/** A binding with what its answer shows of its model. */
type Row = { state: string; name: string; stream_version: number; position: string };
const from =
  'views.bindings_gN b, lateral (select name, team, project, stream_version, position from views.models_gN where model_id = b.model_id limit 1) m';
const columns = 'b.state, m.name, m.stream_version, m.position';

function bindingsOf(
  caller: Principal,
  { provider, status }: Pick<z.infer<typeof bindingsQuery>, 'provider' | 'status'>,
  versionId: string | undefined,
): ListOf {
  return {
    from,
    columns,
    conditions: [
      ...where('b.tenant = ?', caller.tenant),
      ...where('not b.is_removed'),
      ...where('b.provider = ?', provider),
      ...where('b.status = ?', status),
      ...where('b.version_id = ?', versionId),
    ],
    seen: seenBy(caller),
    // Ids are UUIDv7: the newest first.
    order: { column: 'b.binding_id', type: 'uuid', direction: 'desc' },
    total: null,
  };
}

export function bindingReadRoutes(server: HttpServer, reading: Reading): void {
  const { reader, findSerial, freshness, share } = reading;

  const resourceOf = (tenant: string, { state, name, stream_version, position }: Row) => {
    const binding = JSON.parse(state) as Binding;
    const place = { name, stream_version, position: Number(position) };
    return shown(reader, tenant, binding.model_id, bindingResource(binding, place));
  };

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
      const { query, principal } = request;
      const { tenant } = principal;
      await waitUntilFresh(freshness, query, reply);
      const json = await share(request.principal, `bindings ${request.url}`, async () => {
        const versionId =
          query.version_id === undefined
            ? undefined
            : await versionIdOf(principal, query.version_id);
        const page = await readList<Row>(reader, query, bindingsOf(principal, query, versionId));
        return encodedPage(page, (row) => resourceOf(tenant, row));
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
        params: z.strictObject({ id: z.uuid() }),
        querystring: z.strictObject(freshnessQuery),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { tenant } = request.principal;
      await waitUntilFresh(freshness, request.query, reply);
      const [row] = await reader.rows<Row & Place>({
        name: 'binding',
        text: `select ${columns}, m.team, m.project from ${from} where b.tenant = $1 and b.binding_id = $2 and not b.is_removed`,
        values: [tenant, id],
      });
      if (row === undefined || !maySee(request.principal, row))
        throw new Problem('binding_not_found', { binding_id: id });
      return sendResource(reply, resourceOf(tenant, row));
    },
  );
}
