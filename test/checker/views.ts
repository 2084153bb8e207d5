// Invariant I8: every view equals the fold of the log up to where it is. Folds by the rules' own fold, not by the projector's.
import { Client } from 'pg';
import type { RecordedEvent } from '#events/envelope.ts';
import { pageEventsMax } from '#events/log.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import { evolveModelState, initialModelState } from '#events/model/state.ts';
import type { ModelState } from '#events/model/state.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';

export type ViewViolation = {
  invariant: 'I8';
  view: string;
  /** Of the row, or the stream. */
  key: string;
  expected: unknown;
  found: unknown;
};

type Rows = Map<string, unknown>;
type Expected = Record<
  'models' | 'versions' | 'deployments' | 'bindings' | 'promotion_requests' | 'timeline' | 'stats',
  Rows
>;

/**
 * Compares all views that serve in this database with its log. Call it when nothing is being applied.
 * A parked stream is compared as far as it was applied.
 */
export async function checkViews(url: string): Promise<ViewViolation[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await check(client, await readLog(url));
  } finally {
    await client.end();
  }
}

async function check(client: Client, events: readonly RecordedEvent[]): Promise<ViewViolation[]> {
  const { rows: served } = await client.query<{
    view: string;
    generation: number;
    serving: number;
  }>(
    `select s.view, s.generation, g.generation as serving
     from views.served s, views.generations g where g.serves`,
  );
  const table = (view: string): string => {
    const generation = served.find((row) => row.view === view)?.generation;
    return `views.${view}_g${generation}`;
  };
  const serving = served[0]!.serving;
  const violations: ViewViolation[] = [];
  const violate = (view: string, key: string, expected: unknown, found: unknown): void =>
    void violations.push({ invariant: 'I8', view, key, expected, found });

  const { rows: places } = await client.query<{ stream: string; version: number; parked: boolean }>(
    `select stream, version, parked from views.stream_versions_g${serving}`,
  );
  const { rows: checkpoint } = await client.query<{ position: string }>(
    'select max(position) as position from views.offsets where generation = $1 and partition = -1',
    [serving],
  );
  const applied = new Map(places.map((place) => [place.stream, place]));
  const states = new Map<string, ModelState>();
  const expected: Expected = {
    models: new Map(),
    versions: new Map(),
    deployments: new Map(),
    bindings: new Map(),
    promotion_requests: new Map(),
    timeline: new Map(),
    stats: new Map(),
  };
  for (const recorded of events) {
    const event = recorded as RecordedModelEvent;
    const place = applied.get(event.stream);
    if (event.stream_version > (place?.version ?? 0)) {
      if (place?.parked !== true && event.position <= Number(checkpoint[0]!.position))
        violate('stream_versions', event.stream, event.stream_version, place?.version ?? 0);
      continue;
    }
    if (!event.stream.startsWith('model:')) continue;
    const state = states.get(event.stream) ?? initialModelState();
    states.set(event.stream, evolveModelState(state, event));
    expected.timeline.set(`${event.data.model_id}/${event.stream_version}`, {
      position: event.position,
      type: event.type,
      event_id: event.id,
    });
  }
  for (const [stream, { version }] of applied)
    if (stream.startsWith('model:') && (states.get(stream)?.stream_version ?? 0) !== version)
      violate('stream_versions', stream, states.get(stream)?.stream_version ?? 0, version);
  expectRows(states.values(), expected);

  const found: Expected = {
    models: await rowsOf(
      client,
      `select model_id::text as key, state::json as row from ${table('models')}`,
    ),
    versions: await rowsOf(
      client,
      `select model_id || '/' || number as key, state::json as row from ${table('versions')}`,
    ),
    deployments: await rowsOf(
      client,
      `select deployment_id::text as key, state::json as row from ${table('deployments')}`,
    ),
    bindings: await rowsOf(
      client,
      `select binding_id::text as key, state::json as row from ${table('bindings')}`,
    ),
    promotion_requests: await rowsOf(
      client,
      `select promotion_request_id::text as key, state::json as row from ${table('promotion_requests')}`,
    ),
    timeline: await rowsOf(
      client,
      `select model_id || '/' || stream_version as key, json_build_object('position', e.entry -> 'position',
         'type', e.entry -> 'type', 'event_id', e.entry -> 'event_id') as row
       from ${table('timeline')}, lateral (select state::json as entry) e`,
    ),
    stats: await rowsOf(
      client,
      `select tenant || '/' || dimension || '/' || key as key, to_json(sum(count)::int) as row from ${table('stats')}
       group by tenant, dimension, key having sum(count) <> 0`,
    ),
  };
  for (const view of Object.keys(expected) as (keyof Expected)[]) {
    for (const [key, row] of expected[view])
      if (canonical(row) !== canonical(found[view].get(key)))
        violate(view, key, row, found[view].get(key));
    for (const [key, row] of found[view])
      if (!expected[view].has(key)) violate(view, key, undefined, row);
  }
  violations.push(...(await checkColumns(client, table)));
  return violations;
}

