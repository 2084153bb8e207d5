// Gates: each of the closed union, with what it measured, and what each preset asks of each rung.
import { describe, expect, test } from 'vitest';
import { measureGates } from '#events/model/gates.ts';
import type { ModelEvent, ModelEventData } from '#events/model/events.ts';
import { restsOnPolicy } from '#events/model/governed.ts';
import { presets } from '#events/policy/policy.ts';
import type { Gate, Preset } from '#events/policy/policy.ts';
import { complete, modelOf, person, standard, Story, strict, under } from './governed.ts';
import {
  approved,
  archived,
  demoted,
  deprecated,
  noon,
  promoted,
  restored,
  testingStarted,
  versioned,
  versionId,
} from './history.ts';
import { commandOf, numbered } from './scenario.ts';
import { newVersion } from './wanted.ts';
import type { Wanted } from './scenario.ts';

type Facts = Partial<ModelEventData<'model.versioned'>>;
const metric = (name: string, value: number, split: 'test' | null = null) => ({
  name,
  split,
  value,
});

/** @param incumbent what is known of the version that is in production; undefined: there is none */
function outcome(gate: Gate, facts: Facts, incumbent?: Facts) {
  const story = new Story(strict).happened(modelOf(facts));
  if (incumbent !== undefined)
    story.happened([versioned(2, incumbent), promoted(2, 'development', 'production')]);
  const version = story.state.versions.get(1)!;
  // computed digests are of bytes that are here
  const isHere = facts.content_digest?.origin === 'computed';
  const judged = isHere ? { ...version, artifact: 'available' as const } : version;
  return measureGates(story.state, judged, [gate], noon)[0]!;
}

const accuracy = (operator: '>=' | '>' | '<=' | '<' | '==', threshold: number): Gate => ({
  gate: 'metric',
  name: 'accuracy',
  split: null,
  operator,
  threshold,
});
const beats = (better: 'higher' | 'lower', by_at_least: number): Gate => ({
  gate: 'beats_production',
  name: 'accuracy',
  split: null,
  better,
  by_at_least,
});
const at = (value: number): Facts => ({ metrics: [metric('accuracy', value)] });
const lineage = complete.lineage;
const digest = { ...complete.content_digest };

