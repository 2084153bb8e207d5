// How a folded model is kept as text: a first line that is read at once, then a line a version, each read when it is asked for.
// Of 10,000 versions a command needs one or two: reading them all took 150 ms of the first command on such a model.
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

/** What a version is found by; the digest only where it is the version's alone. */
type Named = [number: number, versionId: string, label: string | null, sha256: string | null];

type FirstLine = Pick<ModelState, 'stream_version' | 'model'> &
  Record<'deployments' | 'bindings' | 'promotion_requests', PackedRows> & {
    alerts: readonly OpenAlert[];
    /** In the order of the lines. */
    versions: readonly Named[];
  };

function namesOf({ facts, deleted_at }: Version): Named {
  const { number, version_id, label, content_digest } = facts;
  return [number, version_id, label, deleted_at === null ? (content_digest?.sha256 ?? null) : null];
}

/** JSON text holds no line break. */
function encode(state: ModelState): string {
  const versions = [...state.versions.values()];
  const first: FirstLine = {
    stream_version: state.stream_version,
    model: state.model,
    deployments: packRows(state.deployments.values()),
    bindings: packRows(state.bindings.values()),
    promotion_requests: packRows(state.promotionRequests.values()),
    alerts: [...state.alerts.values()],
    versions: versions.map(namesOf),
  };
  return [first, ...packRows(versions)].map((line) => JSON.stringify(line)).join('\n');
}

function decode(text: string): ModelState {
  const [head, ...lines] = text.split('\n') as [string, ...string[]];
  const { stream_version, model, deployments, bindings, promotion_requests, alerts, versions } =
    JSON.parse(head) as FirstLine;
  const state = modelDecider.initial();
  state.stream_version = stream_version;
  state.model = model;
  state.versions = lateVersions(versions, lines);
  state.numberByVersionId = numbersBy(versions, 1);
  state.numberByLabel = numbersBy(versions, 2);
  state.numberBySha256 = numbersBy(versions, 3);
  for (const deployment of unpackRows<Deployment>(deployments))
    state.deployments.set(deployment.deployment_id, deployment);
  for (const binding of unpackRows<Binding>(bindings))
    state.bindings.set(binding.binding_id, binding);
  for (const request of unpackRows<PromotionRequest>(promotion_requests))
    state.promotionRequests.set(request.promotion_request_id, request);
  for (const alert of alerts) state.alerts.set(alert.alert, alert);
  return state;
}

const numbersBy = (named: readonly Named[], name: 1 | 2 | 3): Map<string, number> =>
  new ScannedMap(
    named,
    (one) => one[name],
    ([number]) => number,
  );

function lateVersions(named: readonly Named[], lines: readonly string[]): Map<number, Version> {
  if (lines.length === 0) return new Map();
  const packed = (line: string): PackedRow => JSON.parse(line) as PackedRow;
  const [first] = unpackRows<Version>([packed(lines[0]!)]);
  return new LateMap(new Map(named.map(([number], nth) => [number, lines[nth]!])), (line) =>
    unpackRow(first!, packed(line)),
  );
}

export const modelSnapshot: NonNullable<StreamKind<ModelState, never, never, never>['snapshot']> = {
  foldVersion: 6,
  encode,
  decode,
};