/** The columns that lists filter by must say what the folded row says. */
async function checkColumns(
  client: Client,
  table: (view: string) => string,
): Promise<ViewViolation[]> {
  const { rows } = await client.query<{ view: string; key: string }>(
    `select 'models' as view, model_id::text as key from (select *, state::json as row from ${table('models')}) t
     where (tenant, serial::text, name, stream_version::text, position::text)
       is distinct from (row ->> 'tenant', row ->> 'serial', row ->> 'name', row ->> 'stream_version', row ->> 'position')
       or (framework, team, project, model_type, task, category)
       is distinct from (row ->> 'framework', row ->> 'team', row ->> 'project', row ->> 'model_type', row ->> 'task',
         row ->> 'category')
       or is_active is distinct from (row ->> 'state' = 'active')
       or is_deleted is distinct from (row ->> 'state' = 'deleted') or tags is distinct from (row -> 'tags')::jsonb
     union all
     select 'versions', model_id || '/' || number from (select *, state::json as row from ${table('versions')}) t
     where (version_id::text, label, stage, readiness, is_default::text, is_deleted)
       is distinct from (row -> 'facts' ->> 'version_id', row -> 'facts' ->> 'label', row ->> 'stage',
         row ->> 'readiness', row ->> 'is_default', row ->> 'deleted_at' is not null)
     union all
     select 'bindings', binding_id::text from (select *, state::json as row from ${table('bindings')}) t
     where (tenant, model_id::text, version_id::text, provider, status, is_removed)
       is distinct from (row ->> 'tenant', row ->> 'model_id', row ->> 'version_id', row ->> 'provider', row ->> 'status',
         row ->> 'removed_at' is not null)
     union all
     select 'deployments', deployment_id::text from (select *, state::json as row from ${table('deployments')}) t
     where (tenant, model_id::text, environment, status)
       is distinct from (row ->> 'tenant', row ->> 'model_id', row ->> 'environment', row ->> 'status')`,
  );
  return rows.map(({ view, key }) => ({
    invariant: 'I8',
    view,
    key,
    expected: 'columns as in the state',
    found: 'other columns',
  }));
}

async function readLog(url: string): Promise<RecordedEvent[]> {
  const onError = (): void => undefined;
  const pool = openPool({ url, name: 'checker', role: 'modelog_service', size: 1, onError });
  const log = openPostgresLog({ url, pool, failpoint: () => undefined, onError });
  const events: RecordedEvent[] = [];
  for (;;) {
    const page = await log.readAll(events.at(-1)?.position ?? 0, pageEventsMax);
    if (page.length === 0) break;
    events.push(...page);
  }
  await log.close();
  await pool.end();
  return events;
}

async function rowsOf(client: Client, sql: string): Promise<Rows> {
  const { rows } = await client.query<{ key: string; row: unknown }>(sql);
  return new Map(rows.map(({ key, row }) => [key, row]));
}

function expectRows(states: Iterable<ModelState>, expected: Expected): void {
  const count = (tenant: string, dimension: string, key: string | null): void => {
    if (key === null) return;
    const name = `${tenant}/${dimension}/${key}`;
    expected.stats.set(name, ((expected.stats.get(name) as number | undefined) ?? 0) + 1);
  };
  for (const { model, versions, deployments, bindings, promotionRequests } of states) {
    if (model === null) continue;
    const { tenant, model_id } = model;
    expected.models.set(model_id, model);
    count(tenant, 'models', '');
    count(tenant, 'models_by_framework', model.framework);
    count(tenant, 'models_by_team', model.team);
    count(tenant, 'models_by_project', model.project);
    for (const [number, version] of versions) {
      expected.versions.set(`${model_id}/${number}`, version);
      if (version.deleted_at !== null) continue;
      count(tenant, 'versions', '');
      count(tenant, 'versions_by_stage', version.stage);
      count(tenant, 'versions_by_readiness', version.readiness);
    }
    for (const [id, binding] of bindings) expected.bindings.set(id, binding);
    for (const [id, request] of promotionRequests) expected.promotion_requests.set(id, request);
    for (const [id, deployment] of deployments) {
      expected.deployments.set(id, deployment);
      if (deployment.status === 'deployed') count(tenant, 'deployments_active', '');
    }
  }
}

/** The same text for equal JSON, whatever the order of its keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
