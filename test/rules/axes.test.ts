// What else is asked of versions and models: activation, aliases, holds, changes, deletion, and going back.
import { describe, expect, test } from 'vitest';
import { claimsOf } from '#events/catalogue.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { Stage } from '#events/model/shapes.ts';
import { nthId } from '#events/names.ts';
import { openPolicy, presets } from '#events/policy/policy.ts';
import {
  approved,
  archived,
  bound,
  defaultChanged,
  demoted,
  deployed,
  deploymentId,
  deploymentRequested,
  deploymentRolledBack,
  deploymentSuperseded,
  deprecated,
  modelId,
  modelWith,
  noon,
  promoted,
  promotedOver,
  registered,
  rejected,
  restored,
  superseded,
  testingStarted,
  versionDeleted,
  versioned,
  versionId,
} from './history.ts';
import { commandOf, given, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

const ref = (number: number) => ({
  model_id: modelId,
  version_id: versionId(number),
  number,
  label: null,
});
const version = numbered(1);
const activated = (number: number): ModelEvent => ({
  type: 'version.activated',
  data: { ...ref(number), reason: null },
});
const deactivated = (number: number, by: number | null): ModelEvent => ({
  type: 'version.deactivated',
  data: {
    ...ref(number),
    replaced_by_version_id: by === null ? null : versionId(by),
    reason: null,
  },
});
const aliasSet = (
  number: number,
  previous: number | null = null,
  alias = 'champion',
): ModelEvent => ({
  type: 'alias.set',
  data: {
    ...ref(number),
    alias,
    previous_version_id: previous === null ? null : versionId(previous),
    previous_number: previous,
  },
});
const held = (until: string | null, hold_id = 'h'): ModelEvent => ({
  type: 'hold.placed',
  data: { hold_id, ...ref(1), reason: 'audit', until },
});
const hundred = Array.from({ length: 100 }, (_, index) => index);
const modelDeleted: ModelEvent = {
  type: 'model.deleted',
  data: { model_id: modelId, name: 'churn', reason: null },
};

describe('activation', () => {
  test('of one switches off the other in the same append', () =>
    given(...modelWith(2), activated(1))
      .when({ type: 'Activate', version: numbered(2) })
      .follows(deactivated(1, 2), activated(2)));
  test('leaves the other alone where several may be active', () =>
    given(...modelWith(2), activated(1))
      .when({
        type: 'Activate',
        version: numbered(2),
        in_force: { policy: { ...openPolicy.policy, single_active: false }, ref: null },
      })
      .follows(activated(2)));
  test('of what is active changes nothing', () =>
    given(...modelWith(1), activated(1))
      .when({ type: 'Activate', version })
      .changesNothing());
  test('is not for what is archived', () =>
    given(...modelWith(2), archived(2, 'development'))
      .when({ type: 'Activate', version: numbered(2) })
      .isRefused({ code: 'version_retired', number: 2, stage: 'archived', wanted: 'activation' }));
  test('ends by itself', () =>
    given(...modelWith(1), activated(1))
      .when({ type: 'Deactivate', version })
      .follows(deactivated(1, null)));
});

describe('an alias', () => {
  const set: Wanted = { type: 'SetAlias', version: numbered(2), alias: 'champion' };
  test('moves from one version to another', () =>
    given(...modelWith(2), aliasSet(1))
      .when(set)
      .follows(aliasSet(2, 1)));
  test('is only given to production versions where policy protects it', () =>
    given(...modelWith(2))
      .when({
        ...set,
        in_force: { policy: { ...openPolicy.policy, ...presets.strict }, ref: null },
      })
      .isRefused({
        code: 'pointer_protected',
        pointer: 'aliases',
        number: 2,
        stage: 'development',
      }));
  test('names a version wherever one is named', () =>
    given(...modelWith(2), aliasSet(2))
      .when({ type: 'Activate', version: { by: 'alias', alias: 'champion' } })
      .follows(activated(2)));
  test('that nobody set is not removed', () =>
    given(...modelWith(1))
      .when({ type: 'RemoveAlias', alias: 'champion' })
      .isRefused({ code: 'alias_not_found', alias: 'champion' }));
  test('is no way to a version that retires', () =>
    given(...modelWith(2), deprecated(2, 'development'))
      .when(set)
      .isRefused({ code: 'version_retired', number: 2, stage: 'deprecated', wanted: 'alias' }));
  test('is one of a hundred of the model, and those may move', () => {
    const full = [...modelWith(2), ...hundred.map((nth) => aliasSet(1, null, `alias-${nth}`))];
    given(...full)
      .when(set)
      .isRefused({ code: 'too_many_aliases', most: 100 });
    given(...full)
      .when({ ...set, alias: 'alias-0' })
      .follows(aliasSet(2, 1, 'alias-0'));
  });
  test('holds its version', () =>
    given(...modelWith(1), aliasSet(1))
      .when({ type: 'DeleteVersion', version })
      .isRefused({ code: 'in_use', number: 1, blocking: [{ kind: 'alias', alias: 'champion' }] }));
});

describe('a hold', () => {
  test('asks for a reason', () =>
    given(...modelWith(1))
      .when({ type: 'PlaceHold', version, hold_id: 'h', until: null })
      .isRefused({ code: 'reason_required' }));
  test('does not end before it begins', () =>
    given(...modelWith(1))
      .when({ type: 'PlaceHold', version, hold_id: 'h', reason: 'audit', until: noon })
      .isRefused({ code: 'time_in_past', field: 'until', value: noon }));
  test('is one of a hundred of the version', () =>
    given(...modelWith(1), ...hundred.map((nth) => held(null, `hold-${nth}`)))
      .when({ type: 'PlaceHold', version, hold_id: 'h', reason: 'audit', until: null })
      .isRefused({ code: 'too_many_holds', most: 100 }));
  test('keeps its version while it lasts', () =>
    given(...modelWith(2), held('2026-11-21T12:00:00.001Z'))
      .when({ type: 'DeleteVersion', version })
      .isRefused({
        code: 'in_use',
        number: 1,
        blocking: [
          { kind: 'hold', hold_id: 'h', reason: 'audit', until: '2026-11-21T12:00:00.001Z' },
        ],
      }));
  test('keeps it no longer once its time is over', () =>
    given(...modelWith(2), held(noon))
      .when({ type: 'DeleteVersion', version })
      .follows(defaultChanged(2, 1), versionDeleted(1)));
  test('that is not there is not released', () =>
    given(...modelWith(1))
      .when({ type: 'ReleaseHold', hold_id: 'x' })
      .isRefused({ code: 'hold_not_found', hold_id: 'x' }));
});

describe('a model', () => {
  test('is renamed and switched off in one append', () =>
    given(...modelWith(1))
      .when({ type: 'UpdateModel', patch: {}, name: 'churn-2', is_active: false })
      .follows(
        {
          type: 'model.renamed',
          data: { model_id: modelId, name: 'churn-2', previous_name: 'churn' },
        },
        { type: 'model.deactivated', data: { model_id: modelId, reason: null } },
      ));
  test('is not deleted while a binding is active', () =>
    given(...modelWith(1), bound(1, 1, { status: 'active' }))
      .when({ type: 'DeleteModel' })
      .isRefused({
        code: 'in_use',
        number: null,
        blocking: [
          { kind: 'binding', binding_id: '01940000-0000-7000-c000-000000000001', number: 1 },
        ],
      }));
  test('that is deleted is only restored', () => {
    given(...modelWith(1))
      .when({ type: 'DeleteModel' })
      .follows(modelDeleted);
    const gone = given(...modelWith(1), modelDeleted);
    gone.when({ type: 'Activate', version }).isRefused({ code: 'model_not_found' });
    gone.when({ type: 'DeleteModel' }).changesNothing();
    gone.when({ type: 'SettlePromotion', promotion_request_id: versionId(9) }).changesNothing();
    gone.when({ type: 'RestoreModel', name: 'other' }).follows({
      type: 'model.restored',
      data: { model_id: modelId, name: 'other', previous_name: 'churn', reason: null },
    });
  });
  test('that lives is not restored under another name', () =>
    given(...modelWith(1))
      .when({ type: 'RestoreModel', name: 'other' })
      .isRefused({ code: 'immutable', fields: ['name'] }));
  test('frees its name with the event that says so, and takes it again', () => {
    const claim = (name: string) => `model-name:t:${name}`;
    expect(claimsOf('t', modelDeleted)).toEqual({ takes: [], frees: [claim('churn')] });
    expect(
      claimsOf('t', {
        type: 'model.renamed',
        data: { model_id: modelId, name: 'b', previous_name: 'churn' },
      }),
    ).toEqual({ takes: [claim('b')], frees: [claim('churn')] });
  });
});

describe('a version', () => {
  test('that is rejected is tested again when new evidence comes', () =>
    given(...modelWith(1), rejected(1, 'training'))
      .when({ type: 'UpdateVersion', version, patch: { eval_score: 0.9 } })
      .follows(
        {
          type: 'version.updated',
          data: { ...ref(1), changed: { eval_score: 0.9 }, previous: { eval_score: null } },
        },
        testingStarted(1, 'rejected'),
      ));
  test('that is measured anew in one metric keeps the others, and those by split', () => {
    const test = { name: 'accuracy', split: 'test' as const, value: 0.8 };
    const loss = { name: 'loss', split: null, value: 0.1 };
    const recall = { name: 'recall', split: null, value: 0.5 };
    given(registered(), versioned(1, { metrics: [test, loss, recall] }), defaultChanged(1, null))
      .when({
        type: 'UpdateVersion',
        version,
        patch: {},
        metric_values: { accuracy: 0.9, recall: null, mAP: null },
      })
      .follows({
        type: 'version.updated',
        data: {
          ...ref(1),
          changed: { metrics: [test, loss, { name: 'accuracy', split: null, value: 0.9 }] },
          previous: { metrics: [test, loss, recall] },
        },
      });
  });
  test('that is said to be as it is measured changes nothing', () =>
    given(
      registered(),
      versioned(1, { metrics: [{ name: 'accuracy', split: 'test', value: 0.8 }] }),
      defaultChanged(1, null),
    )
      .when({
        type: 'UpdateVersion',
        version,
        patch: {},
        metric_values: { accuracy: 0.8, recall: null },
      })
      .changesNothing());
  test('loses its approval', () =>
    given(...modelWith(1), approved(1, 'training'))
      .when({ type: 'RevokeApproval', version })
      .follows({
        type: 'version.approval_revoked',
        data: { ...ref(1), from_readiness: 'approved', to_readiness: 'testing', reason: null },
      }));
  test.each([versionId(1), '1', 'churn/1'])(
    'is not deleted while a child of it lives that names it by %s',
    (parent) =>
      given(
        ...modelWith(1),
        versioned(2, {
          lineage: {
            data_versions: [],
            code_version: null,
            parent_versions: [parent],
            experiment_id: null,
            run_id: null,
          },
        }),
      )
        .when({ type: 'DeleteVersion', version })
        .isRefused({
          code: 'in_use',
          number: 1,
          blocking: [{ kind: 'child', version_id: versionId(2), child_number: 2 }],
        }),
  );
  test('that is deleted is not found', () =>
    given(...modelWith(2), defaultChanged(2, 1), versionDeleted(1))
      .when({ type: 'Activate', version })
      .isRefused({ code: 'version_not_found', version: '1' }));
  test('that is deleted is not deleted again', () =>
    given(...modelWith(2), defaultChanged(2, 1), versionDeleted(1))
      .when({ type: 'DeleteVersion', version })
      .changesNothing());
  test('is no other than its caller says it is', () =>
    given(...modelWith(1))
      .when({
        type: 'UpdateVersion',
        version,
        patch: { eval_score: 0.9 },
        stated: { number: 1, version_id: versionId(1), readiness: 'approved' },
      })
      .isRefused({
        code: 'immutable',
        fields: ['readiness'],
        changed_by: { readiness: ['test', 'approve', 'reject', 'revoke-approval'] },
      }));
});

describe('a rollback', () => {
  const back: Wanted = { type: 'Rollback', to: null, new_id: deploymentId(9) };
  const replaced: ModelEvent[] = [
    registered(),
    ...[1, 2, 3].map((number) => versioned(number)),
    defaultChanged(3, null),
    promoted(1, 'development', 'production'),
    archived(1, 'production', { cause: 'superseded' }),
    promotedOver(2, 'development', 1),
  ];
  const again = promotedOver(1, 'staging', 2, { mode: 'rollback', rollback_of: versionId(2) });
  const nothingLeft = {
    code: 'nothing_to_roll_back_to',
    environment: null,
    region: null,
    version: null,
  } as const;
  /** The digest of the evidence is told elsewhere. */
  const without = (events: readonly ModelEvent[]) =>
    events.map(({ type, data }) => ({ type, data: { ...data, evidence_digest: null } }));

  test('restores the version before, and retires the bad one', () => {
    const { events } = decided(replaced, back);
    expect(without(events)).toEqual(
      without([restored(1, 'staging'), archived(2, 'production', { cause: 'superseded' }), again]),
    );
  });
  test('takes the bad version away wherever it is live', () => {
    const { events } = decided([...replaced, deployed(1, 2)], back);
    expect(without(events)).toEqual(
      without([
        restored(1, 'staging'),
        deploymentRolledBack(1, 2, { version: 1, deployment: 9 }),
        deploymentRequested(9, 1, { replaces_deployment_id: deploymentId(1) }),
        archived(2, 'production', { cause: 'superseded' }),
        again,
      ]),
    );
  });
  test('asks for the restored version in each region that the bad one leaves', () => {
    const eu = { region: 'eu', config: { replicas: 3 }, endpoint_url: 'https://eu.example' };
    const us = { region: 'us', config: eu.config };
    const ofEu = { region: 'eu' };
    const { events } = decided(
      [
        ...replaced,
        deployed(1, 1, eu),
        deploymentSuperseded(1, 1, 2, ofEu),
        deployed(2, 2, ofEu),
        deployed(3, 2, { region: 'us' }),
      ],
      back,
    );
    const to = { version: 1, deployment: 9 };
    const next = nthId(deploymentId(9), 1);
    expect(without(events)).toEqual(
      without([
        restored(1, 'staging'),
        deploymentRolledBack(2, 2, to, ofEu),
        deploymentRequested(9, 1, { ...eu, replaces_deployment_id: deploymentId(2) }),
        deploymentRolledBack(3, 2, to, { region: 'us', to_deployment_id: next }),
        deploymentRequested(9, 1, {
          ...us,
          deployment_id: next,
          replaces_deployment_id: deploymentId(3),
        }),
        archived(2, 'production', { cause: 'superseded' }),
        again,
      ]),
    );
  });
  test('goes back once for each promotion, and then no further', () => {
    const { events } = decided(replaced, back);
    given(...replaced, ...events)
      .when(back)
      .isRefused(nothingLeft);
  });
  describe('where several are in production', () => {
    const under = (policy: object): Pick<Wanted, 'in_force'> => ({
      in_force: { policy: { ...openPolicy.policy, ...policy }, ref: null },
    });
    const several = under({ multi_production: true, on_superseded: 'keep' });
    const beside = (number: number, current: number) =>
      promoted(number, 'development', 'production', {
        previous_production_version_id: versionId(current),
      });
    const bad = (number: number) =>
      archived(number, 'production', { cause: 'superseded', reason: 'wrong' });
    const backTo = (number: number, from: Stage, of: number) =>
      promotedOver(number, from, of, {
        mode: 'rollback',
        rollback_of: versionId(of),
        reason: 'wrong',
      });
    const wrong = { ...back, reason: 'wrong' };
    const broughtBack: ModelEvent = {
      type: 'version.restored',
      data: { ...ref(1), from_stage: 'archived', to_stage: 'staging', reason: 'wrong' },
    };

    test('leaves the others as they are', () => {
      const { events } = decided([...replaced, beside(3, 2)], { ...wrong, ...several });
      expect(without(events)).toEqual(
        without([broughtBack, defaultChanged(1, 3), bad(3), backTo(1, 'staging', 3)]),
      );
    });
    test('leaves none of them where policy allows one again, and only the bad one with the reason', () => {
      const { events } = decided([...replaced, beside(3, 2)], wrong);
      expect(without(events)).toEqual(
        without([
          broughtBack,
          defaultChanged(1, 3),
          bad(3),
          archived(2, 'production', { cause: 'superseded' }),
          backTo(1, 'staging', 3),
        ]),
      );
      given(...replaced, beside(3, 2), ...events)
        .when(back)
        .isRefused(nothingLeft);
    });
    test('goes to one of them by its name, which stays and is the current one', () => {
      const both = [...replaced.slice(0, -2), beside(2, 1), deployed(1, 2)];
      const { events } = decided(both, { ...wrong, ...several, to: version });
      expect(without(events)).toEqual(
        without([
          deploymentRolledBack(1, 2, { version: 1, deployment: 9 }, { reason: 'wrong' }),
          deploymentRequested(9, 1, { replaces_deployment_id: deploymentId(1) }),
          bad(2),
          backTo(1, 'production', 2),
        ]),
      );
      const after = given(...both, ...events);
      expect(after.state.model!.production).toEqual([1]);
      after.when(back).isRefused(nothingLeft);
    });
    test('and the current one is named, changes nothing', () =>
      given(...replaced.slice(0, -2), beside(2, 1))
        .when({ ...back, ...several, to: numbered(2) })
        .changesNothing());
    test('goes once to each that a promotion displaced, the last one first', () => {
      const both = [...replaced.slice(0, -2), beside(2, 1)];
      const promote3: Wanted = { type: 'Promote', version: numbered(3), to_stage: 'production' };
      const displaced = [...both, ...decided(both, promote3).events];
      const once = [...displaced, ...decided(displaced, back).events];
      const twice = [...once, ...decided(once, back).events];
      expect(given(...once).state.model!.production).toEqual([2]);
      expect(given(...twice).state.model!.production).toEqual([1]);
      given(...twice)
        .when(back)
        .isRefused(nothingLeft);
    });
    test('remembers none that it displaced itself, also on the way to one that is named', () => {
      const story = [...replaced, demoted(2, 'production', 'staging'), beside(3, 2)];
      const to2 = decided(story, { ...wrong, to: numbered(2) }).events;
      const { events } = decided([...story, ...to2], back);
      expect(events.at(-1)).toMatchObject({ data: { number: 1, rollback_of: versionId(2) } });
    });
  });

  test('goes to no version that never was in production', () =>
    given(...replaced)
      .when({ ...back, to: numbered(3) })
      .isRefused({ code: 'never_in_production', number: 3 }));
  test('goes to no version that was rejected since', () =>
    given(...replaced, rejected(1, 'training'))
      .when(back)
      .isRefused({ code: 'rollback_unsafe', number: 1, because: 'rejected' }));
});

describe('an incumbent leaves as policy says', () => {
  const history = [...modelWith(2), promoted(1, 'development', 'production')];
  const promote = (policy: Partial<typeof presets.open> | object): Wanted => ({
    type: 'Promote',
    version: numbered(2),
    to_stage: 'production',
    in_force: { policy: { ...openPolicy.policy, ...policy }, ref: null },
  });
  test('to deprecated', () =>
    given(...history)
      .when(promote({ on_superseded: 'deprecated' }))
      .follows(superseded(1, 2), promotedOver(2, 'development', 1)));
  test('or stays where several may be in production', () =>
    given(...history)
      .when(promote({ on_superseded: 'keep', multi_production: true }))
      .follows(
        promoted(2, 'development', 'production', {
          previous_production_version_id: versionId(1),
        }),
      ));
});

test('ids that a decision derives differ in their number alone', () => {
  expect(nthId(deploymentId(9), 0)).toBe(deploymentId(9));
  expect(nthId(deploymentId(9), 1)).toBe(deploymentId(9).replace(/9$/, 'a'));
});

function decided(history: readonly ModelEvent[], wanted: Wanted) {
  const { state } = given(...history);
  const { events, refusal } = modelDecider.decide(state, commandOf(wanted));
  expect(refusal).toBeUndefined();
  return { events: events! };
}
