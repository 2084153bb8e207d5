// Fills a log with the lives of models, as data that fit the catalogue, for the tests of what is published.
import { randomUUID } from 'node:crypto';
import { sample } from 'fast-check';
import { catalogue } from '#events/catalogue.ts';
import type { AppendCommand, EventLog } from '#events/log.ts';
import { modelStream, tenantStream } from '#events/names.ts';
import { randomData } from '#test/kafka/random-event.ts';

const types = ['model.registered', 'model.versioned', 'model.promoted', 'model.archived'] as const;

/** Appends events to new streams, in one append for each round; returns how many events that were. */
export async function appendModels(
  log: EventLog,
  { models, eventsEach }: { models: number; eventsEach: number },
): Promise<number> {
  const streams = Array.from({ length: models }, () => modelStream('default', randomUUID()));
  for (let version = 0; version < eventsEach; version++) {
    const type = types[version % types.length]!;
    const [random] = sample(randomData(type), { numRuns: 1, seed: version }) as [object];
    // The log keeps an index of serials, which are 32-bit numbers.
    const data = 'serial' in random ? { ...random, serial: version } : random;
    await append(log, streams, version, { type, data });
  }
  return models * eventsEach;
}

/** Appends events to the stream of a new tenant, which are not published. */
export async function appendTenant(log: EventLog): Promise<number> {
  const tenant = randomUUID();
  const data = { tenant_id: tenant, name: tenant };
  await append(log, [tenantStream(tenant)], 0, { type: 'tenant.created', data });
  return 1;
}

/** Appends one event to each stream, all at this version. */
export async function append(
  log: EventLog,
  streams: readonly string[],
  expected_version: number,
  event: { type: keyof typeof catalogue; data: object },
): Promise<void> {
  const entries = streams.map((stream) => ({
    stream,
    tenant: 'default',
    expected_version,
    decided_on: [],
    commands: [command(event)],
  }));
  const verdicts = (await log.append(entries)).flat();
  const refused = verdicts.find(({ verdict }) => verdict !== 'appended');
  if (refused !== undefined) throw new Error('the log refused', { cause: refused });
}

function command({ type, data }: { type: keyof typeof catalogue; data: object }): AppendCommand {
  const command_id = randomUUID();
  const { schema_version } = catalogue[type];
  return {
    command_id,
    request_hash: null,
    status: 201,
    metadata: {
      actor: {
        subject: 'ada',
        type: 'user',
        auth_method: 'api_key',
        key_id: randomUUID(),
        declared_by: null,
      },
      occurred_at: new Date().toISOString(),
      reason: 'grün, "quoted"',
      command_id,
      correlation_id: null,
      causation_id: null,
      traceparent: null,
    },
    events: [{ id: randomUUID(), type, schema_version, data, serial_kind: null }],
    takes: [],
    frees: [],
    keys: [],
    scopes: [],
  };
}
