// The event log in memory: for tests of rules only, and held to the same contract as the real one.
import type { Scope } from '#events/access.ts';
import { parts } from '#events/catalogue.ts';
import { pageBytesMax, pageEventsMax } from '#events/log.ts';
import type {
  AppendCommand,
  AppendEntry,
  EventLog,
  RecordedCommand,
  Verdict,
  SnapshotPart,
} from '#events/log.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import type { ModelEventData } from '#events/model/events.ts';
import { namedParent } from '#events/model/lineage.ts';

/** A snapshot as it was saved. */
type Snapshot = { foldVersion: number; stream_version: number; parts: readonly SnapshotPart[] };

/** What every handle on one log shares. */
export type MemoryLogStore = {
  events: RecordedEvent[];
  versions: Map<string, number>;
  commands: Map<string, RecordedCommand>;
  claims: Map<string, string>;
  serials: Map<string, number>;
  snapshots: Map<string, Snapshot>;
  /** By stream, then by kind. */
  scopesByStream: Map<string, Map<string, Scope | null>>;
};

export const memoryLogStore = (): MemoryLogStore => ({
  events: [],
  versions: new Map(),
  commands: new Map(),
  claims: new Map(),
  serials: new Map(),
  snapshots: new Map(),
  scopesByStream: new Map(),
});

