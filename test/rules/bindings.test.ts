// Provider bindings: which vendor's model implements a version, and when it may be called.
import { describe, expect, test } from 'vitest';
import { bindingStatuses } from '#events/model/binding-events.ts';
import type { BindingStatus } from '#events/model/binding-events.ts';
import type { BindingPatch, Common, NewBinding } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { openPolicy } from '#events/policy/policy.ts';
import {
  archived,
  bindingId,
  bindingMoved,
  bindingUpdated,
  bound,
  deprecated,
  modelWith,
  noon,
  promoted,
  versionDeleted,
} from './history.ts';
import { given, givenState, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

const create = (binding: number, number: number, said: Partial<NewBinding> = {}): Wanted => ({
  type: 'CreateBinding',
  version: numbered(number),
  binding_id: bindingId(binding),
  binding: {
    provider: 'openai',
    provider_model_id: 'gpt-4-0125-preview',
    status: 'inactive',
    config: {},
    endpoint_url: null,
    avg_latency_ms: null,
    success_rate: null,
    last_used_at: null,
    ...said,
  },
});
const update = (binding: number, patch: BindingPatch, reason: string | null = null): Wanted => ({
  type: 'UpdateBinding',
  binding_id: bindingId(binding),
  patch,
  reason,
});
const remove = (binding: number): Wanted => ({
  type: 'RemoveBinding',
  binding_id: bindingId(binding),
});
const activated = (number = 1) =>
  bindingMoved('binding.activated', 1, number, { from_status: 'inactive' });
const deprecatedBinding = bindingMoved('binding.deprecated', 1, 1, { from_status: 'active' });

const protecting: Partial<Common> = {
  in_force: { policy: { ...openPolicy.policy, protected_pointers: ['bindings'] }, ref: null },
};
const givenInactive = (...history: ModelEvent[]) =>
  givenState(() => {
    const { state } = given(...history);
    state.model = { ...state.model!, state: 'inactive' };
    return state;
  });

describe('a binding', () => {
  test('is made with all that is said of it, and may be active at once', () =>
    given(...modelWith(1))
      .when(create(1, 1, { status: 'active', config: { max_tokens: 2_000 }, success_rate: 0.99 }))
      .follows(
        bound(1, 1, { status: 'active', config: { max_tokens: 2_000 }, success_rate: 0.99 }),
      ));

  test('holds its version in use while it is active', () => {
    const { state } = given(...modelWith(1), bound(1, 1), activated());
    expect(state.versions.get(1)!.active_bindings).toEqual([bindingId(1)]);
    given(...modelWith(1), bound(1, 1), activated())
      .when({
        type: 'Archive',
        version: numbered(1),
        because: { cause: 'manual', plan_id: null, rule: null },
      })
      .isRefused({
        code: 'in_use',
        number: 1,
        blocking: [{ kind: 'binding', binding_id: bindingId(1) }],
      });
    const { state: ended } = given(
      ...modelWith(1),
      bound(1, 1, { status: 'active' }),
      deprecatedBinding,
    );
    expect(ended.versions.get(1)!.active_bindings).toEqual([]);
    expect(ended.versions.get(1)!.last_used_at).not.toBeNull();
  });

  test.each([
    ['deprecated', deprecated(1, 'development')],
    ['archived', archived(1, 'development')],
  ] as const)('is not made for a version that is %s', (stage, retired) =>
    given(...modelWith(1), retired)
      .when(create(1, 1))
      .isRefused({ code: 'version_retired', number: 1, stage, wanted: 'binding' }),
  );

  test('of a version that nobody knows is not made', () =>
    given(...modelWith(1))
      .when(create(1, 7))
      .isRefused({ code: 'version_not_found', version: '7' }));

  test.each([update(7, { status: 'active' }), remove(7)])(
    'that nobody knows is not found: $type',
    (wanted) =>
      given(...modelWith(1))
        .when(wanted)
        .isRefused({ code: 'binding_not_found', binding_id: bindingId(7) }),
  );

  test('that is removed is not changed any more', () =>
    given(
      ...modelWith(1),
      bound(1, 1),
      bindingMoved('binding.removed', 1, 1, { from_status: 'inactive' }),
    )
      .when(update(1, { provider: 'bedrock' }))
      .isRefused({ code: 'binding_not_found', binding_id: bindingId(1) }));
});

describe('from status to status', () => {
  const legal: Record<BindingStatus, readonly BindingStatus[]> = {
    inactive: ['active'],
    active: ['inactive', 'deprecated'],
    deprecated: ['inactive'],
  };
  const type = {
    active: 'binding.activated',
    inactive: 'binding.deactivated',
    deprecated: 'binding.deprecated',
  } as const;
  const history: Record<BindingStatus, ModelEvent[]> = {
    inactive: [bound(1, 1)],
    active: [bound(1, 1), activated()],
    deprecated: [bound(1, 1), activated(), deprecatedBinding],
  };
  const steps = bindingStatuses.flatMap((from) => bindingStatuses.map((to) => ({ from, to })));

  test.each(steps)('from $from to $to', ({ from, to }) => {
    const scene = given(...modelWith(1), ...history[from]).when(update(1, { status: to }, 'dear'));
    if (from === to) return scene.changesNothing();
    if (!legal[from].includes(to))
      return scene.isRefused({
        code: 'illegal_transition',
        axis: 'binding',
        from,
        to,
        legal_transitions: legal[from],
      });
    return scene.follows(bindingMoved(type[to], 1, 1, { from_status: from, reason: 'dear' }));
  });
});

describe('an active binding', () => {
  test.each([
    ['deprecated', deprecated(1, 'development')],
    ['archived', archived(1, 'development')],
  ] as const)('needs a version that is not %s', (stage, retired) =>
    given(...modelWith(1), bound(1, 1), retired)
      .when(update(1, { status: 'active' }))
      .isRefused({ code: 'version_retired', number: 1, stage, wanted: 'binding' }),
  );

  test('needs a version that is there', () =>
    given(...modelWith(2), bound(1, 2), versionDeleted(2))
      .when(update(1, { status: 'active' }))
      .isRefused({ code: 'version_not_found', version: '2' }));

  test('needs an active model; what documents or repairs goes on', () => {
    const refused = { code: 'model_inactive', state: 'inactive' } as const;
    givenInactive(...modelWith(1), bound(1, 1))
      .when(update(1, { status: 'active' }))
      .isRefused(refused);
    givenInactive(...modelWith(1))
      .when(create(1, 1, { status: 'active' }))
      .isRefused(refused);
    givenInactive(...modelWith(1))
      .when(create(1, 1))
      .follows(bound(1, 1));
    givenInactive(...modelWith(1), bound(1, 1), activated())
      .when(update(1, { status: 'inactive', avg_latency_ms: 80 }))
      .follows(
        bindingUpdated(1, 1, { avg_latency_ms: 80 }, { avg_latency_ms: null }),
        bindingMoved('binding.deactivated', 1, 1, { from_status: 'active' }),
      );
  });

  test('belongs to a version in production where the policy protects bindings', () => {
    const refused = {
      code: 'pointer_protected',
      pointer: 'bindings',
      number: 1,
      stage: 'development',
    } as const;
    given(...modelWith(1))
      .when({ ...create(1, 1, { status: 'active' }), ...protecting })
      .isRefused(refused);
    given(...modelWith(1), bound(1, 1))
      .when({ ...update(1, { status: 'active' }), ...protecting })
      .isRefused(refused);
    given(...modelWith(1))
      .when({ ...create(1, 1), ...protecting })
      .follows(bound(1, 1));
    given(...modelWith(1), promoted(1, 'development', 'production'), bound(1, 1))
      .when({ ...update(1, { status: 'active' }), ...protecting })
      .follows(activated());
  });

  test('is deactivated in the append that removes it', () =>
    given(...modelWith(1), bound(1, 1), activated())
      .when(remove(1))
      .follows(
        bindingMoved('binding.deactivated', 1, 1, { from_status: 'active' }),
        bindingMoved('binding.removed', 1, 1, { from_status: 'inactive' }),
      ));
});

describe('a change', () => {
  test('of fields and status is one append, the fields first', () =>
    given(...modelWith(1), bound(1, 1, { config: { temperature: 0.7 } }))
      .when(update(1, { provider: 'bedrock', config: { top_p: 1 }, status: 'active' }))
      .follows(
        bindingUpdated(
          1,
          1,
          { provider: 'bedrock', config: { top_p: 1 } },
          { provider: 'openai', config: { temperature: 0.7 } },
        ),
        bindingMoved('binding.activated', 1, 1, {
          from_status: 'inactive',
          provider: 'bedrock',
        }),
      ));

  test('to what is so already changes nothing', () =>
    given(...modelWith(1), bound(1, 1, { config: { a: 1, b: [2] } }))
      .when(update(1, { provider: 'openai', config: { b: [2], a: 1 }, status: 'inactive' }))
      .changesNothing());

  test('whose status cannot be leaves the fields alone', () =>
    given(...modelWith(1), bound(1, 1))
      .when(update(1, { provider: 'bedrock', status: 'deprecated' }))
      .isRefused({
        code: 'illegal_transition',
        axis: 'binding',
        from: 'inactive',
        to: 'deprecated',
        legal_transitions: ['active'],
      }));
});

test('what cannot be changed may be said as it is, and nothing else', () => {
  const stated = {
    id: bindingId(1),
    model_name: 'churn',
    number: 1,
    created_at: '2026-11-21T00:00:04.000Z',
  };
  const asked = { ...update(1, { success_rate: 0.5 }) } as Extract<
    Wanted,
    { type: 'UpdateBinding' }
  >;
  given(...modelWith(1), bound(1, 1))
    .when({ ...asked, stated })
    .follows(bindingUpdated(1, 1, { success_rate: 0.5 }, { success_rate: null }));
  given(...modelWith(1), bound(1, 1))
    .when({ ...asked, stated: { ...stated, number: 2, model_name: 'other' } })
    .isRefused({ code: 'immutable', fields: ['model_name', 'number'] });
});

describe('the last use', () => {
  const yesterday = '2026-11-20T12:00:00.000Z';

  test('that a binding tells of is one of its version', () => {
    const { state } = given(
      ...modelWith(1),
      bound(1, 1),
      bindingUpdated(1, 1, { last_used_at: yesterday }, { last_used_at: null }),
    );
    expect(state.versions.get(1)!.last_used_at).toBe(yesterday);
    expect(state.bindings.get(bindingId(1))!.last_used_at).toBe(yesterday);
  });

  test('that has not come yet is refused, as it would keep the version', () => {
    const value = '2062-01-01T00:00:00.000Z';
    const refused = { code: 'time_in_future', field: 'last_used_at', value } as const;
    given(...modelWith(1), bound(1, 1))
      .when(update(1, { last_used_at: value }))
      .isRefused(refused);
    given(...modelWith(1))
      .when(create(1, 1, { last_used_at: value }))
      .isRefused(refused);
    const aMinuteOn = new Date(Date.parse(noon) + 60_000).toISOString();
    given(...modelWith(1), bound(1, 1))
      .when(update(1, { last_used_at: aMinuteOn }))
      .follows(bindingUpdated(1, 1, { last_used_at: aMinuteOn }, { last_used_at: null }));
  });
});

test('a removed binding is not removed again', () =>
  given(
    ...modelWith(1),
    bound(1, 1),
    bindingMoved('binding.removed', 1, 1, { from_status: 'inactive' }),
  )
    .when(remove(1))
    .changesNothing());