type Outcome = 'passed' | 'failed' | 'not_measured' | 'no_incumbent';
const cases: readonly [what: string, Gate, Facts, Outcome, incumbent?: Facts][] = [
  ['metric, enough', accuracy('>=', 0.9), at(0.9), 'passed'],
  ['metric, too little', accuracy('>', 0.9), at(0.9), 'failed'],
  ['metric, low enough', accuracy('<=', 0.1), at(0.1), 'passed'],
  ['metric, not low enough', accuracy('<', 0.1), at(0.1), 'failed'],
  ['metric, just so', accuracy('==', 1), at(1), 'passed'],
  ['metric, never measured', accuracy('>=', 0.9), {}, 'not_measured'],
  [
    'metric, by a name that every object has',
    { ...accuracy('>=', 0.1), name: 'constructor' } as Gate,
    at(1),
    'not_measured',
  ],
  [
    'metric, measured on another split',
    { ...accuracy('>=', 0.9), split: 'validation' } as Gate,
    { metrics: [metric('accuracy', 1, 'test')] },
    'not_measured',
  ],
  [
    'metric without a split reads the flat view',
    accuracy('>=', 0.9),
    { metrics: [metric('accuracy', 0.95, 'test')] },
    'passed',
  ],
  ['artifact, declared only', { gate: 'artifact_verified' }, { content_digest: digest }, 'failed'],
  ['artifact, unknown', { gate: 'artifact_verified' }, {}, 'not_measured'],
  ['release notes', { gate: 'has_release_notes' }, { release_notes: 'new' }, 'passed'],
  ['release notes of spaces', { gate: 'has_release_notes' }, { release_notes: ' ' }, 'failed'],
  ['no signature', { gate: 'has_signature' }, {}, 'failed'],
  ['a signature', { gate: 'has_signature' }, { signature: complete.signature }, 'passed'],
  ['no lineage', { gate: 'has_lineage' }, {}, 'failed'],
  ['a lineage', { gate: 'has_lineage' }, { lineage }, 'passed'],
  ['SLO kept', { gate: 'slo_ok' }, { slo_ok: true }, 'passed'],
  ['SLO missed', { gate: 'slo_ok' }, { slo_ok: false }, 'failed'],
  ['SLO unknown', { gate: 'slo_ok' }, {}, 'not_measured'],
  ['cheap', { gate: 'cost_per_1k_max', threshold: 2 }, { cost_per_1k: 2 }, 'passed'],
  ['dear', { gate: 'cost_per_1k_max', threshold: 2 }, { cost_per_1k: 2.1 }, 'failed'],
  ['of unknown cost', { gate: 'cost_per_1k_max', threshold: 2 }, {}, 'not_measured'],
  [
    'evaluated lately',
    { gate: 'evaluated_within_days', days: 30 },
    { evaluated_at: '2026-10-22T12:00:00.000Z' },
    'passed',
  ],
  [
    'evaluated long ago',
    { gate: 'evaluated_within_days', days: 30 },
    { evaluated_at: '2026-10-22T11:59:59.999Z' },
    'failed',
  ],
  [
    'evaluated in days to come',
    { gate: 'evaluated_within_days', days: 30 },
    { evaluated_at: '2026-12-22T00:00:00.000Z' },
    'failed',
  ],
  ['never evaluated', { gate: 'evaluated_within_days', days: 30 }, {}, 'not_measured'],
  ['against no incumbent', beats('higher', 0.1), at(0.5), 'no_incumbent'],
  [
    'artifact, here and verified',
    { gate: 'artifact_verified' },
    { content_digest: { ...digest, origin: 'computed' } },
    'passed',
  ],
  ['better by enough', beats('higher', 0.1), at(0.9), 'passed', at(0.8)],
  ['better by too little', beats('higher', 0.1), at(0.89), 'failed', at(0.8)],
  ['no better', beats('higher', 0), at(0.8), 'failed', at(0.8)],
  ['lower is better', beats('lower', 0.1), at(0.1), 'passed', at(0.3)],
  ['against an incumbent that was never measured', beats('higher', 0), at(1), 'not_measured', {}],
  ['never measured, against an incumbent', beats('higher', 0), {}, 'not_measured', at(0.8)],
];

/** What each gate can find: the compiler asks for a new one's here, and a test for its cases. */
const outcomes: Record<Gate['gate'], readonly Outcome[]> = {
  metric: ['passed', 'failed', 'not_measured'],
  beats_production: ['passed', 'failed', 'not_measured', 'no_incumbent'],
  artifact_verified: ['passed', 'failed', 'not_measured'],
  has_release_notes: ['passed', 'failed'],
  has_signature: ['passed', 'failed'],
  has_lineage: ['passed', 'failed'],
  slo_ok: ['passed', 'failed', 'not_measured'],
  cost_per_1k_max: ['passed', 'failed', 'not_measured'],
  evaluated_within_days: ['passed', 'failed', 'not_measured'],
};

