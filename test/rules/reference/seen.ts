// What can be seen of a model, of the one that was decided and of the one on paper, in the same words.
import type { ModelState } from '#events/model/state.ts';
import type { Registry } from './registry.ts';

const byKey = <Row, Seen>(rows: Iterable<[unknown, Row]>, see: (row: Row) => Seen) =>
  Object.fromEntries([...rows].map(([key, row]) => [String(key), see(row)]));

export function seenOfState(state: ModelState) {
  const { model } = state;
  return {
    state: model?.state ?? 'none',
    name: model?.name ?? '',
    team: model?.team ?? null,
    default: model?.default_number ?? null,
    defaultBy: model?.default_set_by ?? null,
    aliases: { ...model?.aliases },
    production: [...(model?.production ?? [])],
    alerts: [...state.alerts.keys()].toSorted(),
    versions: byKey(state.versions, (version) => ({
      stage: version.stage,
      readiness: version.readiness,
      active: version.activation === 'active',
      deleted: version.deleted_at !== null,
      holds: version.holds.map(({ hold_id }) => hold_id),
    })),
    deployments: byKey(state.deployments, ({ number, environment, region, strategy, status }) => ({
      number,
      environment,
      region,
      strategy,
      status,
    })),
    bindings: byKey(state.bindings, ({ number, status, removed_at, success_rate }) => ({
      number,
      status,
      removed: removed_at !== null,
      success: success_rate,
    })),
    requests: byKey(state.promotionRequests, (request) => ({
      number: request.number,
      to: request.to_stage,
      state: request.state,
      decisions: Object.fromEntries(
        request.decisions.map(({ actor, decision }) => [actor.subject, decision]),
      ),
    })),
  };
}

export function seenOnPaper(registry: Registry): ReturnType<typeof seenOfState> {
  return {
    state: registry.state === 'none' ? 'none' : registry.state,
    name: registry.name,
    team: registry.team,
    default: registry.default,
    defaultBy: registry.defaultBy,
    aliases: Object.fromEntries(registry.aliases),
    production: registry.production,
    alerts: [...registry.alerts].toSorted(),
    versions: byKey(
      registry.versions.map((version) => [version.number, version]),
      ({ stage, readiness, active, deleted, holds }) => ({
        stage,
        readiness,
        active,
        deleted,
        holds: holds.map(({ id }) => id),
      }),
    ),
    deployments: byKey(
      registry.deployments,
      ({ number, environment, region, strategy, status }) => ({
        number,
        environment,
        region,
        strategy,
        status,
      }),
    ),
    bindings: byKey(registry.bindings, ({ number, status, removed, success }) => ({
      number,
      status,
      removed,
      success,
    })),
    requests: byKey(registry.requests, ({ number, to, state, decisions }) => ({
      number,
      to,
      state,
      decisions: Object.fromEntries(
        [...decisions].map(([subject, { decision }]) => [subject, decision]),
      ),
    })),
  };
}
