// Policies: how the scopes merge, what a narrower scope may say, and what loosens.
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf, sha256 } from '#events/digest.ts';
import { boundsOf, inForce, isAsTight, mergePolicies } from '#events/policy/merge.ts';
import type { PolicyLayer } from '#events/policy/merge.ts';
import { openPolicy, policyFields, presets } from '#events/policy/policy.ts';
import type { Gate, OwnPolicy, PolicyScope } from '#events/policy/policy.ts';
import { registryRetention } from '#events/policy/retention.ts';
import { policyDecider } from '#events/policy/scope.ts';
import type { PolicyCommand, PolicyPatch } from '#events/policy/scope.ts';
import { noon } from './history.ts';

const layer = (scope: PolicyScope, own: OwnPolicy, version = 1): PolicyLayer => ({
  scope,
  version,
  own,
});
const project: PolicyScope = 'project:risk';
const model: PolicyScope = 'model:01940000-0000-7000-8000-000000000000';

const gate: fc.Arbitrary<Gate> = fc.oneof(
  fc.constant<Gate>({ gate: 'slo_ok' }),
  fc.constant<Gate>({ gate: 'has_lineage' }),
  fc.integer({ min: 1, max: 3 }).map((days): Gate => ({ gate: 'evaluated_within_days', days })),
);
const ownPolicy = fc.record(
  {
    allow_skip: fc.boolean(),
    multi_production: fc.boolean(),
    single_active: fc.boolean(),
    evidence_required: fc.boolean(),
    approvals: fc.record({
      required: fc.integer({ min: 0, max: 3 }),
      role: fc.constantFrom('approver' as const, 'admin' as const),
      expires_after_hours: fc.integer({ min: 1, max: 300 }),
    }),
    gates: fc.uniqueArray(gate, { maxLength: 3, selector: digestOf }),
    protected_environments: fc.uniqueArray(fc.constantFrom('eu', 'us', 'production')),
    protected_pointers: fc.uniqueArray(fc.constantFrom('default', 'aliases', 'bindings')),
    on_superseded: fc.constantFrom('retire', 'deprecated', 'staging', 'keep'),
    break_glass: fc.constantFrom('allowed', 'forbidden'),
    retention: fc.record(
      {
        age_days: fc.record(
          {
            development: fc.nat(400),
            staging: fc.nat(400),
            deprecated: fc.nat(400),
            retired: fc.nat(400),
            archived: fc.nat(400),
          },
          { requiredKeys: [] },
        ),
        newest_kept: fc.integer({ min: 1, max: 10 }),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<OwnPolicy>;

describe('merging', () => {
  test('never loosens what a wider scope says, unless it lets the field go', () =>
    fc.assert(
      fc.property(
        ownPolicy,
        ownPolicy,
        ownPolicy,
        fc.subarray([...policyFields]),
        (tenant, ofProject, ofModel, may_override) => {
          const wide = mergePolicies([layer('tenant', tenant)]).policy;
          const middle = mergePolicies([layer('tenant', tenant), layer(project, ofProject)]).policy;
          const layers = [
            layer('tenant', tenant),
            layer(project, ofProject),
            layer(model, ofModel),
          ];
          const narrow = mergePolicies(layers).policy;
          expect(isAsTight(wide, middle)).toBe(true);
          expect(isAsTight(middle, narrow)).toBe(true);
          // a project that lets everything go lets nothing of the tenant's go
          const generous = layer(project, { ...ofProject, may_override });
          const freed = [layers[0]!, generous, layers[2]!];
          expect(isAsTight(wide, mergePolicies(freed).policy)).toBe(true);
        },
      ),
    ));

  test('takes from a narrower scope what the wider one lets go', () =>
    fc.assert(
      fc.property(ownPolicy, ownPolicy, (tenant, ofModel) => {
        const wide = layer('tenant', { ...tenant, may_override: [...policyFields] });
        const { policy } = mergePolicies([wide, layer(model, ofModel)]);
        expect(policy).toMatchObject(ofModel);
      }),
    ));

  test('is the same whoever is asked twice', () =>
    fc.assert(
      fc.property(ownPolicy, (own) => {
        const once = mergePolicies([layer('tenant', own)]).policy;
        expect(mergePolicies([layer('tenant', own), layer(model, once)]).policy).toEqual(once);
      }),
    ));

  test('tells where each field comes from', () => {
    const { sources } = mergePolicies([
      layer('tenant', { approvals: presets.standard.approvals, gates: [{ gate: 'slo_ok' }] }),
      layer(project, { gates: [{ gate: 'has_lineage' }], allow_skip: true }),
      layer(model, { allow_skip: false }),
    ]);
    expect(sources).toMatchObject({
      approvals: ['tenant'],
      gates: ['tenant', project],
      allow_skip: [model],
      break_glass: ['preset:open'],
    });
  });

  test('without a word from anyone is the open policy, with no reference', () =>
    expect(inForce([layer('tenant', {}, 0), layer(model, {}, 0)])).toEqual(openPolicy));

  test('names every stream that it read, with its version', () =>
    expect(inForce([layer('tenant', presets.strict, 3), layer(model, {}, 0)]).ref).toMatchObject({
      scopes: ['tenant', model],
      versions: [3, 0],
    }));

  test('has a digest of what promotions ask for, and of nothing else', () => {
    const digest = (own: OwnPolicy) => inForce([layer('tenant', own)]).ref!.digest;
    expect(digest({ ...presets.strict, protected_environments: [] })).toBe(digest(presets.strict));
    expect(digest({ ...presets.strict, gates: [] })).not.toBe(digest(presets.strict));
  });
});

const state = (own: OwnPolicy = {}) => ({ ...policyDecider.initial(), own, stream_version: 1 });
const asking = (patch: PolicyPatch, said: Partial<PolicyCommand> = {}): PolicyCommand => ({
  type: 'SetPolicy',
  scope: 'tenant',
  preset: null,
  patch,
  wider: [],
  registry: registryRetention(),
  by_admin_of_tenant: true,
  reason: null,
  ...said,
});
const decide = (own: OwnPolicy, command: PolicyCommand) =>
  policyDecider.decide(state(own), command);

describe('a policy is set', () => {
  test('field by field; what is not named stays', () =>
    expect(decide({ allow_skip: true }, asking({ break_glass: 'forbidden' }))).toEqual({
      events: [
        {
          type: 'policy.set',
          data: {
            scope: 'tenant',
            preset: null,
            changed: { break_glass: 'forbidden' },
            previous: { break_glass: null },
            loosens: false,
            reason: null,
          },
        },
      ],
    }));

  test('to what it is already: nothing happens', () =>
    expect(decide({ allow_skip: false }, asking({ allow_skip: false }))).toEqual({ events: [] }));

  test('by a preset, with exceptions', () => {
    const { events } = decide({}, asking({ gates: [] }, { preset: 'strict' }));
    expect(events![0]!.data).toMatchObject({
      preset: 'strict',
      changed: { allow_skip: false, approvals: presets.strict.approvals, gates: [] },
      loosens: false,
    });
  });

  test('null takes a field back', () => {
    const { events } = decide(presets.strict, asking({ gates: null }));
    expect(events![0]!.data).toMatchObject({ changed: { gates: null }, loosens: true });
  });

  test('approvals merge by their own fields', () => {
    const { events } = decide(presets.standard, asking({ approvals: { required: 3 } }));
    expect(events![0]!.data.changed).toEqual({
      approvals: { required: 3, role: 'approver', expires_after_hours: 168 },
    });
  });

  test.each([
    ['fewer approvals', presets.standard, { approvals: { required: 0 } }],
    ['a gate less', presets.strict, { gates: [] }],
    ['a skip', presets.strict, { allow_skip: true }],
    ['a longer time for approvals', presets.strict, { approvals: { expires_after_hours: 999 } }],
    ['an environment less', presets.strict, { protected_environments: [] }],
    ['a field let go', {}, { may_override: ['gates' as const] }],
  ] as const)('%s loosens, which only an admin of the tenant may', (_, own, patch) => {
    const wanted = {
      patch,
      scope: project,
      wider: [layer('tenant', { may_override: [...policyFields] })],
    };
    expect(decide(own, asking({}, { ...wanted })).events![0]!.data.loosens).toBe(true);
    expect(decide(own, asking({}, { ...wanted, by_admin_of_tenant: false })).refusal).toEqual({
      code: 'loosening_forbidden',
      required_role: 'admin',
      scope: 'tenant',
    });
  });

  test('looser than a wider scope: refused, with what binds', () => {
    const wider = [layer('tenant', presets.standard)];
    expect(decide({}, asking({ approvals: { required: 0 } }, { scope: model, wider }))).toEqual({
      refusal: {
        code: 'policy_bound',
        fields: ['approvals'],
        bounds: { approvals: presets.standard.approvals },
      },
    });
    expect(boundsOf([layer('tenant', { may_override: ['approvals'] })]).approvals).toBeUndefined();
  });

  test('a list of a narrower scope joins that of the wider one', () => {
    const wider = [layer('tenant', presets.strict)];
    const { events } = decide({}, asking({ gates: [{ gate: 'slo_ok' }] }, { scope: model, wider }));
    expect(events![0]!.data.loosens).toBe(false);
  });

  describe('approvals in part', () => {
    const wide = { required: 2, role: 'approver', expires_after_hours: 24 } as const;
    const under = (approvals: object, own: OwnPolicy = {}, tenant: OwnPolicy = {}) =>
      decide(
        own,
        asking(
          { approvals },
          {
            scope: project,
            wider: [layer('tenant', { approvals: wide, ...tenant })],
            by_admin_of_tenant: false,
          },
        ),
      );

    test('are for the rest as the wider scopes have them', () => {
      const { events } = under({ role: 'admin' });
      expect(events![0]!.data).toMatchObject({
        changed: { approvals: { required: 2, role: 'admin', expires_after_hours: 24 } },
        loosens: false,
      });
    });

    test('are so where the field is let go, too', () => {
      const { events } = under({ required: 3 }, {}, { may_override: ['approvals'] });
      expect(events![0]!.data.changed).toEqual({
        approvals: { required: 3, role: 'approver', expires_after_hours: 24 },
      });
    });

    test('are bound in the parts that are named', () => {
      expect(under({ required: 1 }).refusal).toMatchObject({ code: 'policy_bound' });
      expect(under({ expires_after_hours: 25 }).refusal).toMatchObject({ code: 'policy_bound' });
    });

    test('are not held to what was said before the wider scope was tightened', () => {
      const own = {
        approvals: { required: 1, role: 'approver', expires_after_hours: 99 },
      } as const;
      expect(under({ role: 'admin' }, own).events![0]!.data.changed).toEqual({
        approvals: { required: 1, role: 'admin', expires_after_hours: 99 },
      });
    });
  });

  describe('a preset in a narrower scope', () => {
    const strictly = { scope: project, wider: [layer('tenant', presets.strict)] };

    test('is refused like its fields where it asks for less', () => {
      const refusal = {
        code: 'policy_bound',
        fields: ['allow_skip', 'evidence_required', 'approvals'],
        bounds: {
          allow_skip: false,
          evidence_required: true,
          approvals: presets.strict.approvals,
        },
      };
      expect(decide({}, asking({}, { ...strictly, preset: 'open' })).refusal).toEqual(refusal);
      expect(decide({}, asking(presets.open, strictly)).refusal).toEqual(refusal);
    });

    test('goes before what it says itself, with what stands beside it', () => {
      const beside = { allow_skip: null, approvals: { required: 2 } };
      const { events } = decide({}, asking(beside, { ...strictly, preset: 'standard' }));
      expect(events![0]!.data.changed).toMatchObject({ approvals: presets.strict.approvals });
    });

    test('is no word against what all presets say the same, which stays as tight as it was', () => {
      const approvals = { required: 1, role: 'admin', expires_after_hours: 24 } as const;
      const wider = [layer('tenant', { approvals, break_glass: 'forbidden' })];
      const { events } = decide({}, asking({}, { scope: project, wider, preset: 'strict' }));
      const own = { ...(events![0]!.data.changed as OwnPolicy) };
      expect(own).toMatchObject(presets.strict);
      expect(mergePolicies([...wider, layer(project, own)]).policy).toMatchObject({
        ...presets.strict,
        approvals: { required: 2, role: 'admin', expires_after_hours: 24 },
        break_glass: 'forbidden',
      });
      const beside = asking(
        { break_glass: 'allowed' },
        { scope: project, wider, preset: 'strict' },
      );
      expect(decide({}, beside).refusal).toMatchObject({ fields: ['break_glass'] });
    });

    test('that asks for as much is taken', () =>
      expect(
        decide({}, asking({}, { ...strictly, preset: 'strict' })).events![0]!.data,
      ).toMatchObject({ preset: 'strict', loosens: false }));
  });

  const notes: Gate = { gate: 'has_release_notes' };
  const signature: Gate = { gate: 'has_signature' };
  test.each<[string, OwnPolicy, PolicyPatch]>([
    ['a gate', { gates: [notes, signature] }, { gates: [notes, notes] }],
    [
      'an environment',
      { protected_environments: ['prod', 'eu'] },
      { protected_environments: ['eu', 'eu'] },
    ],
    [
      'a pointer',
      { protected_pointers: ['default', 'aliases'] },
      { protected_pointers: ['aliases', 'aliases'] },
    ],
  ])('%s that is named twice stands in for no other', (_, own, patch) => {
    const wider = [layer('tenant', { may_override: [...policyFields] })];
    const wanted = asking(patch, { scope: project, wider, by_admin_of_tenant: false });
    expect(decide(own, wanted).refusal).toMatchObject({ code: 'loosening_forbidden' });
  });

  test('what a list names twice is kept once, in its place', () => {
    const may_override = ['gates', 'gates'] as const;
    const patch = { gates: [signature, notes, signature], may_override };
    expect(decide({}, asking(patch)).events![0]!.data.changed).toEqual({
      gates: [signature, notes],
      may_override: ['gates'],
    });
    expect(decide({ gates: [notes] }, asking({ gates: [notes, notes] }))).toEqual({ events: [] });
  });

  test('what is displaced stays in production only where there may be several', () =>
    expect(decide({}, asking({ on_superseded: 'keep' })).refusal).toEqual({
      code: 'keep_needs_multi_production',
    }));

  test('an event makes it so', () => {
    const before = policyDecider.initial();
    const [event] = policyDecider.decide(before, asking({ allow_skip: false })).events!;
    const after = policyDecider.evolve(before, {
      ...event!,
      stream_version: 1,
      recorded_at: noon,
    } as never);
    expect(after).toMatchObject({
      stream_version: 1,
      own: { allow_skip: false },
      updated_at: noon,
    });
  });
});

describe('how long versions stay', () => {
  const { age_days: ages } = registryRetention();
  const keeping = (layers: readonly PolicyLayer[], newestKept = 3) =>
    mergePolicies(layers, registryRetention(newestKept)).policy.retention;

  test('is as the registry is set up, where no scope says anything', () =>
    expect(keeping([layer('tenant', {}), layer(model, {})], 5)).toEqual({
      age_days: { development: 30, staging: 90, deprecated: 90, retired: 365, archived: 1_095 },
      newest_kept: 5,
    }));

  test('is what the tenant says, longer or shorter, and for the rest as the registry is set up', () =>
    expect(
      keeping([layer('tenant', { retention: { age_days: { development: 7 }, newest_kept: 2 } })]),
    ).toEqual({ age_days: { ...ages, development: 7 }, newest_kept: 2 }));

  test('is only prolonged by a narrower scope: the rule that keeps longer wins', () => {
    const layers = [
      layer('tenant', { retention: { age_days: { staging: 100 }, newest_kept: 4 } }),
      layer(project, { retention: { age_days: { staging: 50, development: 60 } } }),
      layer(model, { retention: { newest_kept: 2 } }),
    ];
    expect(keeping(layers)).toEqual({
      age_days: { ...ages, staging: 100, development: 60 },
      newest_kept: 4,
    });
  });

  test('is never below what the registry keeps where the tenant is silent', () =>
    expect(keeping([layer('tenant', {}), layer(model, { retention: { newest_kept: 1 } })])).toEqual(
      registryRetention(),
    ));

  test('is as a narrower scope says where the tenant lets it go', () => {
    const wide = layer('tenant', { may_override: ['retention'] });
    const narrow = layer(model, { retention: { age_days: { development: 1 } } });
    expect(keeping([wide, narrow])).toEqual({
      age_days: { ...ages, development: 1 },
      newest_kept: 3,
    });
  });

  const said = { age_days: { development: 60, staging: 120 }, newest_kept: 5 };
  test.each<[string, PolicyPatch['retention'], OwnPolicy['retention'] | null]>([
    ['another count', { newest_kept: 7 }, { ...said, newest_kept: 7 }],
    [
      'another age',
      { age_days: { staging: 200 } },
      { ...said, age_days: { ...said.age_days, staging: 200 } },
    ],
    [
      'an age taken back',
      { age_days: { staging: null } },
      { ...said, age_days: { development: 60 } },
    ],
    ['every age taken back', { age_days: null }, { newest_kept: 5 }],
    ['the count taken back', { newest_kept: null }, { age_days: said.age_days }],
    ['all of it taken back, part by part', { age_days: null, newest_kept: null }, null],
    ['all of it taken back', null, null],
  ])('is set by its parts: %s', (_, retention, after) =>
    expect(decide({ retention: said }, asking({ retention })).events![0]!.data.changed).toEqual({
      retention: after,
    }),
  );

  test('is no part of a preset', () =>
    expect(
      decide({ retention: said }, asking({}, { preset: 'strict' })).events![0]!.data.changed,
    ).not.toHaveProperty('retention'));

  test.each([
    ['a shorter age', { age_days: { development: 59 } }],
    ['fewer of the newest', { newest_kept: 4 }],
    ['nothing said any more', null],
  ])('is loosened by %s, which only an admin of the tenant may', (_, retention) => {
    expect(decide({ retention: said }, asking({ retention })).events![0]!.data.loosens).toBe(true);
    const byOther = asking({ retention }, { by_admin_of_tenant: false });
    expect(decide({ retention: said }, byOther).refusal?.code).toBe('loosening_forbidden');
  });

  test('may not be set shorter in a narrower scope: refused, with what binds', () => {
    const wider = [layer('tenant', { retention: said })];
    expect(
      decide({}, asking({ retention: { newest_kept: 4 } }, { scope: model, wider })).refusal,
    ).toEqual({
      code: 'policy_bound',
      fields: ['retention'],
      bounds: {
        retention: { age_days: { ...ages, development: 60, staging: 120 }, newest_kept: 5 },
      },
    });
    const longer = asking({ retention: { newest_kept: 6 } }, { scope: model, wider });
    expect(decide({}, longer).events![0]!.data.loosens).toBe(false);
  });
});

test('a digest is SHA-256 of the text, whatever is in it', () =>
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
      expect(sha256(text)).toBe(createHash('sha256').update(text).digest('hex'));
    }),
  ));