describe('a gate', () => {
  test.each(Object.entries(outcomes))('%s is shown in every outcome', (name, expected) => {
    const shown = cases.flatMap(([, { gate }, , found]) => (gate === name ? [found] : []));
    expect([...new Set(shown)].toSorted()).toEqual(expected.toSorted());
  });

  test.each(cases)('%s', (_, gate, facts, expected, incumbent) =>
    expect(outcome(gate, facts, incumbent).outcome).toBe(expected),
  );

  test('tells the incumbent that it measured against', () =>
    expect(outcome(beats('higher', 0.1), at(0.9), at(0.8)).measured).toMatchObject({
      value: 0.9,
      incumbent: { number: 2, value: 0.8 },
    }));

  test('tells what was measured, who supplied it in which event, and what was asked', () => {
    const story = new Story(strict).happened(modelOf(complete)).happened(
      [
        {
          type: 'version.updated',
          data: {
            model_id: 'm',
            version_id: 'v',
            number: 1,
            label: null,
            changed: { metrics: [metric('accuracy', 0.99)] },
            previous: {},
          },
        },
      ],
      'mo',
    );
    const version = story.state.versions.get(1)!;
    const gates: Gate[] = [accuracy('>=', 0.97), { gate: 'has_lineage' }];
    expect(measureGates(story.state, version, gates, noon)).toEqual([
      {
        gate: 'metric',
        outcome: 'passed',
        measured: { value: 0.99, subject: 'mo', event_id: '01940000-0000-7000-a000-000000000004' },
        threshold: { name: 'accuracy', split: null, operator: '>=', threshold: 0.97 },
      },
      {
        gate: 'has_lineage',
        outcome: 'passed',
        measured: { value: true, subject: 'ana', event_id: '01940000-0000-7000-a000-000000000002' },
        threshold: null,
      },
    ]);
  });
});

const promote = (to_stage: 'staging' | 'production', said: object = {}): Wanted => ({
  type: 'Promote',
  version: numbered(1),
  to_stage,
  ...said,
});
const fit = [testingStarted(1, 'training'), approved(1, 'testing')];

/** What each preset refuses on each rung: of a version that lacks everything, one that is whole, and one that is said to be fit. */
const presetsAsk: Record<Preset, Record<string, readonly (string | null)[]>> = {
  open: {
    'development to staging': [null, null, null],
    'development to production': [null, null, null],
    'staging to production': [null, null, null],
  },
  standard: {
    'development to staging': ['digest_required', null, null],
    'development to production': ['digest_required', 'not_ready', 'approvals_missing'],
    'staging to production': ['digest_required', 'not_ready', 'approvals_missing'],
  },
  strict: {
    'development to staging': ['digest_required', null, null],
    'development to production': ['skip_not_allowed', 'skip_not_allowed', 'skip_not_allowed'],
    'staging to production': ['digest_required', 'not_ready', 'approvals_missing'],
  },
};
const asksOfPresets = Object.entries(presetsAsk).flatMap(([preset, rungs]) =>
  Object.entries(rungs).map(([rung, expected]) => ({ preset: preset as Preset, rung, expected })),
);

test.each(asksOfPresets)('$preset, $rung', ({ preset, rung, expected }) => {
  const [from, to] = rung.split(' to ');
  const stories = [modelOf({}), modelOf(complete), [...modelOf(complete), ...fit]].map((history) =>
    new Story(under(presets[preset])).happened([
      ...history,
      ...(from === 'staging' ? [promoted(1, 'development', 'staging')] : []),
    ]),
  );
  const asking = promote(to as 'staging' | 'production');
  const codes = stories.map((story) => story.decide(person('eve'), asking).refusal?.code ?? null);
  expect(codes).toEqual(expected);
});

