// How a folded model is kept as text: a first part that is read at once, then parts of a line a version, each read when one of its
// versions is asked for. Of 10,000 versions a command needs one or two: reading them all took 150 ms of the first command on
// such a model, and unpacking their texts another 50. A snapshot that follows another has new parts only where versions have changed:
// writing all of them held up the whole process for most of a second.
import type { OpenAlert } from '#events/model/alert-row.ts';
import type { SnapshotPart } from '#events/log.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { Binding } from '#events/model/binding-row.ts';
import type { Deployment } from '#events/model/deployment-row.ts';
import type { PromotionRequest } from '#events/model/promotion-row.ts';
import type { ModelState } from '#events/model/state.ts';
import type { Version } from '#events/model/version-row.ts';
import { LateMap } from './late-map.ts';
import { packRows, unpackRow, unpackRows } from './packed-rows.ts';
import type { PackedRow, PackedRows } from './packed-rows.ts';
import { ScannedMap } from './scanned-map.ts';
import type { SnapshotEncoder, StreamKind } from './streams.ts';

/** A part is unpacked in about a millisecond. */
const versionsAPart = 250;

/** What a version is found by; the digest only where it is the version's alone. */
type Named = [number: number, versionId: string, label: string | null, sha256: string | null];

type FirstPart = Pick<ModelState, 'stream_version' | 'model'> &
  Record<'deployments' | 'bindings' | 'promotion_requests', PackedRows> & {
    alerts: readonly OpenAlert[];
    /** In the order of the lines. */
    versions: readonly Named[];
    /** What the lines say of the others is what they have else than this one. */
    first_version: Version | null;
  };

function namesOf({ facts, deleted_at }: Version): Named {
  const { number, version_id, label, content_digest } = facts;
  return [number, version_id, label, deleted_at === null ? (content_digest?.sha256 ?? null) : null];
}

/** What the last snapshot of a state says of its versions, in the order of its lines. */
type Written = {
  base: Version | null;
  named: Named[];
  /** Null where the version has not been unpacked. */
  rows: (Version | null)[];
  parts: SnapshotPart[];
};

function encoderAfter(written: Written): SnapshotEncoder<ModelState> {
  const { named, rows, parts } = written;
  function encode(state: ModelState): SnapshotPart[] {
    const { versions } = state;
    const numbers = [...versions.keys()];
    const isAsWritten = (number: number, nth: number): boolean => {
      const version = versions instanceof LateMap ? versions.made(number) : versions.get(number);
      return named[nth]?.[0] === number && (version === undefined || version === rows[nth]);
    };
    const base = (written.base ??= versions.values().next().value ?? null);
    for (let from = 0; from < numbers.length; from += versionsAPart) {
      const there = numbers.slice(from, from + versionsAPart);
      if (there.every((number, nth) => isAsWritten(number, from + nth))) continue;
      const changed = there.map((number) => versions.get(number)!);
      for (const [nth, version] of changed.entries()) {
        named[from + nth] = namesOf(version);
        rows[from + nth] = version;
      }
      parts[from / versionsAPart] = () => linesOf(base, changed);
    }
    const first: FirstPart = {
      stream_version: state.stream_version,
      model: state.model,
      deployments: packRows(state.deployments.values()),
      bindings: packRows(state.bindings.values()),
      promotion_requests: packRows(state.promotionRequests.values()),
      alerts: [...state.alerts.values()],
      versions: [...named],
      first_version: base,
    };
    return [() => JSON.stringify(first), ...parts];
  }
  return { encode };
}

/** JSON text holds no line break. */
const linesOf = (base: Version | null, versions: readonly Version[]): string =>
  packRows(versions, base)
    .map((line) => JSON.stringify(line))
    .join('\n');

function decode([first, ...parts]: readonly SnapshotPart[]): {
  state: ModelState;
  encoder: SnapshotEncoder<ModelState>;
} {
  const kept = JSON.parse(first!()) as FirstPart;
  const { stream_version, model, deployments, bindings, promotion_requests, alerts, versions } =
    kept;
  const base = kept.first_version;
  const rows: (Version | null)[] = versions.map(() => null);
  const state = modelDecider.initial();
  state.stream_version = stream_version;
  state.model = model;
  if (base !== null) state.versions = lateVersions(base, versions, parts, rows);
  state.numberByVersionId = numbersBy(versions, 1);
  state.numberByLabel = numbersBy(versions, 2);
  state.numberBySha256 = numbersBy(versions, 3);
  state.deployments = byKey(unpackRows<Deployment>(deployments), (one) => one.deployment_id);
  state.bindings = byKey(unpackRows<Binding>(bindings), (one) => one.binding_id);
  state.promotionRequests = byKey(
    unpackRows<PromotionRequest>(promotion_requests),
    (one) => one.promotion_request_id,
  );
  state.alerts = byKey(alerts, ({ alert }) => alert);
  return { state, encoder: encoderAfter({ base, named: [...versions], rows, parts: [...parts] }) };
}

const byKey = <Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row> =>
  new Map(rows.map((row) => [keyOf(row), row]));

const numbersBy = (named: readonly Named[], name: 1 | 2 | 3): Map<string, number> =>
  new ScannedMap(
    named,
    (one) => one[name],
    ([number]) => number,
  );

/** @param rows where each version is noted that has been unpacked */
function lateVersions(
  first: Version,
  named: readonly Named[],
  parts: readonly SnapshotPart[],
  rows: (Version | null)[],
): Map<number, Version> {
  const linesIn = lastOf((part) => parts[part]!().split('\n'));
  return new LateMap(new Map(named.map(([number], nth) => [number, nth])), (nth) => {
    const line = linesIn(Math.floor(nth / versionsAPart))[nth % versionsAPart]!;
    return (rows[nth] = unpackRow(first, JSON.parse(line) as PackedRow));
  });
}

/** The same function, with its last answer remembered: who asks for all versions asks for those of one part in a row. */
function lastOf<Answer>(answer: (asked: number) => Answer): (asked: number) => Answer {
  let last: { asked: number; answer: Answer } | null = null;
  return (asked) => {
    if (last?.asked !== asked) last = { asked, answer: answer(asked) };
    return last.answer;
  };
}

export const modelSnapshot: NonNullable<StreamKind<ModelState, never, never, never>['snapshot']> = {
  foldVersion: 10,
  newEncoder: () => encoderAfter({ base: null, named: [], rows: [], parts: [] }),
  decode,
};
