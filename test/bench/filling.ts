// Fills a registry through the port of its log, by the rules as ever: as requests, a hundred thousand models would take minutes.
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { scopesMoved, serialKindOf } from '#events/catalogue.ts';
import { assert } from '#events/decider.ts';
import type { EventMetadata } from '#events/envelope.ts';
import type { AppendEntry, EventLog } from '#events/log.ts';
import type { ModelCommand, NewVersion } from '#events/model/commands.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { modelNameClaim, modelStream } from '#events/names.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { modelFactsOf, newModelBody, versionFactsOf } from '#services/command-api/fields.ts';
import { newVersionBody } from '#services/command-api/version-body.ts';
import { commonAt } from '#test/rules/wanted.ts';
import { waitUntilCaughtUp } from './lag.ts';
import { format, type Bench } from './scenario.ts';
import type { System } from './system.ts';

const tenant = 'default';
const modelsPerAppend = 250;
const catchUpTimeoutMs = 600_000;
const sayEvery = 20_000;

/** Bodies as a client would send them: of a model, and of its versions in their order. */
export type Life = { model: object; versions: readonly object[] };

/** Appends the models with their versions, and waits until the views have them. */
export async function fillLog(bench: Bench, system: System, lives: Iterable<Life>): Promise<void> {
  const onError = (): void => undefined;
  const url = system.databaseUrl;
  const pool = openPool({ url, name: 'bench', role: 'modelog_service', size: 1, onError });
  const log = openPostgresLog({ url, pool, failpoint: () => undefined, onError });
  try {
    let entries: AppendEntry[] = [];
    let models = 0;
    for (const life of lives) {
      entries.push(entryOf(life));
      if (++models % sayEvery === 0) bench.say(`${format(models)} models`);
      if (entries.length < modelsPerAppend) continue;
      bench.signal.throwIfAborted();
      await append(log, entries);
      entries = [];
    }
    await append(log, entries);
  } finally {
    await log.close();
    await pool.end();
  }
  if ((await waitUntilCaughtUp(bench, system, catchUpTimeoutMs)) === null)
    throw new Error('the views do not catch up');
}

async function append(log: EventLog, entries: readonly AppendEntry[]): Promise<void> {
  for (const [verdict] of entries.length === 0 ? [] : await log.append(entries))
    assert(verdict?.verdict === 'appended', `not appended: ${JSON.stringify(verdict)}`);
}

function commandsOf(model_id: string, life: Life, at: string): ModelCommand[] {
  const { name, ...facts } = newModelBody.parse(life.model);
  return [
    {
      type: 'RegisterModel',
      model_id,
      name,
      facts: modelFactsOf(facts),
      first_version: null,
      ...commonAt(at),
    },
    ...life.versions.map((written): ModelCommand => {
      const body = newVersionBody.parse(written);
      const version: NewVersion = {
        version_id: uuidv7(),
        facts: versionFactsOf(body),
        stage: body.stage ?? 'development',
        readiness: 'training',
        is_default: false,
      };
      return { type: 'CreateVersion', version, ...commonAt(at) };
    }),
  ];
}

/** All events of a model's life as those of one command. */
function entryOf(life: Life): AppendEntry {
  const at = new Date().toISOString();
  const model_id = uuidv7();
  const stream = modelStream(tenant, model_id);
  const command_id = randomUUID();
  const metadata: EventMetadata = {
    actor: {
      subject: 'bench',
      type: 'user',
      auth_method: 'api_key',
      key_id: null,
      declared_by: null,
    },
    occurred_at: at,
    reason: null,
    command_id,
    correlation_id: null,
    causation_id: null,
    traceparent: null,
  };
  let state = modelDecider.initial();
  const events: ModelEvent[] = [];
  for (const command of commandsOf(model_id, life, at)) {
    const decided = modelDecider.decide(state, command);
    assert(decided.events !== undefined, `refused: ${JSON.stringify(decided.refusal)}`);
    for (const event of decided.events)
      state = modelDecider.evolve(state, {
        ...event,
        ...metadata,
        position: 0,
        id: uuidv7(),
        schema_version: 1,
        tenant,
        stream,
        stream_version: events.push(event),
        recorded_at: at,
      });
  }
  return {
    stream,
    tenant,
    expected_version: 0,
    decided_on: [],
    commands: [
      {
        command_id,
        request_hash: null,
        status: 201,
        metadata,
        events: events.map(({ type, data }) => ({
          id: uuidv7(),
          type,
          schema_version: 1,
          data,
          serial_kind: serialKindOf(type),
        })),
        takes: [modelNameClaim(tenant, state.model!.name)],
        frees: [],
        keys: [],
        scopes: events.flatMap(scopesMoved),
      },
    ],
  };
}
