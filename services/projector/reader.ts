// Reads the serving tables, whichever they are: a switch of a rebuild is noticed within a second, or when a table is gone.
import type { Pool, QueryResultRow } from 'pg';
import { LogUnavailable } from '#events/log.ts';
import { isTransient } from '#infra/postgres/connect.ts';
import { findParked, findServing } from './generations.ts';
import type { Serving } from './generations.ts';
import type { Transaction } from './writer.ts';

/** So long at most is it not noticed here that a stream was parked, or that another process has switched. */
const layoutTrustedMs = 1_000;
/** Where answers come from memory, it is looked up again when it is so old, so that it is still trusted meanwhile. */
const layoutRenewedMs = 500;

/** What reads need to know beside the rows. */
type Layout = { serving: Serving; parked: ReadonlySet<string>; readAt: number };

/** A statement on views; `views.<view>_gN` stands for the tables that serve. */
type Statement = {
  /** Statements are prepared under it; null for one that is not asked again. */
  name: string | null;
  text: string;
  values: unknown[];
};

export type Reader = {
  /** @throws LogUnavailable where the views' database cannot answer now */
  rows: <Row extends QueryResultRow>(statement: Statement) => Promise<Row[]>;
  /** Streams with an event that could not be applied, so that their rows are behind. As of a second ago at most. */
  parked: () => ReadonlySet<string>;
  /**
   * Whether what serves and what is parked has been looked up within the last second, as every query makes sure first. Has it
   * looked up again in time, so that who asks all the time is always told so.
   */
  isCurrent: () => boolean;
  /** Resolves when it has been looked up within the last second. @throws LogUnavailable */
  becomeCurrent: () => Promise<void>;
  /** Tells of streams that were parked just now. */
  notePark: (streams: readonly string[]) => void;
  /**
   * Tells what serves, as somebody else found out. Whoever learns how far the views are must tell this first, so that no
   * read rests on tables that are not written any more.
   */
  note: (serving: Serving) => void;
};

const none: ReadonlySet<string> = new Set();

/**
 * @param layouts what serves and is parked is asked on these connections, so that it does not wait behind reads that wait for it
 * @param onChange called when other tables serve than before, or other streams are parked
 */
export function openReader(pool: Pool, layouts: Transaction, onChange: () => void): Reader {
  let layout: Layout | null = null;
  let reading: Promise<Layout> | null = null;
  /** Streams that were parked while the layout was being read, which may not know of them. */
  let parkedMeanwhile: readonly string[] = [];

  async function read(): Promise<Layout> {
    const readAt = performance.now();
    const serving = await findServing(layouts);
    const parked = await findParked(layouts, serving.generation);
    return { serving, parked, readAt };
  }

  function refresh(): Promise<Layout> {
    if (reading !== null) return reading;
    parkedMeanwhile = [];
    reading = read()
      .then(({ serving, parked, readAt }) =>
        change({ serving, parked: new Set([...parked, ...parkedMeanwhile]), readAt }),
      )
      .finally(() => (reading = null));
    return reading;
  }

  function change(to: Layout): Layout {
    const from = layout;
    layout = to;
    if (from !== null && !isAlike(from, to)) onChange();
    return to;
  }

  const isFresh = (known: Layout | null): known is Layout =>
    known !== null && performance.now() - known.readAt < layoutTrustedMs;

  async function query<Row extends QueryResultRow>(
    { name, text, values }: Statement,
    { serving }: Layout,
  ): Promise<Row[]> {
    const generations: number[] = [];
    const located = text.replaceAll(/views\.(\w+?)_gN\b/g, (_, view: string) => {
      const generation = serving.views.get(view)?.generation ?? serving.generation;
      generations.push(generation);
      return `views.${view}_g${generation}`;
    });
    const prepared = name === null ? {} : { name: `${name} ${generations.join()}` };
    const { rows } = await pool.query<Row>({ ...prepared, text: located, values });
    return rows;
  }

  return {
    rows: async <Row extends QueryResultRow>(statement: Statement) => {
      try {
        const known = isFresh(layout) ? layout : await refresh();
        try {
          return await query<Row>(statement, known);
        } catch (error) {
          if (!isTableGone(error)) throw error;
          return await query<Row>(statement, await refresh());
        }
      } catch (error) {
        throw unavailable(error);
      }
    },
    parked: () => layout?.parked ?? none,
    isCurrent: () => {
      // a failure shows as a layout that is not current, which is what it means
      if (layout === null || performance.now() - layout.readAt > layoutRenewedMs)
        refresh().catch(() => undefined);
      return isFresh(layout);
    },
    becomeCurrent: async () => {
      try {
        if (!isFresh(layout)) await refresh();
      } catch (error) {
        throw unavailable(error);
      }
    },
    notePark: (streams) => {
      parkedMeanwhile = [...parkedMeanwhile, ...streams];
      if (layout !== null) change({ ...layout, parked: new Set([...layout.parked, ...streams]) });
    },
    note: (serving) => {
      if (layout !== null) change({ ...layout, serving });
    },
  };
}

const unavailable = (error: unknown): unknown =>
  isTransient(error)
    ? new LogUnavailable('the views do not answer', { inDoubt: false, cause: error })
    : error;

function isAlike(one: Layout, other: Layout): boolean {
  if (one.serving.generation !== other.serving.generation) return false;
  for (const [view, { generation }] of other.serving.views)
    if (one.serving.views.get(view)?.generation !== generation) return false;
  return one.parked.symmetricDifference(other.parked).size === 0;
}

/** A rebuild has switched, and dropped the old tables. */
export const isTableGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '42P01';
