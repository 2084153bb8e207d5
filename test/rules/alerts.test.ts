// Alerts: raised once, and cleared by what ends them, in the same append.
import { describe, expect, test } from 'vitest';
import type { ModelEvent } from '#events/model/events.ts';
import { sunsetsOf } from '#services/retention/sunsets.ts';
import {
  archived,
  defaultChanged,
  deployed,
  deploymentId,
  deploymentRequested,
  deploymentTimedOut,
  deprecated,
  modelId,
  modelWith,
  promoted,
  versionId,
} from './history.ts';
import { given, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

const sunset = '2027-01-01T00:00:00.000Z';
const later = '2027-06-01T00:00:00.000Z';
const version = numbered(1);
const raise: Wanted = { type: 'RaiseSunsetAlert', version, sunset_at: sunset };
const raised = (uses: object[] = []): ModelEvent => ({
  type: 'alert.raised',
  data: {
    model_id: modelId,
    version_id: versionId(1),
    number: 1,
    alert: 'sunset:1',
    kind: 'sunset',
    detail: { sunset_at: sunset, uses } as never,
  },
});
const cleared = (alert: string, reason: string): ModelEvent => ({
  type: 'alert.cleared',
  data: { model_id: modelId, alert, reason },
});
const announced = [...modelWith(2), deprecated(1, 'development', sunset)];
const told = [...announced, raised()];

describe('the announced end of a version', () => {
  test('raises an alert, and changes nothing else', () =>
    given(...announced)
      .when(raise)
      .follows(raised()));

  test('names who still uses the version', () =>
    given(...modelWith(2), deployed(1, 1), deprecated(1, 'development', sunset))
      .when(raise)
      .follows(
        raised([
          {
            kind: 'deployment',
            deployment_id: deploymentId(1),
            environment: 'eu-prod',
            region: null,
            status: 'deployed',
          },
        ]),
      ));

  test('is told once', () =>
    given(...told)
      .when(raise)
      .changesNothing());

  test.each([
    ['was moved', [deprecated(1, 'deprecated', later)]],
    ['is over, as the version is', [defaultChanged(2, 1), archived(1, 'deprecated')]],
    ['was taken back', [promoted(1, 'deprecated', 'staging', { mode: 'reinstate' })]],
  ])('that %s is not told', (_, events) =>
    given(...announced, ...events)
      .when(raise)
      .changesNothing(),
  );

  test('may be moved, which clears the alert', () =>
    given(...told)
      .when({ type: 'Deprecate', version, sunset_at: later })
      .follows(deprecated(1, 'deprecated', later), cleared('sunset:1', 'moved')));

  test('stays where it is if nothing else is said', () => {
    given(...told)
      .when({ type: 'Deprecate', version, sunset_at: null })
      .changesNothing();
    given(...told)
      .when({ type: 'Deprecate', version, sunset_at: sunset })
      .changesNothing();
  });

  test('is over when the version is archived', () =>
    given(...told)
      .when({
        type: 'Archive',
        version,
        because: { cause: 'manual', plan_id: null, rule: null },
      })
      .follows(defaultChanged(2, 1), archived(1, 'deprecated'), cleared('sunset:1', 'archived')));

  test('is over when the version is reinstated', () =>
    given(...told)
      .when({ type: 'Promote', version, to_stage: 'staging' })
      .follows(
        promoted(1, 'deprecated', 'staging', { mode: 'reinstate' }),
        cleared('sunset:1', 'reinstated'),
      ));

  test('of one version is not cleared by what happens to another', () =>
    given(...told)
      .when({ type: 'Promote', version: numbered(2), to_stage: 'staging' })
      .follows(promoted(2, 'development', 'staging')));

  test('is told again after it was moved', () =>
    given(...told, deprecated(1, 'deprecated', later), cleared('sunset:1', 'moved'))
      .when({ ...raise, sunset_at: later })
      .follows({
        ...raised(),
        data: { ...raised().data, detail: { sunset_at: later, uses: [] } },
      } as ModelEvent));
});

describe('a deployment that nobody reported on', () => {
  const alert = `deployment_timed_out:${deploymentId(1)}`;
  const timedOut: ModelEvent[] = [
    ...modelWith(1),
    deploymentRequested(1, 1),
    deploymentTimedOut(1, 1, 'requested'),
    {
      type: 'alert.raised',
      data: {
        model_id: modelId,
        version_id: versionId(1),
        number: 1,
        alert,
        kind: 'deployment_timed_out',
        detail: { deployment_id: deploymentId(1) },
      },
    },
  ];
  const reports: Wanted = {
    type: 'ReportDeployment',
    deployment_id: deploymentId(2),
    status: 'deployed',
    endpoint_url: null,
    cause: 'reported',
    at: '2026-11-21T12:00:00.000Z',
  };

  test('is no alert any more once another is deployed in its place', () =>
    given(...timedOut, deploymentRequested(2, 1))
      .when(reports)
      .follows(deployed(2, 1), cleared(alert, 'deployed')));

  test('stays one while others are deployed elsewhere', () =>
    given(...timedOut, deploymentRequested(2, 1, { environment: 'us-prod' }))
      .when(reports)
      .follows(deployed(2, 1, { environment: 'us-prod' })));
});

test('broken glass stays as it is: nothing clears it', () => {
  const broken: ModelEvent = {
    type: 'alert.raised',
    data: {
      model_id: modelId,
      version_id: versionId(1),
      number: 1,
      alert: 'break_glass:1',
      kind: 'break_glass',
      detail: {},
    },
  };
  given(...modelWith(1), promoted(1, 'development', 'production'), broken)
    .when({ type: 'Demote', version, to_stage: 'staging' })
    .follows({
      type: 'version.demoted',
      data: {
        model_id: modelId,
        version_id: versionId(1),
        number: 1,
        label: null,
        from_stage: 'production',
        to_stage: 'staging',
        reason: null,
      },
    });
});

describe('a sweep finds an announced end', () => {
  const at = (time: string, ...more: ModelEvent[]) =>
    sunsetsOf(given(...announced, ...more).state, new Date(time));
  test('when it has come, and knows when the next one does', () => {
    expect(at('2026-12-31T23:59:59.999Z')).toEqual({ reached: [], next_at: sunset });
    expect(at(sunset)).toEqual({
      reached: [{ model_id: modelId, number: 1, sunset_at: sunset }],
      next_at: null,
    });
  });
  test('and none that was told, or is of the past', () => {
    expect(at(later, raised())).toEqual({ reached: [], next_at: null });
    expect(at(later, archived(1, 'deprecated'))).toEqual({ reached: [], next_at: null });
  });
});
