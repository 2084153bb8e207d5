// Orders of retention: what goes by count, what a policy keeps, and what one append does.
import { describe, expect, test } from 'vitest';
import type { ModelCommand } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { archivedMax } from '#events/model/retention.ts';
import { inForce } from '#events/policy/merge.ts';
import type { OwnRetention } from '#events/policy/retention.ts';
import { nothingKept, registryRetention } from '#events/policy/retention.ts';
import {
  archived,
  bound,
  defaultChanged,
  deployed,
  deprecated,
  modelWith,
  modelId,
  promoted,
  undeployed,
  versionId,
} from './history.ts';
import { given } from './scenario.ts';
import type { Wanted } from './scenario.ts';

type Order = Extract<ModelCommand, { type: 'ApplyRetention' }>;
const dayMs = 24 * 60 * 60 * 1_000;
/** The stories happen on 21 November 2026. */
const onDay = (days: number): string =>
  new Date(Date.UTC(2026, 10, 21, 12) + days * dayMs).toISOString();

/** Beyond so many of the newest, whatever its age; what an admin has set holds. */
const order = (
  retention_count: number,
  said: Partial<Order> = {},
  set: OwnRetention | null = null,
): Wanted => ({
  type: 'ApplyRetention',
  plan_id: null,
  retention_count,
  numbers: null,
  registry: nothingKept,
  in_force: inForce(
    [
      {
        scope: 'tenant',
        version: set === null ? 0 : 1,
        own: set === null ? {} : { retention: set },
      },
    ],
    nothingKept,
  ),
  ...said,
});
/** What is due by the registry's own ages and rank. */
const sweep = (days: number, said: Partial<Order> = {}): Wanted => ({
  ...order(0, { ...said, retention_count: null }),
  at: onDay(days),
  in_force: inForce([], registryRetention()),
});

/** Archived on a day, from which on its bytes stay for three years. */
const goneOnDay = (day: number) => ({ purge_not_before: onDay(day + 1_095) });
const byCount = (number: number, limit: number, measured: number, day = 0): ModelEvent =>
  archived(number, 'development', {
    cause: 'retention_count',
    rule: { type: 'count', limit, measured },
    ...goneOnDay(day),
  });
type Kept = [number: number, because: string];
const applied = (numbers: number[], kept: Kept[], retention_count: number | null): ModelEvent => ({
  type: 'retention.applied',
  data: {
    model_id: modelId,
    plan_id: null,
    retention_count,
    archived: numbers,
    kept: kept.map(([number, because]) => ({ number, because })),
  },
});
const newest: Kept[] = [
  [5, 'newest'],
  [4, 'newest'],
  [3, 'newest'],
];

describe('an order to keep the newest', () => {
  test('archives the others now, whatever their age, the default last', () =>
    given(...modelWith(5))
      .when(order(3))
      .follows(
        byCount(2, 3, 4),
        defaultChanged(5, 1),
        byCount(1, 3, 5),
        applied([1, 2], newest, 3),
      ));

  test('given again changes nothing', () =>
    given(...modelWith(5), byCount(2, 3, 4), defaultChanged(5, 1), byCount(1, 3, 5))
      .when(order(3))
      .changesNothing());

  test('for more than there are changes nothing', () =>
    given(...modelWith(5))
      .when(order(5))
      .changesNothing());

  test('counts by number among those not archived, those in use included', () =>
    given(...modelWith(5), archived(5, 'development'), deployed(1, 4))
      .when(order(2))
      .follows(
        byCount(2, 2, 3),
        defaultChanged(4, 1),
        byCount(1, 2, 4),
        applied(
          [1, 2],
          [
            [4, 'in_use'],
            [3, 'newest'],
          ],
          2,
        ),
      ));

  const hold: ModelEvent = {
    type: 'hold.placed',
    data: {
      hold_id: 'h',
      model_id: modelId,
      version_id: versionId(2),
      number: 2,
      label: null,
      reason: 'audit',
      until: onDay(10),
    },
  };
  const uses: [string, ModelEvent[]][] = [
    ['in production', [promoted(2, 'development', 'production')]],
    ['deployed', [deployed(1, 2)]],
    ['bound to a provider', [bound(1, 2, { status: 'active' })]],
    ['the default that somebody set', [defaultChanged(2, 1, 'caller')]],
    ['held', [hold]],
  ];
  test.each(uses)('leaves one that is %s', (_, events) => {
    const kept: Kept[] = [...newest, [2, 'in_use']];
    const defaultMoves = events[0]!.type === 'default.changed';
    const heir = events[0]!.type === 'model.promoted' ? 2 : 5;
    given(...modelWith(5), ...events)
      .when(order(3))
      .follows(
        ...(defaultMoves ? [] : [defaultChanged(heir, 1)]),
        byCount(1, 3, 5),
        applied([1], kept, 3),
      );
  });

  test('takes one whose hold is over', () =>
    given(...modelWith(5), hold, defaultChanged(5, 1, 'caller'))
      .when(order(4, { at: onDay(11) }))
      .follows(
        byCount(1, 4, 5, 11),
        applied(
          [1],
          [
            [5, 'in_use'],
            [4, 'newest'],
            [3, 'newest'],
            [2, 'newest'],
          ],
          4,
        ),
      ));

  test('takes one that was announced to end later, as nothing uses it', () =>
    given(...modelWith(2), deprecated(1, 'development', onDay(100)))
      .when(order(1))
      .follows(
        defaultChanged(2, 1),
        archived(1, 'deprecated', {
          cause: 'retention_count',
          rule: { type: 'count', limit: 1, measured: 2 },
        }),
        applied([1], [[2, 'newest']], 1),
      ));
});

