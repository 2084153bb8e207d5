// Deployments: how one goes, who supersedes whom, and how traffic is shared and given back.
import { assert, constantFrom, integer, property, array, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { modelDecider } from '#events/model/decide.ts';
import { deploymentStatuses } from '#events/model/shapes.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { Common } from '#events/model/commands.ts';
import { openPolicy } from '#events/policy/policy.ts';
import type { DeploymentStatus } from '#events/model/shapes.ts';
import type { ModelState } from '#events/model/state.ts';
import {
  archived,
  deployed,
  deploymentFailed,
  deploymentId,
  deploymentRequested,
  deploymentRolledBack,
  deploymentStarted,
  deploymentSuperseded,
  deploymentTimedOut,
  deprecated,
  modelId,
  modelWith,
  promoted,
  trafficShifted,
  undeployed,
  versionId,
} from './history.ts';
import { commandOf, folded, given, givenState, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

type Deploy = Extract<Wanted, { type: 'Deploy' }>;
const deploy = (deployment: number, number: number, said: Partial<Deploy> = {}): Wanted => ({
  type: 'Deploy',
  version: numbered(number),
  deployment_id: deploymentId(deployment),
  environment: 'eu-prod',
  region: null,
  endpoint_url: null,
  strategy: 'all_at_once',
  traffic_percent: null,
  config: {},
  external_ref: null,
  status: 'deployed',
  ...said,
});
const report = (
  deployment: number,
  status: 'deploying' | 'deployed' | 'failed',
  endpoint_url: string | null = null,
): Wanted => ({
  type: 'ReportDeployment',
  deployment_id: deploymentId(deployment),
  status,
  endpoint_url,
  cause: 'reported',
});
const undeploy = (deployment: number): Wanted => ({
  type: 'Undeploy',
  deployment_id: deploymentId(deployment),
});

const shift = (deployment: number, traffic_percent: number): Wanted => ({
  type: 'ShiftTraffic',
  deployment_id: deploymentId(deployment),
  traffic_percent,
});

const ab = { strategy: 'ab' } as const;
const canary = { strategy: 'canary' } as const;
const shadow = { strategy: 'shadow', traffic_percent: 0 } as const;

describe('a deployment', () => {
  test('is asked for first', () =>
    given(...modelWith(1))
      .when(
        deploy(1, 1, {
          status: 'requested',
          region: 'eu-1',
          config: { replicas: 2 },
          external_ref: 'rollout-7',
        }),
      )
      .follows(
        deploymentRequested(1, 1, {
          region: 'eu-1',
          config: { replicas: 2 },
          external_ref: 'rollout-7',
        }),
      ));

  test('may be told of when it is done', () =>
    given(...modelWith(1))
      .when(deploy(1, 1, { endpoint_url: 'https://eu.example/churn' }))
      .follows(deployed(1, 1, { endpoint_url: 'https://eu.example/churn' })));

  test('is found at the address that the report names, else at the one asked for', () => {
    const asked = [
      ...modelWith(1),
      deploymentRequested(1, 1, { endpoint_url: 'https://asked.example' }),
    ];
    given(...asked)
      .when(report(1, 'deployed', 'https://found.example'))
      .follows(deployed(1, 1, { endpoint_url: 'https://found.example' }));
    given(...asked)
      .when(report(1, 'deployed'))
      .follows(deployed(1, 1, { endpoint_url: 'https://asked.example' }));
  });

  test.each([report(9, 'deployed'), undeploy(9), shift(9, 10)])(
    'that nobody knows is not found: $type',
    (wanted) =>
      given(...modelWith(1))
        .when(wanted)
        .isRefused({ code: 'deployment_not_found', deployment_id: deploymentId(9) }),
  );
});

describe('from status to status', () => {
  const legal: Record<DeploymentStatus, readonly DeploymentStatus[]> = {
    requested: ['deploying', 'deployed', 'failed'],
    deploying: ['deployed', 'failed'],
    deployed: ['superseded', 'rolled_back', 'undeployed'],
    failed: [],
    superseded: [],
    rolled_back: [],
    undeployed: [],
  };
  const asked = [...modelWith(1), deploymentRequested(1, 1)];
  const history: Record<DeploymentStatus, ModelEvent[]> = {
    requested: asked,
    deploying: [...asked, deploymentStarted(1, 1)],
    deployed: [...asked, deployed(1, 1)],
    failed: [...asked, deploymentFailed(1, 1, 'requested')],
    superseded: [...asked, deployed(1, 1), deploymentSuperseded(1, 1, 2)],
    rolled_back: [...asked, deployed(1, 1), deploymentRolledBack(1, 1, null)],
    undeployed: [...asked, deployed(1, 1), undeployed(1, 1)],
  };
  const steps = deploymentStatuses.flatMap((from) =>
    (['deploying', 'deployed', 'failed', 'undeployed'] as const).map((to) => ({ from, to })),
  );

  test.each(steps)('from $from to $to', ({ from, to }) => {
    const scene = given(...history[from]).when(to === 'undeployed' ? undeploy(1) : report(1, to));
    if (from === to) return scene.changesNothing();
    if (!legal[from].includes(to))
      return scene.isRefused({
        code: 'illegal_transition',
        axis: 'deployment',
        from,
        to,
        legal_transitions: legal[from],
      });
    switch (to) {
      case 'deploying':
        return scene.follows(deploymentStarted(1, 1));
      case 'deployed':
        return scene.follows(deployed(1, 1));
      case 'failed':
        return scene.follows(deploymentFailed(1, 1, from as 'requested' | 'deploying'));
      case 'undeployed':
        return scene.follows(undeployed(1, 1));
    }
  });
});

describe('a deployment that nobody reports on', () => {
  const overdue = (deployment: number): Wanted => ({
    ...(report(deployment, 'failed') as Extract<Wanted, { type: 'ReportDeployment' }>),
    cause: 'timed_out',
  });
  const alerted = (status: 'requested' | 'deploying', since: string): ModelEvent => ({
    type: 'alert.raised',
    data: {
      model_id: modelId,
      version_id: versionId(1),
      number: 1,
      alert: `deployment_timed_out:${deploymentId(1)}`,
      kind: 'deployment_timed_out',
      detail: {
        deployment_id: deploymentId(1),
        environment: 'eu-prod',
        region: null,
        status,
        since,
      },
    },
  });

  test('fails for that cause, and somebody is told', () => {
    given(...modelWith(1), deploymentRequested(1, 1))
      .when(overdue(1))
      .follows(
        deploymentTimedOut(1, 1, 'requested'),
        alerted('requested', '2026-11-21T00:00:04.000Z'),
      );
    given(...modelWith(1), deploymentRequested(1, 1), deploymentStarted(1, 1))
      .when(overdue(1))
      .follows(
        deploymentTimedOut(1, 1, 'deploying'),
        alerted('deploying', '2026-11-21T00:00:05.000Z'),
      );
  });

  test('does not, if it was done in time', () =>
    given(...modelWith(1), deployed(1, 1))
      .when(overdue(1))
      .isRefused({
        code: 'illegal_transition',
        axis: 'deployment',
        from: 'deployed',
        to: 'failed',
        legal_transitions: ['superseded', 'rolled_back', 'undeployed'],
      }));
});

describe('an environment that the policy protects', () => {
  const protecting: Partial<Common> = {
    in_force: { policy: { ...openPolicy.policy, protected_environments: ['eu-prod'] }, ref: null },
  };

  test('takes only versions in production', () => {
    given(...modelWith(1), promoted(1, 'development', 'staging'))
      .when({ ...deploy(1, 1), ...protecting })
      .isRefused({
        code: 'environment_protected',
        environment: 'eu-prod',
        number: 1,
        stage: 'staging',
      });
    given(...modelWith(1), promoted(1, 'development', 'production'))
      .when({ ...deploy(1, 1), ...protecting })
      .follows(deployed(1, 1));
  });

  test('is one among others', () =>
    given(...modelWith(1))
      .when({ ...deploy(1, 1, { environment: 'eu-test' }), ...protecting })
      .follows(deployed(1, 1, { environment: 'eu-test' })));

  test('lets a version go on where it is live, and be reported on', () => {
    const left = [promoted(1, 'development', 'production'), deprecated(1, 'production')] as const;
    given(...modelWith(1), left[0], deployed(1, 1), left[1])
      .when({ ...deploy(2, 1), ...protecting })
      .follows(
        deploymentSuperseded(1, 1, 2),
        deployed(2, 1, { replaces_deployment_id: deploymentId(1) }),
      );
    given(...modelWith(1), left[0], deploymentRequested(1, 1), left[1])
      .when({ ...report(1, 'deployed'), ...protecting })
      .follows(deployed(1, 1));
  });
});

describe('a version that is on its way out', () => {
  test.each([
    ['deprecated', deprecated(1, 'development')],
    ['archived', archived(1, 'development')],
  ] as const)('is not deployed anew when it is %s', (stage, retired) =>
    given(...modelWith(1), retired)
      .when(deploy(1, 1))
      .isRefused({ code: 'version_retired', number: 1, stage, wanted: 'deployment' }),
  );

  test('is deployed again where it is live, as only new places are closed to it', () =>
    given(...modelWith(1), deployed(1, 1), deprecated(1, 'development'))
      .when(deploy(2, 1))
      .follows(
        deploymentSuperseded(1, 1, 2),
        deployed(2, 1, { replaces_deployment_id: deploymentId(1) }),
      ));

  test('is not deployed to another region than the one where it is live', () =>
    given(...modelWith(1), deployed(1, 1), deprecated(1, 'development'))
      .when(deploy(2, 1, { region: 'eu-2' }))
      .isRefused({
        code: 'version_retired',
        number: 1,
        stage: 'deprecated',
        wanted: 'deployment',
      }));

  test('is reported on where it was asked for before', () =>
    given(...modelWith(1), deploymentRequested(1, 1), deprecated(1, 'development'))
      .when(report(1, 'deployed'))
      .follows(deployed(1, 1)));
});

test('an inactive model is not deployed', () =>
  givenState(() => {
    const { state } = given(...modelWith(1));
    state.model = { ...state.model!, state: 'inactive' };
    return state;
  })
    .when(deploy(1, 1))
    .isRefused({ code: 'model_inactive', state: 'inactive' }));

describe('what is deployed all at once supersedes', () => {
  test('what else is live in the same environment and region', () =>
    given(
      ...modelWith(2),
      deployed(1, 1, { ...ab, traffic_percent: 60 }),
      deployed(2, 1, { ...shadow }),
      deployed(3, 1, { region: 'eu-2' }),
      deployed(4, 1, { environment: 'us-prod' }),
    )
      .when(deploy(5, 2))
      .follows(
        deploymentSuperseded(1, 1, 5),
        deploymentSuperseded(2, 1, 5),
        deployed(5, 2, { replaces_deployment_id: deploymentId(1) }),
      ));

  test('when it arrives, not when it is asked for', () => {
    given(...modelWith(2), deployed(1, 1))
      .when(deploy(2, 2, { status: 'requested' }))
      .follows(deploymentRequested(2, 2));
    given(...modelWith(2), deployed(1, 1), deploymentRequested(2, 2))
      .when(report(2, 'deployed'))
      .follows(
        deploymentSuperseded(1, 1, 2),
        deployed(2, 2, { replaces_deployment_id: deploymentId(1) }),
      );
  });

  test('nothing that is only asked for', () =>
    given(...modelWith(2), deploymentRequested(1, 1))
      .when(deploy(2, 2))
      .follows(deployed(2, 2)));

  test('as does a canary that gets everything', () =>
    given(...modelWith(2), deployed(1, 1))
      .when(deploy(2, 2, { ...canary, traffic_percent: 100 }))
      .follows(
        deploymentSuperseded(1, 1, 2),
        deployed(2, 2, {
          ...canary,
          traffic_percent: 100,
          replaces_deployment_id: deploymentId(1),
        }),
      ));
});

describe('a share of the traffic', () => {
  test('is taken pro rata from those that run', () =>
    given(
      ...modelWith(3),
      deployed(1, 1, { ...ab, traffic_percent: 60 }),
      deployed(2, 2, { ...ab, traffic_percent: 40 }),
    )
      .when(deploy(3, 3, { ...canary, traffic_percent: 10 }))
      .follows(
        trafficShifted(1, 1, 60, 54),
        trafficShifted(2, 2, 40, 36),
        deployed(3, 3, { ...canary, traffic_percent: 10 }),
      ));

  test('goes back pro rata when it ends', () =>
    given(
      ...modelWith(3),
      deployed(1, 1, { ...ab, traffic_percent: 54 }),
      deployed(2, 2, { ...ab, traffic_percent: 36 }),
      deployed(3, 3, { ...canary, traffic_percent: 10 }),
    )
      .when(undeploy(3))
      .follows(undeployed(3, 3), trafficShifted(1, 1, 54, 60), trafficShifted(2, 2, 36, 40)));

  test('is not taken from those that have left room for it', () =>
    given(...modelWith(2), deployed(1, 1, { ...canary, traffic_percent: 10 }))
      .when(deploy(2, 2, { ...ab, traffic_percent: 20 }))
      .follows(deployed(2, 2, { ...ab, traffic_percent: 20 })));

  test('is none for a shadow, which takes from nobody and gives nothing back', () => {
    given(...modelWith(2), deployed(1, 1))
      .when(deploy(2, 2, { strategy: 'shadow' }))
      .follows(deployed(2, 2, { ...shadow }));
    given(...modelWith(2), deployed(1, 1), deployed(2, 2, { ...shadow }))
      .when(undeploy(2))
      .follows(undeployed(2, 2));
  });

  test('of a deployment that failed was never taken', () =>
    given(
      ...modelWith(2),
      deployed(1, 1),
      deploymentRequested(2, 2, { ...canary, traffic_percent: 10 }),
    )
      .when(report(2, 'failed'))
      .follows(deploymentFailed(2, 2, 'requested')));

  test.each([
    ['all_at_once', 99, 'all_at_once takes 100 percent'],
    ['shadow', 1, 'a shadow takes 0 percent'],
    ['canary', null, 'canary needs a traffic_percent between 0 and 100, with two decimals at most'],
    ['ab', null, 'ab needs a traffic_percent between 0 and 100, with two decimals at most'],
    ['canary', -1, 'canary needs a traffic_percent between 0 and 100, with two decimals at most'],
    ['ab', 100.5, 'ab needs a traffic_percent between 0 and 100, with two decimals at most'],
    [
      'canary',
      33.333,
      'canary needs a traffic_percent between 0 and 100, with two decimals at most',
    ],
    ['ab', 99.996, 'ab needs a traffic_percent between 0 and 100, with two decimals at most'],
    ['ab', Number.NaN, 'ab needs a traffic_percent between 0 and 100, with two decimals at most'],
  ] as const)('that does not fit is refused: %s with %s', (strategy, traffic_percent, message) =>
    given(...modelWith(1))
      .when(deploy(1, 1, { strategy, traffic_percent }))
      .isRefused({ code: 'traffic_invalid', strategy, traffic_percent, message }),
  );

  test('may be of any hundredth of a percent', () => {
    for (const traffic_percent of [0.01, 0.07, 8.2, 33.33, 57.29, 99.99])
      given(...modelWith(1))
        .when(deploy(1, 1, { ...canary, traffic_percent }))
        .follows(deployed(1, 1, { ...canary, traffic_percent }));
  });

  test('that ends goes to those that stay in equal shares, where they have nothing', () => {
    const waiting = (deployment: number) =>
      deployed(deployment, deployment, { ...canary, traffic_percent: 0 });
    given(...modelWith(2), deployed(1, 1), waiting(2))
      .when(undeploy(1))
      .follows(undeployed(1, 1), trafficShifted(2, 2, 0, 100));
    given(...modelWith(4), deployed(1, 1), waiting(2), waiting(3), waiting(4))
      .when(undeploy(1))
      .follows(
        undeployed(1, 1),
        trafficShifted(2, 2, 0, 33.33),
        trafficShifted(3, 3, 0, 33.33),
        trafficShifted(4, 4, 0, 33.34),
      );
  });

  test('is never negative, and all of one place are never more than the whole', () => {
    const sharing = tuple(
      constantFrom('ab' as const, 'canary' as const),
      integer({ min: 0, max: 10_000 }).map((hundredths) => hundredths / 100),
    ).map(([strategy, traffic_percent]) => ({ strategy, traffic_percent }));
    const step = tuple(
      integer({ min: 0, max: 9 }),
      constantFrom({ strategy: 'all_at_once' as const, traffic_percent: null }, null),
      sharing,
      integer({ min: 0, max: 9 }),
    );
    const sharesOf = (state: ModelState) =>
      [...state.deployments.values()]
        .filter(({ status }) => status === 'deployed')
        .map((deployment) => deployment.traffic_percent);
    assert(
      property(array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const { state } = given(...modelWith(1));
        steps.forEach(([leaving, whole, share, shifted], index) => {
          const commands = [
            deploy(index, 1, whole ?? share),
            shift(shifted, share.traffic_percent),
            undeploy(leaving),
          ];
          for (const wanted of commands)
            folded(state, modelDecider.decide(state, commandOf(wanted)).events ?? []);
          const shares = sharesOf(state);
          expect(Math.min(0, ...shares)).toBe(0);
          expect(Math.round(shares.reduce((sum, each) => sum + each, 0) * 100)).toBeLessThanOrEqual(
            10_000,
          );
        });
      }),
    );
  });
});

describe('a share that is shifted', () => {
  const shared = [
    ...modelWith(3),
    deployed(1, 1, { ...ab, traffic_percent: 54 }),
    deployed(2, 2, { ...ab, traffic_percent: 36 }),
    deployed(3, 3, { ...canary, traffic_percent: 10 }),
  ];

  test('up is taken from the others pro rata', () =>
    given(...shared)
      .when(shift(3, 50))
      .follows(
        trafficShifted(1, 1, 54, 30),
        trafficShifted(2, 2, 36, 20),
        trafficShifted(3, 3, 10, 50),
      ));

  test('down goes to the others pro rata, after it is left', () =>
    given(...shared)
      .when(shift(3, 0))
      .follows(
        trafficShifted(3, 3, 10, 0),
        trafficShifted(1, 1, 54, 60),
        trafficShifted(2, 2, 36, 40),
      ));

  test('down goes to the others in equal shares, where they have nothing', () =>
    given(
      ...modelWith(2),
      deployed(1, 1, { ...ab, traffic_percent: 100 }),
      deployed(2, 2, { ...canary, traffic_percent: 0 }),
    )
      .when(shift(1, 60))
      .follows(trafficShifted(1, 1, 100, 60), trafficShifted(2, 2, 0, 40)));

  test('is refused in finer parts than hundredths of a percent', () =>
    given(...shared)
      .when(shift(3, 99.996))
      .isRefused({
        code: 'traffic_invalid',
        strategy: 'canary',
        traffic_percent: 99.996,
        message: 'canary needs a traffic_percent between 0 and 100, with two decimals at most',
      }));

  test('to the whole supersedes the others, shadows among them', () =>
    given(...shared, deployed(4, 1, { ...shadow }))
      .when(shift(3, 100))
      .follows(
        deploymentSuperseded(1, 1, 3),
        deploymentSuperseded(2, 2, 3),
        deploymentSuperseded(4, 1, 3),
        trafficShifted(3, 3, 10, 100),
      ));

  test('to what it is already changes nothing', () =>
    given(...shared)
      .when(shift(3, 10))
      .changesNothing());

  test('of what was deployed all at once can only be made the whole again', () => {
    const canaried = [
      ...modelWith(2),
      deployed(1, 1),
      trafficShifted(1, 1, 100, 90),
      deployed(2, 2, { ...canary, traffic_percent: 10 }),
    ];
    given(...canaried)
      .when(shift(1, 100))
      .follows(deploymentSuperseded(2, 2, 1), trafficShifted(1, 1, 90, 100));
    given(...canaried)
      .when(shift(1, 50))
      .isRefused({
        code: 'traffic_invalid',
        strategy: 'all_at_once',
        traffic_percent: 50,
        message: 'all_at_once takes 100 percent',
      });
  });

  test('is none for a shadow', () =>
    given(...modelWith(2), deployed(1, 1), deployed(2, 2, { ...shadow }))
      .when(shift(2, 10))
      .isRefused({
        code: 'traffic_invalid',
        strategy: 'shadow',
        traffic_percent: 10,
        message: 'a shadow takes 0 percent',
      }));

  test('belongs to what runs', () =>
    given(...modelWith(1), deploymentRequested(1, 1, { ...canary, traffic_percent: 10 }))
      .when(shift(1, 20))
      .isRefused({ code: 'not_deployed', deployment_id: deploymentId(1), status: 'requested' }));

  test('goes on where the version is on its way out', () =>
    given(...shared, deprecated(3, 'development'))
      .when(shift(3, 20))
      .follows(
        trafficShifted(1, 1, 54, 48),
        trafficShifted(2, 2, 36, 32),
        trafficShifted(3, 3, 10, 20),
      ));
});
