// One version in production: what becomes of the incumbent when another arrives, in the same append.
import { describe, expect, test } from 'vitest';
import type { ModelEvent } from '#events/model/events.ts';
import {
  archived,
  defaultChanged,
  deployed,
  deploymentId,
  deploymentRequested,
  deprecated,
  modelId,
  modelWith,
  noModelFacts,
  promoted,
  promotedOver,
  registered,
  superseded,
  undeployed,
  versioned,
} from './history.ts';
import { given, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';
import { newVersion } from './wanted.ts';

const promote = (number: number): Wanted => ({
  type: 'Promote',
  version: numbered(number),
  to_stage: 'production',
});

/** Version 1 is in production; version 3 is the default, so that the incumbent is nothing else. */
const incumbent: ModelEvent[] = [
  registered(),
  versioned(1),
  versioned(2),
  versioned(3),
  defaultChanged(3, null),
  promoted(1, 'development', 'production'),
];
const displaced = archived(1, 'production', { cause: 'superseded' });

describe('an incumbent', () => {
  test('that nothing uses is archived', () =>
    given(...incumbent)
      .when(promote(2))
      .follows(displaced, promotedOver(2, 'development', 1)));

  test('that runs somewhere is deprecated, and goes on running', () =>
    given(...incumbent, deployed(1, 1))
      .when(promote(2))
      .follows(superseded(1, 2), promotedOver(2, 'development', 1)));

  test('that is only asked to run somewhere is deprecated too', () =>
    given(...incumbent, deploymentRequested(1, 1))
      .when(promote(2))
      .follows(superseded(1, 2), promotedOver(2, 'development', 1)));

  test('that ran somewhere until a moment ago is archived', () =>
    given(...incumbent, deployed(1, 1), undeployed(1, 1))
      .when(promote(2))
      .follows(displaced, promotedOver(2, 'development', 1)));

  test('that the registry had made the default hands it over before it goes', () =>
    given(...modelWith(2), promoted(1, 'development', 'production'))
      .when(promote(2))
      .follows(defaultChanged(2, 1), displaced, promotedOver(2, 'development', 1)));

  test('gives way to one that is reinstated', () =>
    given(...incumbent, deprecated(2, 'development'))
      .when(promote(2))
      .follows(displaced, promotedOver(2, 'deprecated', 1, { mode: 'reinstate' })));

  test('is not displaced by a promotion to staging', () =>
    given(...incumbent)
      .when({ type: 'Promote', version: numbered(2), to_stage: 'staging' })
      .follows(promoted(2, 'development', 'staging')));
});

describe('a version that is made in a higher stage is promoted in the same append', () => {
  test('to staging', () =>
    given(...incumbent)
      .when({ type: 'CreateVersion', version: newVersion(4, { stage: 'staging' }) })
      .follows(versioned(4), promoted(4, 'development', 'staging')));

  test('to production where nobody is', () =>
    given(registered())
      .when({ type: 'CreateVersion', version: newVersion(1, { stage: 'production' }) })
      .follows(versioned(1), defaultChanged(1, null), promoted(1, 'development', 'production')));

  test('to production over the incumbent', () =>
    given(...incumbent)
      .when({ type: 'CreateVersion', version: newVersion(4, { stage: 'production' }) })
      .follows(versioned(4), displaced, promotedOver(4, 'development', 1)));

  test('to production over an incumbent that is the default by the registry', () =>
    given(...modelWith(1), promoted(1, 'development', 'production'))
      .when({ type: 'CreateVersion', version: newVersion(2, { stage: 'production' }) })
      .follows(versioned(2), defaultChanged(2, 1), displaced, promotedOver(2, 'development', 1)));

  test('and takes the default from the incumbent that held it by the registry, for good', () =>
    given(...modelWith(1), promoted(1, 'development', 'production'))
      .when({
        type: 'CreateVersion',
        version: newVersion(2, { stage: 'production', is_default: true }),
      })
      .follows(
        versioned(2),
        defaultChanged(2, 1, 'caller'),
        displaced,
        promotedOver(2, 'development', 1),
      ));

  test('and takes the default from the incumbent that held it by a caller, which nothing uses then', () =>
    given(...modelWith(1), defaultChanged(1, 1, 'caller'), promoted(1, 'development', 'production'))
      .when({
        type: 'CreateVersion',
        version: newVersion(2, { stage: 'production', is_default: true }),
      })
      .follows(
        versioned(2),
        defaultChanged(2, 1, 'caller'),
        displaced,
        promotedOver(2, 'development', 1),
      ));

  test('with the model that it is the first of', () =>
    given()
      .when({
        type: 'RegisterModel',
        model_id: modelId,
        name: 'churn',
        facts: noModelFacts,
        first_version: newVersion(1, { stage: 'production' }),
      })
      .follows(
        registered(),
        versioned(1),
        defaultChanged(1, null),
        promoted(1, 'development', 'production'),
      ));
});

describe('what is in use is not archived, and the whole list is told', () => {
  test('every use at once', () =>
    given(
      ...modelWith(2),
      defaultChanged(2, 1, 'caller'),
      promoted(2, 'development', 'production'),
      deployed(1, 2),
      deploymentRequested(2, 2, { environment: 'us-prod', region: 'us-1' }),
    )
      .when({
        type: 'Archive',
        version: numbered(2),
        because: { cause: 'retention_count', plan_id: null, rule: null },
      })
      .isRefused({
        code: 'in_use',
        number: 2,
        blocking: [
          { kind: 'production' },
          { kind: 'default' },
          {
            kind: 'deployment',
            deployment_id: deploymentId(1),
            environment: 'eu-prod',
            region: null,
            status: 'deployed',
          },
          {
            kind: 'deployment',
            deployment_id: deploymentId(2),
            environment: 'us-prod',
            region: 'us-1',
            status: 'requested',
          },
        ],
      }));

  test('the last use is over when the deployment is', () =>
    given(...modelWith(2), deployed(1, 2), undeployed(1, 2))
      .when({
        type: 'Archive',
        version: numbered(2),
        because: { cause: 'manual', plan_id: null, rule: null },
      })
      .follows(archived(2, 'development')));
});

test('a version that left production was in use until then', () => {
  const { state } = given(...incumbent, displaced, promotedOver(2, 'development', 1));
  expect(state.versions.get(1)).toMatchObject({
    stage: 'archived',
    archive_cause: 'superseded',
    was_in_production: true,
  });
  expect(state.versions.get(1)!.last_used_at).not.toBeNull();
  expect(state.model).toMatchObject({ production: [2] });
});
