// A registry without its API: commands decided by the real rules and appended to a real log, and the parts of a projector.
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { serialKindOf } from '#events/catalogue.ts';
import { assert } from '#events/decider.ts';
import type { Actor, RecordedEvent } from '#events/envelope.ts';
import type { AppendEntry, NewEvent } from '#events/log.ts';
import type { Common, ModelCommand, NewVersion } from '#events/model/commands.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import type { Stage } from '#events/model/shapes.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelNameClaim, modelStream } from '#events/names.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { logMigrations, migrate } from '#infra/postgres/migrate.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { viewsMigrations } from '#services/projector/config.ts';
import { prepareViews } from '#services/projector/generations.ts';
import { views } from '#services/projector/views.ts';
import { openWriter } from '#services/projector/writer.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import { noModelFacts } from '#test/rules/history.ts';
import { commonAt, newVersion as newVersionNumbered } from '#test/rules/wanted.ts';

const tenant = 'default';
const actor: Actor = {
  subject: 'tester',
  type: 'user',
  auth_method: 'api_key',
  key_id: null,
  declared_by: 'Ada',
};

export const newVersion = (
  label: string | null,
  facts: Partial<NewVersion['facts']> = {},
): NewVersion => newVersionNumbered(0, { version_id: uuidv7(), facts: { label, ...facts } });

/** A command without what every command has. */
export type Wish = ModelCommand extends infer C
  ? C extends ModelCommand
    ? Omit<C, keyof Common> & { reason?: string | null }
    : never
  : never;

export const registering = (
  name: string,
  facts: Partial<Extract<ModelCommand, { type: 'RegisterModel' }>['facts']> = {},
  first_version: NewVersion | null = null,
): Extract<Wish, { type: 'RegisterModel' }> => ({
  type: 'RegisterModel',
  model_id: uuidv7(),
  name,
  facts: { ...noModelFacts, ...facts },
  first_version,
});

const promoting = (number: number, to_stage: Stage): Wish => ({
  type: 'Promote',
  version: { by: 'number', number },
  to_stage,
});

const deploying = (number: number, environment: string): Wish & { deployment_id: string } => ({
  type: 'Deploy',
  version: { by: 'number', number },
  deployment_id: uuidv7(),
  environment,
  region: null,
  endpoint_url: null,
  strategy: 'all_at_once',
  traffic_percent: null,
  config: {},
  external_ref: null,
  status: 'deployed',
});

const fail = (error: Error): never => {
  throw error;
};

export type Model = { stream: string; state: ModelState };

/** Opens a log and the tables of the views on a database of its own. */
export async function openRegistry() {
  const database = await freshDatabase();
  const { url } = database;
  await migrate(url, logMigrations);
  await migrate(url, viewsMigrations);
  const pool = openPool({
    url,
    name: 'test',
    role: 'modelog_service',
    size: 6,
    onError: () => undefined,
  });
  const log = openPostgresLog({ url, pool, failpoint: () => undefined, onError: fail });
  const head = followHead({ url, onError: () => undefined });
  const writer = openWriter({ url, name: 'test-writer', onError: () => undefined });
  await prepareViews(writer, views);

  /** Decides, and says what is to be appended. */
  function decide({ stream, state }: Model, wish: Wish): AppendEntry {
    const at = new Date().toISOString();
    const command: ModelCommand = { ...commonAt(at), ...wish };
    const { events, refusal } = modelDecider.decide(state, command);
    if (refusal !== undefined) throw new Error(`refused: ${JSON.stringify(refusal)}`);
    const takes = command.type === 'RegisterModel' ? [modelNameClaim(tenant, command.name)] : [];
    return entryOf(
      stream,
      state.stream_version,
      events.map(({ type, data }) => ({
        id: uuidv7(),
        type,
        schema_version: 1,
        data,
        serial_kind: serialKindOf(type),
      })),
      takes,
    );
  }

  /** Appends entries of different streams, and returns what was recorded of each. */
  async function append(entries: readonly AppendEntry[]): Promise<RecordedEvent[][]> {
    const verdicts = await log.append(entries);
    return verdicts.map(([verdict]) => {
      assert(verdict?.verdict === 'appended', `not appended: ${JSON.stringify(verdict)}`);
      return [...verdict.events];
    });
  }

  async function tell(model: Model, wish: Wish): Promise<RecordedEvent[]> {
    const [events] = await append([decide(model, wish)]);
    for (const event of events!) modelDecider.evolve(model.state, event as RecordedModelEvent);
    return events!;
  }

  return {
    url,
    pool,
    log,
    head,
    writer,
    decide,
    append,
    tell,

    /** A registered model, with what its registration asks for. */
    async register(wish: Extract<Wish, { type: 'RegisterModel' }>): Promise<Model> {
      const model = { stream: modelStream(tenant, wish.model_id), state: modelDecider.initial() };
      await tell(model, wish);
      return model;
    },

    /** Appends an event that no rule has seen, as a bug would. */
    async record(
      model: Model,
      type: string,
      data: object,
      schema_version = 1,
    ): Promise<RecordedEvent> {
      const { stream, state } = model;
      const event = { id: uuidv7(), type, schema_version, data, serial_kind: null };
      const [events] = await append([entryOf(stream, state.stream_version, [event], [])]);
      state.stream_version += 1;
      return events![0]!;
    },

    async close(): Promise<void> {
      await writer.close();
      await head.close();
      await log.close();
      await pool.end();
      await database.drop();
    },
  };
}

