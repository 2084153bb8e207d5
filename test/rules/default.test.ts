// The default version: who sets it, whom it protects, and who inherits it.
import { describe, expect, test } from 'vitest';
import type { ModelEvent } from '#events/model/events.ts';
import {
  archived,
  defaultChanged,
  deprecated,
  modelWith,
  promoted,
  registered,
  restored,
  superseded,
  promotedOver,
  versioned,
} from './history.ts';
import { given, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';
import { newVersion } from './wanted.ts';

const manually = { cause: 'manual', plan_id: null, rule: null } as const;
const archive = (number: number): Wanted => ({
  type: 'Archive',
  version: numbered(number),
  because: manually,
});

describe('the first version becomes the default', () => {
  test('by the registry', () =>
    given(registered())
      .when({ type: 'CreateVersion', version: newVersion(1) })
      .follows(versioned(1), defaultChanged(1, null)));

  test('and the second does not', () =>
    given(...modelWith(1))
      .when({ type: 'CreateVersion', version: newVersion(2) })
      .follows(versioned(2)));

  test('and so does the next where no default is left', () =>
    given(...modelWith(1), defaultChanged(null, 1), archived(1, 'development'))
      .when({ type: 'CreateVersion', version: newVersion(2) })
      .follows(versioned(2), defaultChanged(2, null)));

  test('and so does one that is restored where no default is left', () =>
    given(...modelWith(1), defaultChanged(null, 1), archived(1, 'development'))
      .when({ type: 'Restore', version: numbered(1), to_stage: 'staging' })
      .follows(restored(1, 'staging'), defaultChanged(1, null)));
});

describe('a caller sets the default', () => {
  test('to another version', () =>
    given(...modelWith(2))
      .when({ type: 'SetDefault', version: numbered(2) })
      .follows(defaultChanged(2, 1, 'caller')));

  test('to the version that the registry had chosen: from then on it is a use', () =>
    given(...modelWith(1))
      .when({ type: 'SetDefault', version: numbered(1) })
      .follows(defaultChanged(1, 1, 'caller')));

  test('but not by who writes back a version as it was read, with what only answers show', () =>
    given(...modelWith(1))
      .when({
        type: 'UpdateVersion',
        version: numbered(1),
        patch: { description: null },
        is_default: true,
        stated: { stage: 'development' },
      })
      .changesNothing());

  test('to what it is already: nothing happens', () =>
    given(...modelWith(1), defaultChanged(1, 1, 'caller'))
      .when({ type: 'SetDefault', version: numbered(1) })
      .changesNothing());

  test('with a new version, in its append', () =>
    given(...modelWith(1))
      .when({ type: 'CreateVersion', version: newVersion(2, { is_default: true }) })
      .follows(versioned(2), defaultChanged(2, 1, 'caller')));

  test.each([
    ['deprecated', deprecated(2, 'development')],
    ['archived', archived(2, 'development')],
  ] as const)('but not to a version that is %s', (stage, retired) =>
    given(...modelWith(2), retired)
      .when({ type: 'SetDefault', version: numbered(2) })
      .isRefused({ code: 'version_retired', number: 2, stage, wanted: 'default' }),
  );
});

describe('a default that a caller set', () => {
  test('protects its version', () =>
    given(...modelWith(2), defaultChanged(2, 1, 'caller'))
      .when(archive(2))
      .isRefused({ code: 'in_use', number: 2, blocking: [{ kind: 'default' }] }));

  test('stays with its version when that is deprecated', () =>
    given(...modelWith(2), defaultChanged(2, 1, 'caller'))
      .when({ type: 'Deprecate', version: numbered(2), sunset_at: null })
      .follows(deprecated(2, 'development')));

  test('keeps a displaced incumbent from the archive', () =>
    given(...modelWith(2), defaultChanged(1, 1, 'caller'), promoted(1, 'development', 'production'))
      .when({ type: 'Promote', version: numbered(2), to_stage: 'production' })
      .follows(superseded(1, 2), promotedOver(2, 'development', 1)));
});

describe('a default that the registry set moves when its version is archived', () => {
  const heirs: [string, ModelEvent[], number | null][] = [
    ['to the production version', [promoted(2, 'development', 'production')], 2],
    ['to the newest in development or staging', [promoted(2, 'development', 'staging')], 3],
    [
      'to the newest in staging, as well as one in development',
      [promoted(3, 'development', 'staging')],
      3,
    ],
    ['past a deprecated one', [deprecated(3, 'development')], 2],
    [
      'to the newest deprecated one where there is no other',
      [deprecated(2, 'development'), deprecated(3, 'development')],
      3,
    ],
    ['past an archived one', [archived(3, 'development'), deprecated(2, 'development')], 2],
    ['to nobody', [archived(2, 'development'), archived(3, 'development')], null],
  ];
  test.each(heirs)('%s', (_, history, heir) =>
    given(...modelWith(3), ...history)
      .when(archive(1))
      .follows(defaultChanged(heir, 1), archived(1, 'development')),
  );
});

test('a version that ceases to be the default was in use until then', () => {
  const { state } = given(...modelWith(2), defaultChanged(2, 1, 'caller'));
  expect(state.versions.get(1)).toMatchObject({ is_default: false });
  expect(state.versions.get(1)!.last_used_at).not.toBeNull();
  expect(state.versions.get(2)).toMatchObject({ is_default: true, last_used_at: null });
});