/** @param now a clock; `recorded_at` never goes back, whatever it says */
export function openMemoryLog(
  store: MemoryLogStore,
  now: () => Date = () => new Date(0),
): EventLog {
  const { events, versions, commands, claims, serials, snapshots, scopesByStream } = store;
  const startedAt = now().toISOString();

  const lastRecordedAt = (): string => events.at(-1)?.recorded_at ?? startedAt;
  const versionOf = (stream: string): number => versions.get(stream) ?? 0;

  /** Why none of the entry is appended: the verdicts of its commands, or null. */
  function refusalOf(
    entry: AppendEntry,
    seen: ReadonlyMap<string, RecordedCommand>,
    isFree: (claim: string) => boolean,
    isMoving: (stream: string) => boolean,
    isStale: boolean,
  ): Verdict[] | null {
    if (entry.commands.some(({ command_id }) => seen.has(command_id)))
      return entry.commands.map((command) => seenVerdict(command, seen.get(command.command_id)));
    const hasMoved = entry.decided_on.some(
      ({ stream, version }) => versionOf(stream) !== version || isMoving(stream),
    );
    if (isStale || hasMoved) return entry.commands.map(() => ({ verdict: 'conflict' }));
    if (!entry.commands.flatMap(({ takes }) => takes).every(isFree))
      return entry.commands.map(() => ({ verdict: 'claimed' }));
    return null;
  }

  function seenVerdict(command: AppendCommand, record: RecordedCommand | undefined): Verdict {
    if (record === undefined) return { verdict: 'undecided' };
    if (record.request_hash !== command.request_hash) return { verdict: 'key_reused' };
    const { stream, stream_version, position, status } = record;
    return { verdict: 'duplicate', stream, stream_version, position, status };
  }

  function record(
    { stream, tenant }: AppendEntry,
    command: AppendCommand,
    headBefore: number,
    recordedAt: string,
  ): Verdict {
    const appended = command.events.map((event): RecordedEvent => {
      const kind = event.serial_kind;
      const key = `${tenant} ${kind}`;
      if (kind !== null) serials.set(key, (serials.get(key) ?? 0) + 1);
      const data = kind === null ? event.data : { ...event.data, serial: serials.get(key)! };
      versions.set(stream, versionOf(stream) + 1);
      const recorded: RecordedEvent = {
        ...command.metadata,
        position: events.length + 1,
        id: event.id,
        type: event.type,
        schema_version: event.schema_version,
        tenant,
        stream,
        stream_version: versionOf(stream),
        recorded_at: recordedAt,
        data: JSON.parse(JSON.stringify(data)) as object,
      };
      events.push(recorded);
      return recorded;
    });
    for (const claim of command.frees) if (claims.get(claim) === stream) claims.delete(claim);
    for (const claim of command.takes) claims.set(claim, stream);
    for (const { kind, scope } of command.scopes) {
      const scopes = scopesByStream.get(stream) ?? new Map<string, Scope | null>();
      scopesByStream.set(stream, scopes.set(kind, scope));
    }
    const { command_id, request_hash, status } = command;
    const position = appended.at(-1)?.position ?? headBefore;
    const stream_version = versionOf(stream);
    commands.set(command_id, {
      command_id,
      request_hash,
      stream,
      stream_version,
      position,
      status,
    });
    return { verdict: 'appended', stream_version, position, events: appended };
  }

  return {
    async append(entries) {
      // everything is judged on what was there before the batch, as one statement in PostgreSQL sees it
      const headBefore = events.length;
      const seen = new Map(commands);
      const held = new Set(claims.keys());
      const before = new Map(versions);
      const streams = entries.map(({ stream }) => stream);
      const last = lastRecordedAt();
      const time = now().toISOString();
      const recordedAt = time > last ? time : last;
      const refusals = entries.map((entry, index) =>
        refusalOf(
          entry,
          seen,
          (claim) => {
            const isFirst = entries
              .slice(0, index)
              .every(({ commands: others }) => others.every(({ takes }) => !takes.includes(claim)));
            return !held.has(claim) && isFirst;
          },
          (stream) => streams.some((other, nth) => nth !== index && other === stream),
          (before.get(entry.stream) ?? 0) !== entry.expected_version,
        ),
      );
      return entries.map((entry, index) => {
        const refused = refusals[index]!;
        if (refused !== null) return refused;
        return entry.commands.map((command) => record(entry, command, headBefore, recordedAt));
      });
    },
    head: async () => ({ position: events.length, epoch: 1, recorded_at: lastRecordedAt() }),
    readStream: async (stream, afterVersion, limit = events.length) =>
      events
        .filter((event) => event.stream === stream && event.stream_version > afterVersion)
        .slice(0, limit),
    readAll: async (afterPosition, limit, filter) => {
      let bytes = 0;
      return events
        .slice(afterPosition)
        .filter(
          (event) =>
            (!filter?.tenant || event.tenant === filter.tenant) &&
            (filter?.stream === undefined || event.stream === filter.stream) &&
            (!filter?.modelsOnly || event.stream.startsWith('model:')) &&
            (filter?.scopes === undefined ||
              [...(scopesByStream.get(event.stream)?.values() ?? [])].some(
                (scope) => scope !== null && filter.scopes!.includes(scope),
              )) &&
            (filter?.types === undefined || filter.types.includes(event.type)),
        )
        .slice(0, Math.min(limit, pageEventsMax))
        .filter(({ data }) => {
          const isWithin = bytes < pageBytesMax;
          bytes += Buffer.byteLength(JSON.stringify(data));
          return isWithin;
        });
    },
    positionAt: async (time) =>
      events.findLast((event) => event.recorded_at <= time)?.position ?? 0,
    async findNamed(tenant, name, position) {
      const found = events.findLast(
        (event) =>
          event.tenant === tenant &&
          event.position <= position &&
          ['model.registered', 'model.renamed', 'model.restored'].includes(event.type) &&
          (event.data as { name: string }).name === name,
      );
      return found?.stream ?? null;
    },
    readEvent: async (id) => events.find((event) => event.id === id) ?? null,
    lookUp: async (streams, commandIds) => ({
      versions: new Map(streams.map((stream) => [stream, versionOf(stream)])),
      commands: new Map(
        commandIds.flatMap((id): [string, RecordedCommand][] => {
          const found = commands.get(id);
          return found === undefined ? [] : [[id, found]];
        }),
      ),
    }),
    findClaims: async (wanted) =>
      new Map(
        wanted.flatMap((claim): [string, string][] => {
          const stream = claims.get(claim);
          return stream === undefined ? [] : [[claim, stream]];
        }),
      ),
    async findSerial(tenant, kind, serial) {
      const type = kind === 'model' ? 'model.registered' : 'model.versioned';
      const found = events.find(
        (event) =>
          event.tenant === tenant &&
          event.type === type &&
          (event.data as { serial?: number }).serial === serial,
      );
      if (found === undefined) return null;
      return {
        stream: found.stream,
        number: (found.data as { number?: number }).number ?? null,
        version_id: (found.data as { version_id?: string }).version_id ?? null,
      };
    },
    isInScope: async (stream, scopes) =>
      [...(scopesByStream.get(stream)?.values() ?? [])].some(
        (scope) => scope !== null && scopes.includes(scope),
      ),
    async findChildren(tenant, parents, exceptStream, limit) {
      const made = events.flatMap((event) => {
        const { number, lineage } = event.data as Partial<ModelEventData<'model.versioned'>>;
        const isChild =
          event.type === 'model.versioned' &&
          event.tenant === tenant &&
          event.stream !== exceptStream &&
          lineage?.parent_versions.some((written) => parents.includes(namedParent(written)));
        return isChild ? [{ stream: event.stream, number: number! }] : [];
      });
      return made.slice(0, limit);
    },
    async findPart(tenant, kind, id) {
      const { id: field, begins } = parts[kind];
      const types: readonly string[] = begins;
      const found = events.find(
        (event) =>
          event.tenant === tenant &&
          types.includes(event.type) &&
          (event.data as Record<string, unknown>)[field] === id,
      );
      return found?.stream ?? null;
    },
    async findVersion(tenant, versionId) {
      const found = events.find(
        (event) =>
          event.tenant === tenant &&
          event.type === 'model.versioned' &&
          (event.data as { version_id: string }).version_id === versionId,
      );
      if (found === undefined) return null;
      return { stream: found.stream, number: (found.data as { number: number }).number };
    },
    async readFromSnapshot(stream, foldVersion) {
      const kept = snapshots.get(stream);
      const snapshot =
        kept?.foldVersion === foldVersion
          ? { stream_version: kept.stream_version, parts: kept.parts }
          : null;
      const after = snapshot?.stream_version ?? 0;
      return {
        snapshot,
        events: events.filter((event) => event.stream === stream && event.stream_version > after),
      };
    },
    async saveSnapshot(stream, foldVersion, streamVersion, parts) {
      const kept = snapshots.get(stream);
      if (kept?.foldVersion === foldVersion && kept.stream_version >= streamVersion) return;
      snapshots.set(stream, { foldVersion, stream_version: streamVersion, parts });
    },
  };
}
