// Reading what belongs to a model and has an id of its own: deployments, bindings, promotion requests. Each is a row, shown with
// the name of its model and how far that is.
import { z } from 'zod';
import { maySee } from '#events/access.ts';
import type { Place, Principal } from '#events/access.ts';
import { Problem } from '#infra/http/problems.ts';
import { readList } from '../lists.ts';
import type { ListOf, PageQuery } from '../lists.ts';
import { encodedPage, seenBy, shown, where } from './reading.ts';
import type { Reading } from './reading.ts';

/** What a part's answer shows of its model. */
type ModelOfPart = { name: string; stream_version: number; position: number };

type Kind<Part> = {
  /** In the name of the prepared statement. */
  noun: string;
  view: 'bindings' | 'deployments' | 'promotion_requests';
  /** A column of the view; ids are UUIDv7, so the newest is the greatest. */
  id: 'binding_id' | 'deployment_id' | 'promotion_request_id';
  /** On a row `p`, what is shown at all. */
  only?: string;
  missing: (id: string) => Problem;
  resource: (part: Part, model: ModelOfPart) => { stream_version: number };
};

type Row = { state: string; name: string; stream_version: number; position: string };

export const partPath = z.strictObject({ id: z.uuid() });

/** How parts of a kind are listed and found; conditions are on a row `p` of its view. */
export function partsOf<Part extends { model_id: string }>(reading: Reading, kind: Kind<Part>) {
  const { reader, find } = reading;
  const { view, id: idColumn, only } = kind;
  const from = `views.${view}_gN p,
    lateral (select name, team, project, stream_version, position from views.models_gN where model_id = p.model_id limit 1) m`;
  const columns = 'p.state, m.name, m.stream_version, m.position';

  function resourceOf(tenant: string, { state, name, stream_version, position }: Row) {
    const part = JSON.parse(state) as Part;
    const model = { name, stream_version, position: Number(position) };
    return shown(reader, tenant, part.model_id, kind.resource(part, model));
  }

  return {
    /** A page of those that the caller may see, the newest first, as JSON. */
    async page(
      caller: Principal,
      query: PageQuery,
      conditions: ListOf['conditions'],
    ): Promise<string> {
      const list: ListOf = {
        from,
        columns,
        conditions: [
          ...where('p.tenant = ?', caller.tenant),
          ...(only === undefined ? [] : where(only)),
          ...conditions,
        ],
        seen: seenBy(caller),
        order: { column: `p.${idColumn}`, type: 'uuid', direction: 'desc' },
        total: null,
      };
      const page = await readList<Row>(reader, query, list);
      return encodedPage(page, (row) => resourceOf(caller.tenant, row));
    },

    /** @throws Problem that says that there is none; the same for one that the caller may not see */
    async one(caller: Principal, id: string) {
      const [row] = await reader.rows<Row & Place>({
        name: kind.noun,
        text: `select ${columns}, m.team, m.project from ${from}
               where p.tenant = $1 and p.${idColumn} = $2 and ${only ?? 'true'}`,
        values: [caller.tenant, id],
      });
      if (row === undefined || !maySee(caller, row)) throw kind.missing(id);
      return resourceOf(caller.tenant, row);
    },

    /**
     * The condition for a filter by model, however it is named; none where there is no filter.
     * @throws Problem `model_not_found`
     */
    async ofModel(caller: Principal, model: string | undefined): Promise<ListOf['conditions']> {
      if (model === undefined) return [];
      const found = await find.model(caller, model);
      if (found === null) throw new Problem('model_not_found', { model });
      return where('p.model_id = ?', found.model_id);
    },
  };
}
