// The port of the event log: what every adapter promises (one contract suite holds them to it).
import type { EventMetadata, RecordedEvent } from './envelope.ts';
import type { Role, Scope } from './access.ts';
import type { PartKind, ScopeOfModel, SerialKind } from './catalogue.ts';

/** A command's events may hold at most this much data each; more is refused before the log is asked. */
export const eventDataBytesMax = 512 * 1024;
/** A batch holds at most this many commands and bytes, so that one append stays a matter of milliseconds. */
export const batchCommandsMax = 500;
export const batchBytesMax = 1024 * 1024;
/** A page of events that a reader may ask for at once. */
export const pageEventsMax = 1000;
/** And so many bytes of their data, so that a page of the largest is no matter of memory; the last may go beyond. */
export const pageBytesMax = 8 * 1024 * 1024;

/** An event that is not in the log yet. With a serial kind, the log writes `data.serial` under its lock. */
export type NewEvent = {
  /** UUIDv7 */
  id: string;
  type: string;
  schema_version: number;
  data: object;
  serial_kind: SerialKind | null;
};

/**
 * What a command does in its append to the tables by which every process knows who may what: `api_keys` (the secret is never
 * here, only its SHA-256 as hex) and `role_bindings`.
 */
export type KeyEffect =
  | {
      effect: 'issue';
      key_id: string;
      sha256: string;
      tenant: string;
      subject: string;
      subject_type: 'user' | 'service' | 'system';
      role: Role;
      expires_at: string | null;
    }
  | { effect: 'revoke'; key_id: string }
  | { effect: 'grant' | 'ungrant'; tenant: string; subject: string; role: Role; scope: Scope };

export type AppendCommand = {
  /** UUID */
  command_id: string;
  /** Of method, path, query, `If-Match` and body; null where the id cannot come twice. */
  request_hash: string | null;
  /** The answer's HTTP status, for a later duplicate. */
  status: number;
  metadata: EventMetadata;
  events: readonly NewEvent[];
  takes: readonly string[];
  frees: readonly string[];
  keys: readonly KeyEffect[];
  /** The scopes that the stream is in from now on, of each kind that is named. */
  scopes: readonly ScopeOfModel[];
};

/** One stream's waiting commands, each decided on the state that the one before leaves: all or none is appended. */
export type AppendEntry = {
  stream: string;
  tenant: string;
  expected_version: number;
  /** Other streams that the decisions rest on, at the versions that were read. */
  decided_on: readonly { stream: string; version: number }[];
  commands: readonly AppendCommand[];
};

/** What became of a command. Only `appended` changed anything. */
export type Verdict =
  | {
      verdict: 'appended';
      stream_version: number;
      position: number;
      events: readonly RecordedEvent[];
    }
  /** The id is recorded: the command succeeded before, and left the stream at this version. */
  | {
      verdict: 'duplicate';
      stream: string;
      stream_version: number;
      position: number;
      status: number;
    }
  /** The id is recorded with another request. */
  | { verdict: 'key_reused' }
  /** A name is held by another stream. */
  | { verdict: 'claimed' }
  /** The stream, or one that was decided on, has moved. */
  | { verdict: 'conflict' }
  /** Nothing against it, but another command of its entry was not appended: decide again. */
  | { verdict: 'undecided' }
  /** The database refused a value of the entry. Nothing of it is recorded; asking again does not help. */
  | { verdict: 'failed'; error: Error };

export type RecordedCommand = {
  command_id: string;
  request_hash: string | null;
  stream: string;
  stream_version: number;
  position: number;
  status: number;
};

type LogHead = { position: number; epoch: number; recorded_at: string };

export type EventFilter = {
  tenant: string | null;
  types?: readonly string[];
  stream?: string;
  /** Only streams of models, not those of tenants. */
  modelsOnly?: boolean;
  /** Only models that are now in one of these scopes. */
  scopes?: readonly Scope[];
};

/** A piece of a snapshot's text, which is always the same. */
export type SnapshotPart = () => string;

export type EventLog = {
  /**
   * Appends a batch in one transaction; the verdicts stand as the entries and their commands stand.
   * @throws LogUnavailable: retryable; `inDoubt` says whether the batch may have been recorded.
   */
  append: (entries: readonly AppendEntry[]) => Promise<Verdict[][]>;
  head: () => Promise<LogHead>;
  /** Events of one stream after a version, in order, at most `limit`. */
  readStream: (stream: string, afterVersion: number, limit?: number) => Promise<RecordedEvent[]>;
  /**
   * Events after a position, in order, at most `limit` and `pageBytesMax`: only an empty page says that there are no more.
   * A statement of its own, so that nobody holds a snapshot.
   */
  readAll: (afterPosition: number, limit: number, filter?: EventFilter) => Promise<RecordedEvent[]>;
  /** The last position recorded at this time (RFC 3339) or before; 0 if there was none. */
  positionAt: (time: string) => Promise<number>;
  /** The stream whose model was the last to be given a name, up to a position; it may have lost it again. */
  findNamed: (tenant: string, name: string, position: number) => Promise<string | null>;
  readEvent: (id: string) => Promise<RecordedEvent | null>;
  /** Current versions (0 for an unknown stream) and recorded commands, in one round trip. */
  lookUp: (
    streams: readonly string[],
    commandIds: readonly string[],
  ) => Promise<{ versions: Map<string, number>; commands: Map<string, RecordedCommand> }>;
  /** Which stream holds each claim; an unheld claim is absent. */
  findClaims: (claims: readonly string[]) => Promise<Map<string, string>>;
  /** The stream in which a serial was given, with number and id of the version for a version. */
  findSerial: (
    tenant: string,
    kind: SerialKind,
    serial: number,
  ) => Promise<{ stream: string; number: number | null; version_id: string | null } | null>;
  /** Whether a model's stream is now in one of the scopes. */
  isInScope: (stream: string, scopes: readonly Scope[]) => Promise<boolean>;
  /** The stream in which a part of a model with this id began. */
  findPart: (tenant: string, kind: PartKind, id: string) => Promise<string | null>;
  /** Where a version with this id was made, and its number there. */
  findVersion: (
    tenant: string,
    versionId: string,
  ) => Promise<{ stream: string; number: number } | null>;
  /**
   * Versions that name one of these as their parent (as `namedParent` tells names), but those of one stream; in order, at most
   * `limit`. They may be deleted by now.
   */
  findChildren: (
    tenant: string,
    parents: readonly string[],
    exceptStream: string,
    limit: number,
  ) => Promise<{ stream: string; number: number }[]>;
  /**
   * The snapshot of this fold version, or null where none is kept, and the stream's events after it. Each part of the snapshot is
   * unpacked when it is called, as most of them may not be needed. A part that was read or saved before is saved as it is, uncalled.
   */
  readFromSnapshot: (
    stream: string,
    foldVersion: number,
  ) => Promise<{
    snapshot: { stream_version: number; parts: readonly SnapshotPart[] } | null;
    events: RecordedEvent[];
  }>;
  saveSnapshot: (
    stream: string,
    foldVersion: number,
    streamVersion: number,
    parts: readonly SnapshotPart[],
  ) => Promise<void>;
};

/** The log cannot answer now. `in_doubt`: the append was sent, and the same command ids will tell. */
export class LogUnavailable extends Error {
  override name = 'LogUnavailable';
  readonly retryable = true;
  readonly inDoubt: boolean;
  constructor(message: string, options: { inDoubt: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.inDoubt = options.inDoubt;
  }
}