describe('what a rung asks for', () => {
  const asked = (story: Story, to: 'staging' | 'production') =>
    story.refusal(person('eve', { role: 'deployer' }), promote(to));

  test('open: nothing', () => {
    const story = new Story(under(presets.open)).happened(modelOf({}));
    expect(story.done(person('eve'), promote('production'))).toEqual(['model.promoted']);
  });

  test.each([standard, strict])('staging: a digest, and where the bytes are', (policy) => {
    expect(asked(new Story(policy).happened(modelOf({})), 'staging')).toEqual({
      code: 'digest_required',
      number: 1,
      to_stage: 'staging',
      missing: ['content_digest', 'artifact_uri'],
    });
    const story = new Story(policy).happened(modelOf(complete));
    expect(story.done(person('eve'), promote('staging'))).toEqual(['model.promoted']);
  });

  test.each(['Restore', 'Transition'] as const)(
    'staging: the same of what comes back from the archive there (%s)',
    (type) => {
      const back = (to_stage: 'staging' | 'development'): Wanted => ({
        type,
        version: numbered(1),
        to_stage,
      });
      const put = (facts: object) =>
        new Story(standard).happened([...modelOf(facts), archived(1, 'development')]);
      expect(put({}).refusal(person('eve'), back('staging'))).toEqual({
        code: 'digest_required',
        number: 1,
        to_stage: 'staging',
        missing: ['content_digest', 'artifact_uri'],
      });
      expect(put({}).done(person('eve'), back('development'))).toEqual(['version.restored']);
      expect(put(complete).done(person('eve'), back('staging'))).toEqual(['version.restored']);
    },
  );

  test('staging: nothing of what a rollback brings back by way of it', () => {
    const history = [
      ...modelOf({}),
      promoted(1, 'development', 'production'),
      versioned(2),
      promoted(2, 'development', 'production', { superseded_version_id: versionId(1) }),
      archived(1, 'production'),
    ];
    const rollback: Wanted = { type: 'Rollback', to: numbered(1), new_id: 'd' };
    expect(new Story(standard).happened(history).done(person('eve'), rollback)).toContain(
      'version.restored',
    );
  });

  test('a restore rests on the policy, so that one that is set meanwhile is a conflict', () =>
    expect(
      restsOnPolicy(commandOf({ type: 'Restore', version: numbered(1), to_stage: 'staging' })),
    ).toBe(true));

  test('strict allows no skip', () =>
    expect(asked(new Story(strict).happened(modelOf(complete)), 'production')).toEqual({
      code: 'skip_not_allowed',
      number: 1,
      from: 'development',
      to: 'production',
      legal_transitions: ['staging'],
    }));

  const skipped = {
    code: 'skip_not_allowed',
    number: 1,
    from: 'deprecated',
    to: 'production',
    legal_transitions: ['staging'],
  };
  const risen = promoted(1, 'development', 'staging');
  test.each<[string, readonly ModelEvent[], object]>([
    ['nor one by way of deprecation', [deprecated(1, 'development')], skipped],
    [
      'nor by way of the archive and deprecation',
      [archived(1, 'development'), restored(1, 'development'), deprecated(1, 'development')],
      skipped,
    ],
    [
      'nor of what was demoted before it was deprecated',
      [risen, demoted(1, 'staging', 'development'), deprecated(1, 'development')],
      skipped,
    ],
    [
      'what was deprecated in staging skips nothing',
      [risen, deprecated(1, 'staging')],
      { code: 'not_ready' },
    ],
    [
      'what was deprecated in production skips nothing',
      [promoted(1, 'development', 'production'), deprecated(1, 'production')],
      { code: 'not_ready' },
    ],
  ])('%s', (_, history, refusal) => {
    const story = new Story(strict).happened([...modelOf(complete), ...history]);
    expect(asked(story, 'production')).toMatchObject(refusal);
    const request: Wanted = {
      type: 'RequestPromotion',
      version: numbered(1),
      promotion_request_id: 'r',
      to_stage: 'production',
      auto_execute: true,
    };
    expect(story.refusal(person('eve'), request)).toMatchObject(refusal);
    expect(story.done(person('eve'), promote('staging'))).toEqual(['model.promoted']);
  });

  test('production: somebody who says that it is fit', () =>
    expect(asked(new Story(standard).happened(modelOf(complete)), 'production')).toEqual({
      code: 'not_ready',
      number: 1,
      readiness: 'training',
      required: 'approved',
    }));

  test('production: every gate, each that fails is named', () => {
    const bare = { ...complete, release_notes: null, evaluated_at: null };
    const story = new Story(strict).happened([
      ...modelOf(bare),
      ...fit,
      promoted(1, 'development', 'staging'),
    ]);
    expect(asked(story, 'production')).toMatchObject({
      code: 'gates_failed',
      failed_gates: [
        { gate: 'has_release_notes', outcome: 'failed', threshold: null },
        { gate: 'evaluated_within_days', outcome: 'not_measured', threshold: { days: 30 } },
      ],
    });
  });

  test('production: approvals, with how many and whose', () => {
    const story = new Story(standard).happened([...modelOf(complete), ...fit]);
    expect(asked(story, 'production')).toEqual({
      code: 'approvals_missing',
      number: 1,
      missing_approvals: 1,
      required_role: 'approver',
      promotion_request_id: null,
    });
  });

  test('a new version that is to begin in production is asked the same', () => {
    const story = new Story(standard).happened(modelOf(complete));
    const wanted: Wanted = {
      type: 'CreateVersion',
      version: newVersion(2, {
        facts: {
          ...complete,
          content_digest: { ...complete.content_digest, sha256: 'b'.repeat(64) },
        },
        stage: 'production',
      }),
    };
    expect(story.refusal(person('eve'), wanted)).toMatchObject({ code: 'not_ready', number: 2 });
  });

  test('who registered a version does not say that it is fit', () => {
    const story = new Story(standard).happened(modelOf(complete), 'ana', 'bob');
    const approve: Wanted = { type: 'Approve', version: numbered(1) };
    for (const subject of ['ana', 'bob'])
      expect(story.refusal(person(subject), approve)).toMatchObject({
        code: 'not_independent',
        because: 'registered',
      });
    expect(story.refusal(person('eve', { granted_by: ['ana'] }), approve)).toMatchObject({
      because: 'acts_by_grant_of_registrar',
    });
    const other_roles = [{ role: 'approver', granted_by: ['ada'] }] as const;
    const beside = person('eve', { role: 'admin', granted_by: ['ana'], other_roles });
    expect(story.decide(beside, approve).events).toMatchObject([{ type: 'version.approved' }]);
    expect(story.done(person('eve'), approve)).toEqual(['version.approved']);
  });
});

