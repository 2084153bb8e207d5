// Tells a model's life in commands and days: decided and folded by the real rules, recorded at the story's own time.
import { assert } from '#events/decider.ts';
import type { ModelCommand } from '#events/model/commands.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { Stage } from '#events/model/shapes.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelId, noModelFacts, versionId } from '#test/rules/history.ts';
import { commonAt, newVersion } from '#test/rules/wanted.ts';

const dayMs = 24 * 60 * 60 * 1000;
const beginning = Date.UTC(2026, 0, 1);

/** The instant so many days after the story began. */
export const day = (days: number): Date => new Date(beginning + days * dayMs);

/** The command that brings a version to a stage, by the verb that the ladder asks for. */
function moving(number: number, from: Stage, to_stage: Stage, at: string): ModelCommand {
  const common = { ...commonAt(at), version: { by: 'number', number } as const };
  if (to_stage === 'archived') {
    const because = { cause: 'manual', plan_id: null, rule: null } as const;
    return { ...common, type: 'Archive', because };
  }
  if (to_stage === 'deprecated') return { ...common, type: 'Deprecate', sunset_at: null };
  if (from === 'archived') return { ...common, type: 'Restore', to_stage };
  const down = to_stage === 'development' || from === 'production';
  return { ...common, type: down ? 'Demote' : 'Promote', to_stage };
}

/** The commands of a story, at its present time. */
type Asks = {
  create: () => ModelCommand;
  move: (number: number, to: Stage) => ModelCommand;
  deprecate: (number: number, sunset_at: string) => ModelCommand;
  deploy: (number: number, deployment_id: string) => ModelCommand;
  undeploy: (deployment_id: string) => ModelCommand;
  setDefault: (number: number) => ModelCommand;
  hold: (number: number, hold_id: string, until: Date | null) => ModelCommand;
  release: (hold_id: string) => ModelCommand;
};

/** Each verb asks and must be accepted; `tell` may be refused. */
export type History = {
  [Verb in keyof Asks]: (...words: Parameters<Asks[Verb]>) => History;
} & {
  readonly state: ModelState;
  readonly asks: Asks;
  /** What follows happens so many days after the beginning. */
  on: (days: number) => History;
  /** Whether the command was accepted; a refused one changes nothing. */
  tell: (command: ModelCommand) => boolean;
  createSeveral: (count: number) => History;
};

/** A history that begins on day 0 with the registration of a model without versions. */
export function history(): History {
  const state = modelDecider.initial();
  let at = day(0).toISOString();
  let position = 0;

  const tell = (command: ModelCommand): boolean => {
    const decision = modelDecider.decide(state, command);
    for (const event of decision.events ?? []) {
      position += 1;
      modelDecider.evolve(state, {
        ...event,
        position,
        id: versionId(position),
        schema_version: 1,
        tenant: 'default',
        stream: `model:default:${modelId}`,
        stream_version: position,
        recorded_at: at,
        occurred_at: at,
        actor: {
          subject: 'ada',
          type: 'user',
          auth_method: 'api_key',
          key_id: null,
          declared_by: null,
        },
        reason: null,
        command_id: versionId(position),
        correlation_id: null,
        causation_id: null,
        traceparent: null,
      });
    }
    return decision.events !== undefined;
  };
  const common = () => commonAt(at);
  const on = (number: number) => ({ ...common(), version: { by: 'number', number } as const });
  const asks: Asks = {
    create: () => {
      const version = newVersion((state.model?.last_number ?? 0) + 1);
      return { ...common(), type: 'CreateVersion', version };
    },
    move: (number, to) => moving(number, state.versions.get(number)!.stage, to, at),
    deprecate: (number, sunset_at) => ({ ...on(number), type: 'Deprecate', sunset_at }),
    deploy: (number, deployment_id) => ({
      ...on(number),
      type: 'Deploy',
      deployment_id,
      environment: 'eu-prod',
      region: null,
      endpoint_url: null,
      strategy: 'all_at_once',
      traffic_percent: null,
      config: {},
      external_ref: null,
      status: 'deployed',
    }),
    undeploy: (deployment_id) => ({ ...common(), type: 'Undeploy', deployment_id }),
    setDefault: (number) => ({ ...on(number), type: 'SetDefault' }),
    hold: (number, hold_id, until) => ({
      ...on(number),
      type: 'PlaceHold',
      hold_id,
      reason: 'audit',
      until: until?.toISOString() ?? null,
    }),
    release: (hold_id) => ({ ...common(), type: 'ReleaseHold', hold_id }),
  };
  const must = (command: ModelCommand): History => {
    assert(tell(command), `${command.type} is refused`);
    return story;
  };
  const story: History = {
    state,
    asks,
    tell,
    on: (days) => {
      at = day(days).toISOString();
      return story;
    },
    create: () => must(asks.create()),
    createSeveral: (count) => {
      for (let made = 0; made < count; made++) must(asks.create());
      return story;
    },
    move: (number, to) => must(asks.move(number, to)),
    deprecate: (number, sunsetAt) => must(asks.deprecate(number, sunsetAt)),
    deploy: (number, deploymentId) => must(asks.deploy(number, deploymentId)),
    undeploy: (deploymentId) => must(asks.undeploy(deploymentId)),
    setDefault: (number) => must(asks.setDefault(number)),
    hold: (number, holdId, until) => must(asks.hold(number, holdId, until)),
    release: (holdId) => must(asks.release(holdId)),
  };
  return must({
    ...common(),
    type: 'RegisterModel',
    model_id: modelId,
    name: 'churn',
    first_version: null,
    facts: noModelFacts,
  });
}