describe('a policy that an admin has set keeps longer, and wins', () => {
  test('by how many of the newest it keeps', () =>
    given(...modelWith(5))
      .when(order(2, {}, { newest_kept: 4 }))
      .follows(
        defaultChanged(5, 1),
        byCount(1, 2, 5),
        applied(
          [1],
          [
            [5, 'newest'],
            [4, 'newest'],
            [3, 'policy_newest'],
            [2, 'policy_newest'],
          ],
          2,
        ),
      ));

  test('by the age of a stage that it names, and by no other', () =>
    given(...modelWith(5), promoted(2, 'development', 'staging'))
      .when(order(3, { at: onDay(5) }, { age_days: { staging: 10 } }))
      .follows(
        defaultChanged(5, 1),
        byCount(1, 3, 5, 5),
        applied([1], [...newest, [2, 'policy_age']], 3),
      ));

  test('until that age is over', () =>
    given(...modelWith(5), promoted(2, 'development', 'staging'), archived(1, 'development'))
      .when(order(3, { at: onDay(11) }, { age_days: { staging: 10 } }))
      .follows(
        archived(2, 'staging', {
          cause: 'retention_count',
          rule: { type: 'count', limit: 3, measured: 4 },
          ...goneOnDay(11),
        }),
        applied([2], newest, 3),
      ));

  test('by the announced end of what is deprecated', () =>
    given(...modelWith(2), deprecated(1, 'development', onDay(100)))
      .when(order(1, { at: onDay(50) }, { age_days: { deprecated: 10 } }))
      .changesNothing());

  test('and one that keeps shorter changes nothing about the count', () =>
    given(...modelWith(2))
      .when(order(2, { at: onDay(50) }, { newest_kept: 1, age_days: { development: 1 } }))
      .changesNothing());
});

describe('an order for what is due', () => {
  test('archives by age and rank, with the rule that let go', () =>
    given(...modelWith(4))
      .when(sweep(31))
      .follows(
        defaultChanged(4, 1),
        archived(1, 'development', {
          cause: 'retention_age',
          rule: { type: 'age_days', limit: 30, measured: 31 },
          ...goneOnDay(31),
        }),
        applied(
          [1],
          [
            [4, 'newest'],
            [3, 'newest'],
            [2, 'newest'],
          ],
          null,
        ),
      ));
  test('and nothing before', () =>
    given(...modelWith(4))
      .when(sweep(29))
      .changesNothing());
});

describe('the bytes of what is archived', () => {
  const purgedAfter = (days: number) => ({ purge_not_before: onDay(days) });
  const keeping = (archivedDays: number) => ({
    in_force: inForce([
      {
        scope: 'tenant',
        version: 1,
        own: { retention: { age_days: { archived: archivedDays } } },
      },
    ]),
  });

  test('stay for three years, also where an order archives', () =>
    given(...modelWith(2))
      .when(order(1))
      .follows(defaultChanged(2, 1), byCount(1, 1, 2), applied([1], [[2, 'newest']], 1)));

  test('stay as long as a policy says, whoever archives', () => {
    const version = { by: 'number', number: 1 } as const;
    const by = { cause: 'manual', rule: null, plan_id: null } as const;
    given(...modelWith(2))
      .when({ type: 'Archive', version, because: by, ...keeping(10) })
      .follows(defaultChanged(2, 1), archived(1, 'development', purgedAfter(10)));
  });
});

describe('what a plan says', () => {
  test('is archived as far as it still holds, under the name of the plan', () =>
    given(...modelWith(5), deployed(1, 2))
      .when(order(3, { numbers: [1, 2], plan_id: 'plan-7' }))
      .follows(
        defaultChanged(5, 1),
        archived(1, 'development', {
          cause: 'retention_count',
          plan_id: 'plan-7',
          rule: { type: 'count', limit: 3, measured: 5 },
        }),
        {
          type: 'retention.applied',
          data: {
            model_id: modelId,
            plan_id: 'plan-7',
            retention_count: 3,
            archived: [1],
            kept: [{ number: 2, because: 'in_use' }],
          },
        },
      ));

  test('takes none with it that the plan does not name', () =>
    given(...modelWith(5), deployed(1, 2), undeployed(1, 2))
      .when(order(3, { numbers: [2] }))
      .follows(byCount(2, 3, 4), applied([2], [], 3)));

  test('changes nothing where all of it came into use', () =>
    given(...modelWith(5), deployed(1, 2))
      .when(order(3, { numbers: [2] }))
      .changesNothing());
});

test('one append archives the oldest hundred, and no more', () => {
  const { events } = given(...modelWith(250)).decided(order(1));
  const numbers = events!.flatMap(({ type, data }) =>
    type === 'model.archived' ? [data.number] : [],
  );
  expect(numbers).toHaveLength(archivedMax);
  expect(numbers.toSorted((left, right) => left - right)).toEqual(
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
});

test('there is nothing to order of a model that is not there', () =>
  given().when(order(3)).isRefused({ code: 'model_not_found' }));