describe('breaking the glass', () => {
  const admin = person('ada', { role: 'admin' });
  const breaking = promote('production', { break_glass: true, reason: 'the old one is on fire' });
  const story = (in_force = strict, facts: Facts = complete) =>
    new Story(in_force).happened(modelOf(facts));

  test('goes past gates, approvals and the skip, raises an alert, and stays marked', () => {
    const { events } = story().decide(admin, breaking);
    expect(events).toMatchObject([
      { type: 'model.promoted', data: { mode: 'break_glass', reason: 'the old one is on fire' } },
      { type: 'alert.raised', data: { kind: 'break_glass', alert: 'break_glass:1', number: 1 } },
    ]);
  });

  test('skips no digest', () =>
    expect(story(strict, {}).refusal(admin, breaking)).toMatchObject({ code: 'digest_required' }));

  test('skips no quarantine', () => {
    const shut = story();
    const version = shut.state.versions.get(1)!;
    shut.state.versions.set(1, { ...version, artifact: 'quarantined' });
    expect(shut.refusal(admin, breaking)).toMatchObject({ code: 'artifact_unusable' });
  });

  test('is for admins', () =>
    expect(story().refusal(person('eve'), breaking)).toEqual({
      code: 'forbidden',
      required_role: ['admin'],
      because: 'break_glass',
    }));

  test('needs a reason', () =>
    expect(story().refusal(admin, { ...breaking, reason: ' ' })).toEqual({
      code: 'reason_required',
    }));

  test('may be forbidden', () =>
    expect(
      story(under({ ...presets.strict, break_glass: 'forbidden' })).refusal(admin, breaking),
    ).toEqual({ code: 'break_glass_forbidden', scopes: ['tenant'] }));
});
