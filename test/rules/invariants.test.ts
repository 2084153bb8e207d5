// What holds of every model at every moment, whatever is asked in whatever order.
import {
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  integer,
  oneof,
  option,
  property,
  record,
} from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { catalogue } from '#events/catalogue.ts';
import type { NewVersion, VersionRef } from '#events/model/commands.ts';
import { modelDecider } from '#events/model/decide.ts';
import { stages, strategies } from '#events/model/shapes.ts';
import { bindingStatuses } from '#events/model/binding-events.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { Stage } from '#events/model/shapes.ts';
import { usesOf } from '#events/model/uses.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelKind } from '#services/command-api/kinds.ts';
import { bindingId, deploymentId, modelId, noModelFacts, noon } from './history.ts';
import { commandOf, folded, recorded } from './scenario.ts';
import type { Wanted } from './scenario.ts';
import { newVersion } from './wanted.ts';

/** The same lives in every run. */
const seed = 20_261_121;
const numbersMax = 8;
const deploymentsMax = 8;
const bindingsMax = 6;

/** Commands as they may come: mostly about versions and deployments that may be there. */
const version: Arbitrary<VersionRef> = oneof(
  { weight: 6, arbitrary: integer({ min: 1, max: numbersMax }).map(byNumber) },
  { weight: 1, arbitrary: constantFrom<VersionRef>({ by: 'default' }, { by: 'latest' }) },
  {
    weight: 1,
    arbitrary: constantFrom('v1', 'v2', '3').map((text): VersionRef => ({ by: 'text', text })),
  },
);
function byNumber(number: number): VersionRef {
  return { by: 'number', number };
}

const digest = constantFrom('a', 'b', 'c', 'd').map((digit) => ({
  sha256: digit.repeat(64),
  blake3: null,
  origin: 'declared' as const,
}));
const adding: Arbitrary<NewVersion> = record({
  id: integer({ min: 1, max: 1_000_000 }),
  label: option(constantFrom('v1', 'v2', '1', '2', '3')),
  content_digest: option(digest, { freq: 1 }),
  stage: constantFrom('development', 'development', 'staging', 'production'),
  readiness: constantFrom('training', 'testing'),
  is_default: boolean(),
}).map(({ id, label, content_digest, ...said }) =>
  newVersion(id, { ...said, facts: { label, content_digest } }),
);

const place = {
  environment: constantFrom('eu-prod', 'eu-prod', 'us-prod'),
  region: option(constant('a'), { freq: 1 }),
};
const deployment = integer({ min: 1, max: deploymentsMax }).map(deploymentId);
const binding = integer({ min: 1, max: bindingsMax }).map(bindingId);
const stage = constantFrom(...stages);
const because = constantFrom(
  { cause: 'manual', plan_id: null, rule: null } as const,
  {
    cause: 'retention_age',
    plan_id: 'p',
    rule: { type: 'age_days', limit: 30, measured: 31 },
  } as const,
);
const tags = option(constantFrom({ tier: 'gold' }, { tier: null }, { ö: '✓' }));

