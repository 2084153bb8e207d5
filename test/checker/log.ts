// Holds answers against the log (I1–I5): what was acknowledged is there, once, at the version answered; what was refused is not.
import { Client } from 'pg';
import { modelDecider } from '#events/model/decide.ts';
import type { EventMetadata } from '#events/envelope.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';

/** What a client was answered. `correlationId` is its own for every command, also if it was repeated. */
export type Answer = {
  correlationId: string;
  /** Null where no answer came. */
  status: number | null;
  modelId: string | null;
  streamVersion: number | null;
  /** False where the answer may say "already so". */
  changes: boolean;
};

export type LogViolation = { invariant: 'I1' | 'I2' | 'I3' | 'I4' | 'I5'; what: string };

type Row = {
  position: string;
  tenant: string;
  stream: string;
  version: number;
  event_id: string;
  type: string;
  schema_version: number;
  data: object;
  metadata: Pick<EventMetadata, 'command_id' | 'correlation_id' | 'actor'>;
  recorded_at: Date;
};

/** Compares every answer with the whole log. Call it when nothing is being written. */
export async function checkLog(
  databaseUrl: string,
  answers: readonly Answer[],
): Promise<LogViolation[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Row>('select * from log.events order by position');
    const { rows: head } = await client.query<{ position: string }>(
      'select position from log.log_head',
    );
    return compareLog(rows, Number(head[0]!.position), answers);
  } finally {
    await client.end();
  }
}

/** The comparison alone, so that planted violations can be shown to it. */
export function compareLog(
  rows: readonly Row[],
  head: number,
  answers: readonly Answer[],
): LogViolation[] {
  const violations: LogViolation[] = [];
  const found = (invariant: LogViolation['invariant'], what: string): void =>
    void violations.push({ invariant, what });

  rows.forEach((row, index) => {
    if (Number(row.position) !== index + 1)
      found('I5', `position ${row.position} stands where ${index + 1} should`);
  });
  if (head !== rows.length) found('I5', `the head is ${head}, the log has ${rows.length} events`);

  const states = new Map<string, ModelState>();
  const streamOfCommand = new Map<string, { stream: string; last: Row }>();
  const byCorrelation = new Map<string, Row[]>();
  for (const row of rows) {
    const { stream, metadata } = row;
    const command = streamOfCommand.get(metadata.command_id);
    const isTorn =
      command !== undefined &&
      (command.stream !== stream || row.version !== command.last.version + 1);
    if (isTorn)
      found('I2', `command ${metadata.command_id} is recorded again at ${stream} ${row.version}`);
    streamOfCommand.set(metadata.command_id, { stream, last: row });
    if (metadata.correlation_id !== null) {
      const together = byCorrelation.get(metadata.correlation_id) ?? [];
      together.push(row);
      byCorrelation.set(metadata.correlation_id, together);
    }
    if (stream.startsWith('model:')) fold(row);
  }

  function fold(row: Row): void {
    const state = states.get(row.stream) ?? modelDecider.initial();
    states.set(row.stream, state);
    try {
      modelDecider.evolve(state, recordedOf(row));
    } catch (error) {
      found('I4', `${row.stream} ${row.version}: ${(error as Error).message}`);
      return;
    }
    const production = [...state.versions.values()].filter(({ stage }) => stage === 'production');
    if (production.length > 1)
      found('I4', `${row.stream} ${row.version}: two versions are in production`);
  }

  for (const answer of answers) {
    const events = byCorrelation.get(answer.correlationId) ?? [];
    const commands = new Set(events.map((event) => event.metadata.command_id));
    if (commands.size > 1)
      found('I2', `${answer.correlationId} is recorded by ${commands.size} commands`);
    if (answer.status === null || answer.status >= 500) continue;
    if (answer.status >= 400) {
      if (events.length > 0)
        found('I3', `${answer.correlationId} was refused with ${answer.status}, and is recorded`);
      continue;
    }
    if (events.length === 0) {
      if (answer.changes)
        found('I1', `${answer.correlationId} was answered ${answer.status}, and is not recorded`);
      continue;
    }
    const last = events.at(-1)!;
    if (last.version !== answer.streamVersion || !last.stream.endsWith(`:${answer.modelId}`))
      found(
        'I1',
        `${answer.correlationId} was answered version ${answer.streamVersion}, recorded at ${last.stream} ${last.version}`,
      );
  }
  return violations;
}

function recordedOf(row: Row): RecordedModelEvent {
  const { position, event_id, version, metadata, recorded_at, ...rest } = row;
  return {
    ...rest,
    ...metadata,
    position: Number(position),
    id: event_id,
    stream_version: version,
    recorded_at: recorded_at.toISOString(),
  } as unknown as RecordedModelEvent;
}
