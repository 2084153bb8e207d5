// Rolling back one deployment: the version that ran in its place before returns, and no stage moves.
import { describe, expect, test } from 'vitest';
import type { Common, VersionRef } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { openPolicy } from '#events/policy/policy.ts';
import {
  archived,
  deployed,
  deploymentId,
  deploymentRequested,
  deploymentRolledBack,
  deploymentSuperseded,
  deprecated,
  modelWith,
  promoted,
  rejected,
  trafficShifted,
  undeployed,
  versioned,
} from './history.ts';
import { given, givenState, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

const newDeployment = 9;
const rollBack = (deployment: number, to: VersionRef | null = null): Wanted => ({
  type: 'RollbackDeployment',
  deployment_id: deploymentId(deployment),
  to,
  new_id: deploymentId(newDeployment),
  reason: 'error rate',
});
const rolledBack = (deployment: number, number: number, version: number, by = newDeployment) =>
  deploymentRolledBack(deployment, number, { version, deployment: by }, { reason: 'error rate' });

/** So many versions, each of which took the place of the one before; their deployments have their numbers. */
const oneAfterTheOther = (versions: number): ModelEvent[] => [
  ...modelWith(versions),
  ...Array.from({ length: versions }, (_, index) => index + 1).flatMap((number) => {
    const deployed_at = `2026-11-2${number}T12:00:00.000Z`;
    return number === 1
      ? [deployed(1, 1, { deployed_at, config: { replicas: 2 } })]
      : [
          deploymentSuperseded(number - 1, number - 1, number),
          deployed(number, number, { deployed_at }),
        ];
  }),
];

describe('a deployment that is rolled back', () => {
  test('gives its place to the version that ran there before, with the region and config it had', () =>
    given(
      ...modelWith(2),
      deployed(1, 1, {
        region: 'eu-1',
        config: { replicas: 3 },
        endpoint_url: 'https://eu.example',
      }),
      deployed(2, 1, { region: 'eu-2', config: { replicas: 1 } }),
      deploymentSuperseded(1, 1, 3, { region: 'eu-1' }),
      deployed(3, 2, { region: 'eu-1' }),
    )
      .when(rollBack(3))
      .follows(
        deploymentRolledBack(
          3,
          2,
          { version: 1, deployment: newDeployment },
          { region: 'eu-1', reason: 'error rate' },
        ),
        deploymentRequested(newDeployment, 1, {
          region: 'eu-1',
          config: { replicas: 3 },
          endpoint_url: 'https://eu.example',
          replaces_deployment_id: deploymentId(3),
        }),
      ));

  test('goes one further back each time, as what was rolled back is not returned to', () => {
    const story = oneAfterTheOther(3);
    const again = [
      ...story,
      rolledBack(3, 3, 2),
      deploymentRequested(newDeployment, 2),
      deployed(newDeployment, 2, { deployed_at: '2026-11-25T12:00:00.000Z' }),
    ];
    given(...story)
      .when(rollBack(3))
      .follows(
        rolledBack(3, 3, 2),
        deploymentRequested(newDeployment, 2, { replaces_deployment_id: deploymentId(3) }),
      );
    given(...again)
      .when({ ...rollBack(newDeployment), new_id: deploymentId(10) } as Wanted)
      .follows(
        rolledBack(newDeployment, 2, 1, 10),
        deploymentRequested(10, 1, {
          config: { replicas: 2 },
          replaces_deployment_id: deploymentId(newDeployment),
        }),
      );
  });

  test('does not go back to a version by an older deployment of it, unless it has come again since', () => {
    const at = (minute: number) => `2026-11-25T12:0${minute}:00.000Z`;
    const redeployed = [
      ...oneAfterTheOther(2),
      deploymentSuperseded(2, 2, 3),
      deployed(3, 2, { deployed_at: at(0) }),
      deploymentRolledBack(3, 2, { version: 1, deployment: 4 }, { rollback_at: at(1) }),
      deploymentRequested(4, 1),
      deployed(4, 1, { deployed_at: at(2) }),
    ];
    given(...redeployed)
      .when(rollBack(4))
      .isRefused({
        code: 'nothing_to_roll_back_to',
        environment: 'eu-prod',
        region: null,
        version: null,
      });
    given(
      ...redeployed,
      deploymentSuperseded(4, 1, 5),
      deployed(5, 2, { deployed_at: at(3) }),
      deploymentSuperseded(5, 2, 6),
      versioned(3),
      deployed(6, 3, { deployed_at: at(4) }),
    )
      .when(rollBack(6))
      .follows(
        rolledBack(6, 3, 2),
        deploymentRequested(newDeployment, 2, { replaces_deployment_id: deploymentId(6) }),
      );
  });

  test('may return to a version that is named, if it ever ran there', () => {
    given(...oneAfterTheOther(3))
      .when(rollBack(3, numbered(1)))
      .follows(
        rolledBack(3, 3, 1),
        deploymentRequested(newDeployment, 1, {
          config: { replicas: 2 },
          replaces_deployment_id: deploymentId(3),
        }),
      );
    given(...oneAfterTheOther(2), versioned(3))
      .when(rollBack(2, numbered(3)))
      .isRefused({
        code: 'nothing_to_roll_back_to',
        environment: 'eu-prod',
        region: null,
        version: '3',
      });
    given(...oneAfterTheOther(2))
      .when(rollBack(2, numbered(2)))
      .isRefused({
        code: 'nothing_to_roll_back_to',
        environment: 'eu-prod',
        region: null,
        version: '2',
      });
    given(...oneAfterTheOther(2))
      .when(rollBack(2, numbered(8)))
      .isRefused({ code: 'version_not_found', version: '8' });
  });

  test('is replaced in its own region, also by a version that ran in another one only', () => {
    const eu = { region: 'eu-1', config: { replicas: 3 }, endpoint_url: 'https://eu.example' };
    const inUs = (deployment: number) =>
      deploymentRolledBack(
        deployment,
        2,
        { version: 1, deployment: newDeployment },
        { region: 'us-1', reason: 'error rate' },
      );
    given(...modelWith(2), deployed(1, 1, eu), deployed(2, 2, { region: 'us-1' }))
      .when(rollBack(2, numbered(1)))
      .follows(
        inUs(2),
        deploymentRequested(newDeployment, 1, {
          region: 'us-1',
          config: { replicas: 3 },
          replaces_deployment_id: deploymentId(2),
        }),
      );
  });

  test('gives its share back where the other version runs beside it', () =>
    given(
      ...modelWith(2),
      deployed(1, 1),
      trafficShifted(1, 1, 100, 90),
      deployed(2, 2, { strategy: 'canary', traffic_percent: 10 }),
    )
      .when(rollBack(2))
      .follows(rolledBack(2, 2, 1, 1), trafficShifted(1, 1, 90, 100)));

  test('gives its share also to one of the other version that had nothing, and asks for no second one', () =>
    given(
      ...modelWith(2),
      deployed(1, 1),
      deployed(2, 2, { strategy: 'canary', traffic_percent: 0 }),
    )
      .when(rollBack(1, numbered(2)))
      .follows(rolledBack(1, 1, 2, 2), trafficShifted(2, 2, 0, 100)));

  test('is replaced at its share where others stay', () =>
    given(
      ...modelWith(3),
      deployed(1, 1, { strategy: 'ab', traffic_percent: 50 }),
      undeployed(1, 1),
      deployed(2, 2, { strategy: 'ab', traffic_percent: 60 }),
      deployed(3, 3, { strategy: 'canary', traffic_percent: 40 }),
    )
      .when(rollBack(3, numbered(1)))
      .follows(
        rolledBack(3, 3, 1),
        trafficShifted(2, 2, 60, 100),
        deploymentRequested(newDeployment, 1, {
          strategy: 'canary',
          traffic_percent: 40,
          replaces_deployment_id: deploymentId(3),
        }),
      ));

  test('names what is asked for already, and asks for nothing twice', () =>
    given(...oneAfterTheOther(2), deploymentRequested(3, 1))
      .when(rollBack(2))
      .follows(rolledBack(2, 2, 1, 3)));

  test('and was so before changes nothing', () =>
    given(...oneAfterTheOther(2), rolledBack(2, 2, 1))
      .when(rollBack(2))
      .changesNothing());

  test('leaves every stage as it is', () => {
    const scene = given(
      ...modelWith(2),
      promoted(1, 'development', 'production'),
      deployed(1, 1),
      deploymentSuperseded(1, 1, 2),
      deployed(2, 2),
    ).when(rollBack(2));
    scene.follows(
      rolledBack(2, 2, 1),
      deploymentRequested(newDeployment, 1, { replaces_deployment_id: deploymentId(2) }),
    );
  });
});

describe('a rollback of a deployment is refused', () => {
  test('where nothing else ran', () => {
    const nothing = {
      code: 'nothing_to_roll_back_to',
      environment: 'eu-prod',
      region: null,
      version: null,
    } as const;
    given(...modelWith(1), deployed(1, 1))
      .when(rollBack(1))
      .isRefused(nothing);
    given(...modelWith(2), deployed(1, 1, { region: 'eu-2' }), deployed(2, 2))
      .when(rollBack(2))
      .isRefused(nothing);
    given(...modelWith(2), deploymentRequested(1, 1), deployed(2, 2))
      .when(rollBack(2))
      .isRefused(nothing);
  });

  test('unless it is deployed', () =>
    given(...modelWith(1), deploymentRequested(1, 1))
      .when(rollBack(1))
      .isRefused({
        code: 'illegal_transition',
        axis: 'deployment',
        from: 'requested',
        to: 'rolled_back',
        legal_transitions: ['deploying', 'deployed', 'failed'],
      }));

  test('for one that nobody knows', () =>
    given(...modelWith(1))
      .when(rollBack(1))
      .isRefused({ code: 'deployment_not_found', deployment_id: deploymentId(1) }));

  test('to an archived version, which a deployment would hold in use; to a deprecated one it goes', () => {
    given(...oneAfterTheOther(2), archived(1, 'development'))
      .when(rollBack(2))
      .isRefused({ code: 'version_retired', number: 1, stage: 'archived', wanted: 'deployment' });
    given(...oneAfterTheOther(2), deprecated(1, 'development'))
      .when(rollBack(2))
      .follows(
        rolledBack(2, 2, 1),
        deploymentRequested(newDeployment, 1, {
          config: { replicas: 2 },
          replaces_deployment_id: deploymentId(2),
        }),
      );
  });

  test('to a version that is not fit', () =>
    given(...oneAfterTheOther(2), rejected(1, 'training'))
      .when(rollBack(2))
      .isRefused({ code: 'rollback_unsafe', number: 1, because: 'rejected' }));

  test.each(['quarantined', 'purged'] as const)('to a version whose bytes are %s', (artifact) =>
    givenState(() => {
      const { state } = given(...oneAfterTheOther(2));
      state.versions.set(1, { ...state.versions.get(1)!, artifact });
      return state;
    })
      .when(rollBack(2))
      .isRefused({ code: 'rollback_unsafe', number: 1, because: artifact }),
  );

  test('to other bytes than ran there', () =>
    given(
      ...modelWith(2),
      deployed(1, 1, {
        content_digest: { sha256: 'a'.repeat(64), blake3: null, origin: 'declared' },
      }),
      deploymentSuperseded(1, 1, 2),
      deployed(2, 2),
    )
      .when(rollBack(2))
      .isRefused({ code: 'rollback_unsafe', number: 1, because: 'digest_changed' }));

  test('in a protected environment, to a version that never was in production', () => {
    const protecting: Partial<Common> = {
      in_force: {
        policy: { ...openPolicy.policy, protected_environments: ['eu-prod'] },
        ref: null,
      },
    };
    given(...oneAfterTheOther(2))
      .when({ ...rollBack(2), ...protecting })
      .isRefused({
        code: 'environment_protected',
        environment: 'eu-prod',
        number: 1,
        stage: 'development',
      });
    const once = given(
      ...modelWith(2),
      promoted(1, 'development', 'production'),
      deployed(1, 1),
      deprecated(1, 'production'),
      deploymentSuperseded(1, 1, 2),
      deployed(2, 2),
    );
    expect(once.state.versions.get(1)!.was_in_production).toBe(true);
    once
      .when({ ...rollBack(2), ...protecting })
      .follows(
        rolledBack(2, 2, 1),
        deploymentRequested(newDeployment, 1, { replaces_deployment_id: deploymentId(2) }),
      );
  });
});

test('a rollback repairs, so an inactive model does not stand in its way', () =>
  givenState(() => {
    const { state } = given(...oneAfterTheOther(2));
    state.model = { ...state.model!, state: 'inactive' };
    return state;
  })
    .when(rollBack(2))
    .follows(
      rolledBack(2, 2, 1),
      deploymentRequested(newDeployment, 1, {
        config: { replicas: 2 },
        replaces_deployment_id: deploymentId(2),
      }),
    ));

test('what takes the place says so when it is there', () =>
  given(
    ...oneAfterTheOther(2),
    rolledBack(2, 2, 1),
    deploymentRequested(newDeployment, 1, { replaces_deployment_id: deploymentId(2) }),
  )
    .when({
      type: 'ReportDeployment',
      deployment_id: deploymentId(newDeployment),
      status: 'deployed',
      endpoint_url: null,
      cause: 'reported',
    })
    .follows(deployed(newDeployment, 1, { replaces_deployment_id: deploymentId(2) })));