export type TestRegistry = Awaited<ReturnType<typeof openRegistry>>;

/** A life with every kind of event in it. */
export async function liveAModel(registry: TestRegistry, name: string): Promise<Model> {
  const model = await registry.register(
    registering(name, { framework: 'pytorch', team: 'vision', tags: { a: 'b' } }, newVersion('v1')),
  );
  const at = (number: number) => ({ version: { by: 'number', number } as const });
  await registry.tell(model, { type: 'CreateVersion', version: newVersion('v2') });
  await registry.tell(model, { type: 'CreateVersion', version: newVersion(null) });
  await registry.tell(model, { type: 'StartTesting', ...at(1) });
  await registry.tell(model, { type: 'Approve', ...at(1) });
  await registry.tell(model, { type: 'Reject', ...at(2) });
  await registry.tell(model, promoting(1, 'staging'));
  await registry.tell(model, promoting(1, 'production'));
  const first = deploying(1, 'eu');
  await registry.tell(model, first);
  const second = deploying(2, 'eu');
  await registry.tell(model, second);
  await registry.tell(model, promoting(3, 'production'));
  const binding = {
    type: 'CreateBinding',
    ...at(2),
    binding_id: uuidv7(),
    binding: {
      provider: 'openai',
      provider_model_id: 'gpt',
      status: 'active',
      config: { max_tokens: 2_000 },
      endpoint_url: null,
      avg_latency_ms: null,
      success_rate: null,
      last_used_at: null,
    },
  } as const;
  const { binding_id } = binding;
  await registry.tell(model, binding);
  await registry.tell(model, {
    type: 'UpdateBinding',
    binding_id,
    patch: { provider: 'bedrock', status: 'deprecated' },
  });
  await registry.tell(model, { type: 'RemoveBinding', binding_id });
  await registry.tell(model, { type: 'SetDefault', ...at(3) });
  await registry.tell(model, { type: 'UpdateModel', patch: { framework: 'jax', team: null } });
  await registry.tell(model, { type: 'Demote', ...at(3), to_stage: 'staging' });
  await registry.tell(model, { type: 'Restore', ...at(1), to_stage: 'development' });
  await registry.tell(model, { type: 'Deprecate', ...at(1), sunset_at: null });
  await registry.tell(model, { type: 'CreateVersion', version: newVersion('v4') });
  await registry.tell(model, { type: 'UpdateVersion', ...at(4), patch: { eval_score: 0.5 } });
  const hold_id = uuidv7();
  await registry.tell(model, {
    type: 'PlaceHold',
    ...at(4),
    hold_id,
    until: null,
    reason: 'audit',
  });
  await registry.tell(model, { type: 'ReleaseHold', hold_id });
  await registry.tell(model, { type: 'DeleteVersion', ...at(4) });
  const { deployment_id } = second;
  await registry.tell(model, { type: 'Undeploy', deployment_id });
  await registry.tell(model, { type: 'DeleteModel' });
  await registry.tell(model, { type: 'RestoreModel', name: null });
  await registry.tell(model, { type: 'UpdateModel', patch: {}, is_active: false });
  return model;
}

/** One command's events for a stream. */
export function entryOf(
  stream: string,
  expected_version: number,
  events: readonly NewEvent[],
  takes: readonly string[],
): AppendEntry {
  const command_id = randomUUID();
  return {
    stream,
    tenant,
    expected_version,
    decided_on: [],
    commands: [
      {
        command_id,
        request_hash: null,
        status: 200,
        metadata: {
          actor,
          occurred_at: new Date().toISOString(),
          reason: null,
          command_id,
          correlation_id: null,
          causation_id: null,
          traceparent: null,
        },
        events,
        takes,
        frees: [],
        keys: [],
        scopes: [],
      },
    ],
  };
}
