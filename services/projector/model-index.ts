// All models in memory by what they are listed by, so that a list of them is found, and counted to its end, without the database.
import type { Principal } from '#events/access.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { ListedModel } from './listed-model.ts';
import { pageOf, pageOfOrdered } from './lists.ts';
import type { ListPage, Order, PageQuery } from './lists.ts';
import { ModelColumns } from './model-columns.ts';
import type { Row } from './model-columns.ts';
import type { Reader } from './reader.ts';
import type { ModelFilters } from './routes/model-filters.ts';

/** A registry that takes more memory is listed by the database. 300,000 models with a few tags take as much. */
const bytesMax = 160_000_000;
/** Columns are as long as a tenant's highest serial. */
const serialMax = 300_000;
const loadedAtOnce = 1_000;
/** After a failure, or where what is served has changed: as streams that are parked one after another change it each time. */
const reloadAfterMs = 1_000;

const noModels = new ModelColumns();

/** A model on a page: which one, and the stream version at which it is there. */
export type ModelPlace = { stream: string; stream_version: number };

export type ModelIndex = {
  /** This process alone writes the views from here on, and tells of every change: the models that are there are read. */
  claimed: () => void;
  /** Models as they are after a batch that is committed. */
  changed: (models: readonly ListedModel[]) => void;
  /** Something else than the projection has changed the views: they are read again. */
  forget: () => void;
  /**
   * A page of the models that the caller may see, as the last change that was told left them; null while not all are
   * known, or where they are too many.
   * @throws Problem `invalid` for a page that cannot be
   */
  page: (
    caller: Pick<Principal, 'sees' | 'tenant'>,
    query: ModelFilters & PageQuery,
    order: Order,
  ) => ListPage<ModelPlace> | null;
  close: () => void;
};

export function openModelIndex(
  reader: Pick<Reader, 'rows'>,
  logger: Logger,
  limit = bytesMax,
): ModelIndex {
  let tenants = new Map<string, ModelColumns>();
  let bytes = 0;
  let state: 'closed' | 'unclaimed' | 'loading' | 'known' | 'too many' = 'unclaimed';
  /** Of the latest load: an earlier one that is still under way has nothing to say any more. */
  let loads = 0;

  function columnsOf(tenant: string): ModelColumns {
    const known = tenants.get(tenant);
    if (known !== undefined) return known;
    const columns = new ModelColumns();
    tenants.set(tenant, columns);
    bytes += columns.bytes;
    return columns;
  }

  function put(models: readonly ListedModel[]): void {
    for (const model of models) {
      const columns = columnsOf(model.tenant);
      const before = columns.bytes;
      if (model.serial <= serialMax) columns.put(model);
      bytes += columns.bytes - before;
      if (model.serial <= serialMax && bytes <= limit) continue;
      state = 'too many';
      tenants = new Map();
      logger.info(
        { models: serialMax, bytes: limit },
        'more models than are kept in memory: the database lists them',
      );
      return;
    }
  }

  async function load(isLatest: () => boolean): Promise<void> {
    let after: { tenant: string; serial: number } = { tenant: '', serial: 0 };
    for (;;) {
      const rows = await reader.rows<ListedModel>({
        name: 'models to be listed',
        text: `select model_id, tenant, serial, name, framework, team, project, model_type, task, category, tags,
                 is_active, is_deleted, stages, stream_version, position::float8
               from views.models_gN where (tenant, serial) > ($1, $2) order by tenant, serial limit $3`,
        values: [after.tenant, after.serial, loadedAtOnce],
      });
      if (!isLatest()) return;
      put(rows);
      const last = rows.at(-1);
      if (last === undefined) {
        state = 'known';
        return;
      }
      after = last;
    }
  }

  /** Begins anew, after a while; a load that is under way has nothing to say any more. */
  function reload(afterMs: number): void {
    if (state === 'closed') return;
    tenants = new Map();
    bytes = 0;
    state = 'loading';
    const nth = ++loads;
    const isLatest = (): boolean => nth === loads && state === 'loading';
    const begin = (): void => {
      if (!isLatest()) return;
      load(isLatest).catch((error: unknown) => {
        if (!isLatest()) return;
        logger.warn({ err: error }, 'the models to be listed cannot be read; it is tried again');
        setTimeout(begin, reloadAfterMs).unref();
      });
    };
    if (afterMs === 0) begin();
    else setTimeout(begin, afterMs).unref();
  }

  return {
    claimed: () => reload(0),
    changed: (models) => {
      if (state === 'loading' || state === 'known') put(models);
    },
    forget: () => {
      if (state === 'loading' || state === 'known') reload(reloadAfterMs);
    },
    page: ({ tenant, sees }, query, order) => {
      if (state !== 'known') return null;
      const columns = tenants.get(tenant) ?? noModels;
      const page = pageIn(columns, columns.find(query, sees), query, order);
      return {
        ...page,
        rows: page.rows.map((row) => ({
          stream: columns.stream(row),
          stream_version: columns.streamVersion(row),
        })),
      };
    },
    close: () => {
      state = 'closed';
    },
  };
}

/** @param found in the order of their serials */
function pageIn(
  columns: ModelColumns,
  found: Uint32Array,
  query: PageQuery,
  order: Order,
): ListPage<Row> {
  switch (order.column) {
    case 'm.position':
      // what changed last is often what came last, so it is looked at first
      return pageOf([...found].toReversed(), query, order, columns.position);
    case 'm.name':
      return pageOfOrdered(columns.orderByName(found), query, order, columns.name);
    default:
      return pageOfOrdered(found, query, order, (row) => row);
  }
}
