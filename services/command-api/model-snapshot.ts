// How a folded model is kept as text: a first part that is read at once, then parts of a line a version, each read when one of its
// versions is asked for. Of 10,000 versions a command needs one or two: reading them all took 150 ms of the first command on
// such a model, and unpacking their texts another 50.
import type { OpenAlert } from '#events/model/alert-row.ts';
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
import type { StreamKind } from './streams.ts';

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

/** JSON text holds no line break. */
function encode(state: ModelState): string[] {
  const versions = [...state.versions.values()];
  const first: FirstPart = {
    stream_version: state.stream_version,
    model: state.model,
    deployments: packRows(state.deployments.values()),
    bindings: packRows(state.bindings.values()),
    promotion_requests: packRows(state.promotionRequests.values()),
    alerts: [...state.alerts.values()],
    versions: versions.map(namesOf),
    first_version: versions[0] ?? null,
  };
  const lines = packRows(versions, first.first_version).map((line) => JSON.stringify(line));
  const parts = [JSON.stringify(first)];
  for (let nth = 0; nth < lines.length; nth += versionsAPart)
    parts.push(lines.slice(nth, nth + versionsAPart).join('\n'));
  return parts;
}

function decode([first, ...parts]: readonly (() => string)[]): ModelState {
  const kept = JSON.parse(first!()) as FirstPart;
  const { stream_version, model, deployments, bindings, promotion_requests, alerts, versions } =
    kept;
  const state = modelDecider.initial();
  state.stream_version = stream_version;
  state.model = model;
  if (kept.first_version !== null)
    state.versions = lateVersions(kept.first_version, versions, parts);
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
  return state;
}

const byKey = <Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row> =>
  new Map(rows.map((row) => [keyOf(row), row]));

const numbersBy = (named: readonly Named[], name: 1 | 2 | 3): Map<string, number> =>
  new ScannedMap(
    named,
    (one) => one[name],
    ([number]) => number,
  );

function lateVersions(
  first: Version,
  named: readonly Named[],
  parts: readonly (() => string)[],
): Map<number, Version> {
  const linesOf = lastOf((part) => parts[part]!().split('\n'));
  return new LateMap(new Map(named.map(([number], nth) => [number, nth])), (nth) => {
    const line = linesOf(Math.floor(nth / versionsAPart))[nth % versionsAPart]!;
    return unpackRow(first, JSON.parse(line) as PackedRow);
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
  foldVersion: 7,
  encode,
  decode,
};