const wanted: Arbitrary<Wanted> = oneof(
  {
    weight: 1,
    arbitrary: record({ first_version: option(adding) }).map(({ first_version }): Wanted => ({
      type: 'RegisterModel',
      model_id: modelId,
      name: 'churn',
      facts: noModelFacts,
      first_version,
    })),
  },
  {
    weight: 1,
    arbitrary: record({ owner: option(constantFrom('zoë', 'ana')), tags }).map((patch): Wanted => ({
      type: 'UpdateModel',
      patch,
    })),
  },
  {
    weight: 5,
    arbitrary: adding.map((added): Wanted => ({ type: 'CreateVersion', version: added })),
  },
  {
    weight: 2,
    arbitrary: record({
      type: constantFrom('StartTesting' as const, 'Approve' as const, 'Reject' as const),
      version,
    }),
  },
  {
    weight: 5,
    arbitrary: record({ type: constant('Promote' as const), version, to_stage: stage }),
  },
  {
    weight: 2,
    arbitrary: record({ type: constant('Demote' as const), version, to_stage: option(stage) }),
  },
  {
    weight: 2,
    arbitrary: record({
      type: constant('Deprecate' as const),
      version,
      sunset_at: option(constant('2027-01-01T00:00:00.000Z')),
    }),
  },
  { weight: 5, arbitrary: record({ type: constant('Archive' as const), version, because }) },
  {
    weight: 6,
    arbitrary: record({ type: constant('Restore' as const), version, to_stage: stage }),
  },
  { weight: 2, arbitrary: record({ type: constant('SetDefault' as const), version }) },
  {
    weight: 6,
    arbitrary: record({
      type: constant('Deploy' as const),
      version,
      deployment_id: deployment,
      ...place,
      endpoint_url: constant(null),
      share: oneof(
        constant({ strategy: 'all_at_once' as const, traffic_percent: null }),
        record({
          strategy: constantFrom(...strategies),
          traffic_percent: integer({ min: 0, max: 100 }),
        }),
      ),
      config: constant({ replicas: 2 }),
      external_ref: constant(null),
      status: constantFrom('requested' as const, 'deployed' as const),
    }).map(({ share, ...said }): Wanted => ({ ...said, ...share })),
  },
  {
    weight: 7,
    arbitrary: record({
      type: constant('ReportDeployment' as const),
      deployment_id: deployment,
      status: constantFrom('deploying' as const, 'deployed' as const, 'failed' as const),
      endpoint_url: constant(null),
      cause: constantFrom('reported' as const, 'timed_out' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: record({ type: constant('Undeploy' as const), deployment_id: deployment }),
  },
  {
    weight: 2,
    arbitrary: record({
      type: constant('ShiftTraffic' as const),
      deployment_id: deployment,
      traffic_percent: integer({ min: 0, max: 100 }),
    }),
  },
  {
    weight: 5,
    arbitrary: record({
      type: constant('RollbackDeployment' as const),
      deployment_id: deployment,
      to: option(version),
      new_id: deployment,
    }),
  },
  {
    weight: 3,
    arbitrary: record({
      type: constant('CreateBinding' as const),
      version,
      binding_id: binding,
      binding: record({
        provider: constantFrom('openai', 'bedrock'),
        provider_model_id: constant('m'),
        status: constantFrom('inactive' as const, 'active' as const),
        config: constant({ max_tokens: 2_000 }),
        endpoint_url: constant(null),
        avg_latency_ms: constant(null),
        success_rate: option(constant(0.99)),
        last_used_at: option(constant('2026-11-20T12:00:00.000Z')),
      }),
    }),
  },
  {
    weight: 5,
    arbitrary: record({
      type: constant('UpdateBinding' as const),
      binding_id: binding,
      patch: record({
        status: option(constantFrom(...bindingStatuses), { nil: undefined }),
        success_rate: constantFrom(undefined, 0.5, null),
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: record({ type: constant('RemoveBinding' as const), binding_id: binding }),
  },
);

/** A model's whole life under random commands, told event by event to whoever checks something. */
function livesOf(
  watch: (told: {
    state: ModelState;
    before: ModelState;
    events: readonly ModelEvent[];
    all: readonly ModelEvent[];
  }) => void,
): void {
  assert(
    property(array(wanted, { minLength: 20, maxLength: 80, size: 'max' }), (asked) => {
      const state = modelDecider.initial();
      const all: ModelEvent[] = [];
      const register: Wanted = {
        type: 'RegisterModel',
        model_id: modelId,
        name: 'churn',
        facts: noModelFacts,
        first_version: null,
      };
      for (const one of [register, ...asked]) {
        // a caller makes deployment ids anew, so one that exists never comes again
        if (one.type === 'Deploy' && state.deployments.has(one.deployment_id)) continue;
        if (one.type === 'RollbackDeployment' && state.deployments.has(one.new_id)) continue;
        if (one.type === 'CreateBinding' && state.bindings.has(one.binding_id)) continue;
        const isAgain =
          one.type === 'CreateVersion' && state.numberByVersionId.has(one.version.version_id);
        if (isAgain) continue;
        const { events = [] } = modelDecider.decide(state, commandOf(one));
        const before = modelDecider.fork(state);
        all.push(...events);
        folded(state, events);
        watch({ state, before, events, all });
      }
    }),
    { numRuns: 200, seed },
  );
}

const inStage = (state: ModelState, wantedStage: Stage): number[] =>
  [...state.versions.values()]
    .filter((row) => row.stage === wantedStage)
    .map((row) => row.facts.number);

/** What was seen over all random lives, so that a property that never met its case does not pass. */
const count = (seen: Map<string, number>, what: string): void =>
  void seen.set(what, (seen.get(what) ?? 0) + 1);

/** Events that are shown by scenarios of their own, as no command of these lives leads to them. */
const told: ReadonlySet<string> = new Set([
  'alert.cleared',
  'alias.removed',
  'alias.set',
  'hold.placed',
  'hold.released',
  'model.deactivated',
  'model.deleted',
  'model.reactivated',
  'model.renamed',
  'model.restored',
  'promotion.decided',
  'promotion.expired',
  'promotion.requested',
  'promotion.staled',
  'promotion.withdrawn',
  'retention.applied',
  'version.activated',
  'version.approval_revoked',
  'version.deactivated',
  'version.deleted',
  'version.updated',
]);

describe('at every prefix of every life', () => {
  test('random commands lead to every event of a model', () => {
    const seen = new Map<string, number>();
    livesOf(({ events }) => {
      for (const { type } of events) count(seen, type);
    });
    const types = Object.keys(catalogue).filter(
      (type) => !/^(tenant|policy|role|api_key)\./.test(type) && !told.has(type),
    );
    expect([...seen.keys()].toSorted()).toEqual(types.toSorted());
  });

  test('at most one version is in production, event by event', () => {
    let largest = 0;
    livesOf(({ before, events }) => {
      for (const event of events) {
        folded(before, [event]);
        const production = inStage(before, 'production');
        largest = Math.max(largest, production.length);
        expect(production.length).toBeLessThanOrEqual(1);
        expect(before.model!.production).toEqual(production);
      }
    });
    expect(largest).toBe(1);
  });

  test('exactly one default exists while a version is not archived, append by append', () => {
    const seen = new Map<string, number>();
    livesOf(({ state }) => {
      const rows = [...state.versions.values()];
      const defaults = rows.filter((row) => row.is_default);
      const isLiving = rows.some((row) => row.stage !== 'archived');
      count(seen, isLiving ? 'living' : 'none');
      expect(defaults).toHaveLength(isLiving ? 1 : 0);
      const [only] = defaults;
      expect(only?.stage).not.toBe('archived');
      expect(state.model).toMatchObject({
        default_number: only?.facts.number ?? null,
        default_version_id: only?.facts.version_id ?? null,
      });
      expect(state.model!.default_set_by === null).toBe(!isLiving);
    });
    expect(seen.get('living')).toBeGreaterThan(100);
    expect(seen.get('none')).toBeGreaterThan(100);
  });

  test('nothing in use is archived', () => {
    const seen = new Map<string, number>();
    livesOf(({ before, events }) => {
      for (const event of events) {
        const isArchived = event.type === 'model.archived';
        // a default that moves in this append has moved by now, and the incumbent only leaves production
        const uses = isArchived
          ? usesOf(before, before.versions.get(event.data.number)!, noon)
          : [];
        const isDisplaced = isArchived && event.data.cause === 'superseded';
        if (isArchived) count(seen, event.data.cause);
        expect(uses).toEqual(isDisplaced ? [{ kind: 'production' }] : []);
        folded(before, [event]);
      }
    });
    expect([...seen.keys()].toSorted()).toEqual(['manual', 'retention_age', 'superseded']);
  });

  test('numbers, labels and digests are given once, and the indexes know them', () => {
    livesOf(({ state }) => {
      const rows = [...state.versions.values()];
      const numbers = rows.map((row) => row.facts.number);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      expect(state.model!.last_number).toBe(numbers.length);
      const of = <Key>(key: (facts: NewVersion['facts'] & { version_id: string }) => Key | null) =>
        rows.flatMap(({ facts }): [Key, number][] => {
          const found = key(facts);
          return found === null ? [] : [[found, facts.number]];
        });
      const ids = of((facts) => facts.version_id);
      const labels = of((facts) => facts.label);
      const digests = of((facts) => facts.content_digest?.sha256 ?? null);
      expect([...state.numberByVersionId]).toEqual(ids);
      expect([...state.numberByLabel]).toEqual(labels);
      expect([...state.numberBySha256]).toEqual(digests);
    });
  });

  test('the counters of the model are those of its versions', () => {
    livesOf(({ state }) => {
      for (const one of stages)
        expect(state.model!.versions_by_stage[one], one).toBe(inStage(state, one).length);
    });
  });

  test('a version knows exactly the deployments that hold it', () => {
    const live = new Set(['requested', 'deploying', 'deployed']);
    livesOf(({ state }) => {
      for (const row of state.versions.values()) {
        const holding = [...state.deployments.values()].filter(
          ({ number, status }) => number === row.facts.number && live.has(status),
        );
        const shown = (rows: readonly { deployment_id: string; status: string }[]) =>
          new Set(rows.map(({ deployment_id, status }) => `${deployment_id} ${status}`));
        expect(shown(row.live)).toEqual(shown(holding));
        expect(row.live).toHaveLength(holding.length);
      }
    });
  });

  test('at most one deployment takes everything in one place', () => {
    livesOf(({ state }) => {
      const whole = [...state.deployments.values()].filter(
        (row) => row.status === 'deployed' && row.traffic_percent === 100,
      );
      const places = whole.map((row) => `${row.environment} ${row.region}`);
      expect(new Set(places).size).toBe(places.length);
    });
  });

  test('every event has the shape that the catalogue says, and survives as JSON', () => {
    livesOf(({ before, state, events }) => {
      for (const event of events) {
        const { data } = catalogue[event.type];
        expect(data.strict().parse(event.data)).toEqual(event.data);
        const stored = recorded(event, before.stream_version + 1);
        modelDecider.evolve(before, JSON.parse(JSON.stringify(stored)) as typeof stored);
      }
      expect(before).toEqual(state);
    });
  });
});

describe('however a state came about, it is the same', () => {
  test('by folding everything again', () => {
    livesOf(({ state, all }) => {
      expect(folded(modelDecider.initial(), all)).toEqual(state);
    });
  });

  test('by a fork, which leaves the original alone', () => {
    livesOf(({ before, state, events }) => {
      const untouched = structuredClone(before);
      const fork = modelDecider.fork(before);
      expect(folded(fork, events)).toEqual(state);
      expect(before).toEqual(untouched);
    });
  });

  test('by a snapshot', () => {
    const { encode, decode } = modelKind.snapshot!;
    livesOf(({ state, before, events }) => {
      const restored = decode(encode(before));
      const after = folded(decode(encode(before)), events);
      // which makes every version that nobody has asked for
      const whole = (one: ModelState): ModelState => ({ ...one, versions: new Map(one.versions) });
      expect(whole(restored)).toEqual(before);
      expect(whole(after)).toEqual(state);
    });
  });
});
