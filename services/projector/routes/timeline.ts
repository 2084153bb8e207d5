// What has happened to a model, and what was refused of it, for who may know that.
import type { Principal } from '#events/access.ts';
import { modelStream } from '#events/names.ts';
import { refusalsStatement } from '#infra/postgres/audit.ts';
import type { RefusedRecord } from '#infra/postgres/audit.ts';
import type { ShownModel } from '../answers.ts';
import { readList } from '../lists.ts';
import type { ListOf, ListPage, PageQuery } from '../lists.ts';
import type { Reader } from '../reader.ts';
import type { TimelineEntry } from '../views/timeline.ts';
import { pageJson, where } from './reading.ts';

/** So many refusals come along with a page at most; `/audit` has them all. */
const refusalsMax = 1_000;

export type ModelThen = Pick<ShownModel, 'model_id' | 'stream_version'>;
type Row = { state: string };

/** What has happened up to a version of the model's stream. */
const timelineOf = (model: ModelThen): ListOf => ({
  from: 'views.timeline_gN t',
  columns: 't.state',
  conditions: [
    ...where('t.model_id = ?', model.model_id),
    ...where('t.stream_version <= ?', model.stream_version),
  ],
  seen: [],
  order: { column: 't.stream_version', type: 'bigint', direction: 'asc' },
  total: { sql: 'select ?::bigint', values: [model.stream_version] },
});

/** Who reads the audit trail reads refusals in the timeline too. */
export const seesRefusals = ({ everywhere }: Principal): boolean => everywhere.has('audit:read');

/** A page of what has happened, as JSON; entries are stored as they are shown. */
export async function timelinePage(
  reader: Reader,
  query: PageQuery,
  model: ModelThen,
): Promise<string> {
  return pageJson(await readList<Row>(reader, query, timelineOf(model)), ({ state }) => state);
}

/** The same, each event followed by what was refused until the next one. The page is one of events: refusals come along. */
export async function timelinePageWithRefusals(
  reader: Reader,
  query: PageQuery,
  tenant: string,
  model: ModelThen,
): Promise<string> {
  const page = await readList<Row>(reader, query, timelineOf(model));
  const events = page.rows.map(({ state }) => JSON.parse(state) as TimelineEntry);
  const last = events.at(-1);
  if (last === undefined) return pageJson(page, ({ state }) => state);
  const records = await reader.rows<RefusedRecord>(
    refusalsStatement(
      {
        stream: modelStream(tenant, model.model_id),
        fromVersion: events[0]!.stream_version,
        beforeVersion: page.nextPageToken === null ? null : last.stream_version + 1,
      },
      refusalsMax,
    ),
  );
  return pageJson(inOrder(page, events, records.map(shownRefusal)), (state) => state);
}

type ShownRefusal = ReturnType<typeof shownRefusal>;

/** A refusal in the words of an entry. It has no place in the log, as it is not in it. */
const shownRefusal = ({ recorded_ms, action, code, actor, detail }: RefusedRecord) => ({
  position: null,
  stream_version: null,
  event_id: null,
  type: 'refused',
  action,
  code,
  recorded_at: new Date(Number(recorded_ms)).toISOString(),
  actor,
  reason: detail['reason'] ?? null,
  data: detail['because'] ?? {},
});

/** Both by the time that they were recorded; of the same moment, what happened comes first. */
function inOrder(
  page: ListPage<Row>,
  events: readonly TimelineEntry[],
  refusals: readonly ShownRefusal[],
): ListPage<string> {
  const entries = [
    ...page.rows.map(({ state }, index) => ({ at: events[index]!.recorded_at, state })),
    ...refusals.map((refusal) => ({ at: refusal.recorded_at, state: JSON.stringify(refusal) })),
  ];
  const rows = entries
    .toSorted((one, other) => Number(one.at > other.at) - Number(one.at < other.at))
    .map(({ state }) => state);
  return { ...page, rows };
}
