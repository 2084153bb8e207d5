// The release ladder: every step from every stage to every stage, by every verb.
import { describe, expect, test } from 'vitest';
import { stages } from '#events/model/shapes.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { Stage } from '#events/model/shapes.ts';
import { usesOf } from '#events/model/uses.ts';
import { openPolicy } from '#events/policy/policy.ts';
import {
  archived,
  defaultChanged,
  demoted,
  deprecated,
  modelWith,
  promoted,
  registered,
  restored,
  versioned,
  noon,
} from './history.ts';
import { given, givenState, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';
import { newVersion } from './wanted.ts';

type Verb = 'promote' | 'demote' | 'deprecate' | 'archive' | 'restore';

/** The table of the domain: which verb leads from where to where; null where nothing does. */
const ladder: Record<Stage, Record<Stage, Verb | null>> = {
  development: {
    development: null,
    staging: 'promote',
    production: 'promote',
    deprecated: 'deprecate',
    archived: 'archive',
  },
  staging: {
    development: 'demote',
    staging: null,
    production: 'promote',
    deprecated: 'deprecate',
    archived: 'archive',
  },
  production: {
    development: null,
    staging: 'demote',
    production: null,
    deprecated: 'deprecate',
    archived: 'archive',
  },
  deprecated: {
    development: null,
    staging: 'promote',
    production: 'promote',
    deprecated: null,
    archived: 'archive',
  },
  archived: {
    development: 'restore',
    staging: 'restore',
    production: null,
    deprecated: null,
    archived: null,
  },
};

/** A model whose version 1 stands at a stage; version 2 is the default, so that nothing else follows from a step. */
function standingAt(stage: Stage): ModelEvent[] {
  const begun = [registered(), versioned(1), versioned(2), defaultChanged(2, null)];
  switch (stage) {
    case 'development':
      return begun;
    case 'staging':
    case 'production':
      return [...begun, promoted(1, 'development', stage)];
    case 'deprecated':
      return [...begun, deprecated(1, 'development')];
    case 'archived':
      return [...begun, archived(1, 'development')];
  }
}

const manually = { cause: 'manual', plan_id: null, rule: null } as const;
const version = numbered(1);
const asking: { verb: Verb; to: Stage; wanted: Wanted }[] = [
  ...stages.flatMap((to): { verb: Verb; to: Stage; wanted: Wanted }[] => [
    { verb: 'promote', to, wanted: { type: 'Promote', version, to_stage: to } },
    { verb: 'demote', to, wanted: { type: 'Demote', version, to_stage: to } },
    { verb: 'restore', to, wanted: { type: 'Restore', version, to_stage: to } },
  ]),
  { verb: 'deprecate', to: 'deprecated', wanted: { type: 'Deprecate', version, sunset_at: null } },
  { verb: 'archive', to: 'archived', wanted: { type: 'Archive', version, because: manually } },
];

const steps = stages.flatMap((from) => asking.map((asked) => ({ from, ...asked })));

function following(verb: Verb, from: Stage, to: Stage): ModelEvent {
  switch (verb) {
    case 'promote':
      return promoted(1, from, to, { mode: from === 'deprecated' ? 'reinstate' : 'normal' });
    case 'demote':
      return demoted(1, from, to);
    case 'deprecate':
      return deprecated(1, from);
    case 'archive':
      return archived(1, from);
    case 'restore':
      return restored(1, to);
  }
}

test('the table knows every stage', () => {
  expect(Object.keys(ladder)).toEqual([...stages]);
  expect(steps).toHaveLength(85);
});

test.each(steps)('$verb from $from to $to', ({ verb, from, to, wanted }) => {
  const scene = given(...standingAt(from)).when(wanted);
  if (from === to) return scene.changesNothing();
  if (ladder[from][to] !== verb)
    return scene.isRefused({
      code: 'illegal_transition',
      axis: 'stage',
      from,
      to,
      legal_transitions: stages.filter((other) => ladder[from][other] !== null),
    });
  if (from === 'production' && to === 'archived')
    return scene.isRefused({ code: 'in_use', number: 1, blocking: [{ kind: 'production' }] });
  return scene.follows(following(verb, from, to));
});

const pairs = stages.flatMap((from) => stages.map((to) => ({ from, to })));

test.each(pairs)('a transition from $from to $to is the step that leads there', ({ from, to }) => {
  const transition: Wanted = { type: 'Transition', version, to_stage: to };
  const scene = given(...standingAt(from)).when(transition);
  if (from === to) return scene.changesNothing();
  const verb = ladder[from][to];
  if (verb === null)
    return scene.isRefused({
      code: 'illegal_transition',
      axis: 'stage',
      from,
      to,
      legal_transitions: stages.filter((other) => ladder[from][other] !== null),
    });
  if (from === 'production' && to === 'archived')
    return scene.isRefused({ code: 'in_use', number: 1, blocking: [{ kind: 'production' }] });
  return scene.follows(following(verb, from, to));
});

test.each(['deprecated', 'archived'] as const)('a new version does not begin %s', (stage) =>
  given(registered())
    .when({ type: 'CreateVersion', version: newVersion(1, { stage }) })
    .isRefused({
      code: 'illegal_transition',
      axis: 'stage',
      from: 'new',
      to: stage,
      legal_transitions: ['development', 'staging', 'production'],
    }),
);

test.each(['development', 'staging', 'production'] as const)('a new version begins in %s', (to) => {
  const begins = [versioned(3), ...(to === 'development' ? [] : [promoted(3, 'development', to)])];
  given(...standingAt('development'))
    .when({ type: 'CreateVersion', version: newVersion(3, { stage: to }) })
    .follows(...begins);
});

describe('a demotion that names no stage', () => {
  const demote: Wanted = { type: 'Demote', version, to_stage: null };

  test('goes from production to staging', () =>
    given(...standingAt('production'))
      .when(demote)
      .follows(demoted(1, 'production', 'staging')));

  test('goes from staging to development', () =>
    given(...standingAt('staging'))
      .when(demote)
      .follows(demoted(1, 'staging', 'development')));

  test('leaves what is in development where it is', () =>
    given(...standingAt('development'))
      .when(demote)
      .changesNothing());

  test.each(['deprecated', 'archived'] as const)('is refused for what is %s', (from) =>
    given(...standingAt(from))
      .when(demote)
      .isRefused({
        code: 'illegal_transition',
        axis: 'stage',
        from,
        to: 'development',
        legal_transitions: stages.filter((to) => ladder[from][to] !== null),
      }),
  );
});

describe('what is said with a step is recorded with it', () => {
  test('the reason', () =>
    given(...standingAt('development'))
      .when({ type: 'Promote', version, to_stage: 'staging', reason: 'schön genug ✓' })
      .follows(promoted(1, 'development', 'staging', { reason: 'schön genug ✓' })));

  test('when the version sets', () =>
    given(...standingAt('development'))
      .when({ type: 'Deprecate', version, sunset_at: '2027-01-01T00:00:00.000Z' })
      .follows(deprecated(1, 'development', '2027-01-01T00:00:00.000Z')));

  test('the rule by which retention archives', () => {
    const because = {
      cause: 'retention_age' as const,
      plan_id: 'plan-7',
      rule: { type: 'age_days', limit: 30, measured: 31 },
    };
    given(...standingAt('development'))
      .when({ type: 'Archive', version, because })
      .follows(archived(1, 'development', because));
  });
});

describe('what retention judged by a policy', () => {
  const because = { cause: 'retention_age' as const, plan_id: null, rule: null };
  const tenant = { scope: 'tenant' as const, version: 3 };
  const ref = { scopes: ['tenant'], versions: [3], digest: 'd' };
  const judged: Wanted = { type: 'Archive', version, because, judged_by: [tenant] };

  test('is archived while that policy is in force', () =>
    given(...standingAt('development'))
      .when({ ...judged, in_force: { ...openPolicy, ref } })
      .follows(archived(1, 'development', because)));

  test('or where none was ever set', () =>
    given(...standingAt('development'))
      .when({ ...judged, judged_by: [{ ...tenant, version: 0 }] })
      .follows(archived(1, 'development', because)));

  test.each([
    ['another version of it', { ...ref, versions: [4] }],
    ['that of a project beside it', { ...ref, scopes: ['tenant', 'project:p'], versions: [3, 0] }],
  ])('is refused under %s, as it may keep longer', (_, { scopes, versions, digest }) =>
    given(...standingAt('development'))
      .when({ ...judged, in_force: { ...openPolicy, ref: { scopes, versions, digest } } })
      .isRefused({ code: 'policy_moved', scopes, versions }),
  );

  test('is refused where the policy was set after the judgement', () =>
    given(...standingAt('development'))
      .when(judged)
      .isRefused({ code: 'policy_moved', scopes: ['tenant'], versions: [0] }));
});

test('a way back into use ends the notice to leave', () => {
  const sunset = '2027-01-01T00:00:00.000Z';
  const left = given(...modelWith(1), deprecated(1, 'development', sunset));
  expect(left.state.versions.get(1)).toMatchObject({ sunset_at: sunset });
  expect(left.state.versions.get(1)!.deprecated_at).not.toBeNull();
  const back = given(
    ...modelWith(1),
    deprecated(1, 'development', sunset),
    promoted(1, 'deprecated', 'staging', { mode: 'reinstate' }),
  );
  expect(back.state.versions.get(1)).toMatchObject({ sunset_at: null, deprecated_at: null });
});

describe('an inactive model', () => {
  const inactive = (history: ModelEvent[]) =>
    givenState(() => {
      const { state } = given(...history);
      state.model = { ...state.model!, state: 'inactive' };
      return state;
    });
  const refusal = { code: 'model_inactive', state: 'inactive' } as const;

  test('does not promote to production', () =>
    inactive(standingAt('staging'))
      .when({ type: 'Promote', version, to_stage: 'production' })
      .isRefused(refusal));

  test('promotes to staging', () =>
    inactive(standingAt('development'))
      .when({ type: 'Promote', version, to_stage: 'staging' })
      .follows(promoted(1, 'development', 'staging')));

  test('archives, as that repairs', () =>
    inactive(standingAt('development'))
      .when({ type: 'Archive', version, because: manually })
      .follows(archived(1, 'development')));
});

test('a version that an operator switched on is in use', () => {
  const { state } = given(...modelWith(1));
  const active = { ...state.versions.get(1)!, activation: 'active' as const };
  expect(usesOf(state, active, noon)).toEqual([{ kind: 'active' }]);
});
