// A model under a policy, and the people around it: what the tests of gates, approvals and requests begin with.
import type { Asker } from '#events/model/four-eyes.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { ModelState } from '#events/model/state.ts';
import { inForce } from '#events/policy/merge.ts';
import { presets } from '#events/policy/policy.ts';
import type { OwnPolicy, PolicyInForce } from '#events/policy/policy.ts';
import { defaultChanged, noon, registered, versioned } from './history.ts';
import { commandOf, recorded } from './scenario.ts';
import type { Wanted } from './scenario.ts';

/** What the tenant says is in force. */
export const under = (own: OwnPolicy, version = 1): PolicyInForce =>
  inForce([{ scope: 'tenant', version, own }]);
export const strict = under(presets.strict);
export const standard = under(presets.standard);

export const person = (subject: string, said: Partial<Asker> = {}): Asker => ({
  subject,
  type: 'user',
  declared_by: null,
  role: 'approver',
  granted_by: [],
  ...said,
});

/** Everything that `strict` asks of a version, but that somebody says it is fit. */
export const complete = {
  content_digest: { sha256: 'a'.repeat(64), blake3: null, origin: 'declared' as const },
  artifact_uri: 's3://models/churn/1',
  release_notes: 'Learns from November.',
  signature: {
    inputs: {},
    outputs: {},
    input_shape: null,
    output_shape: null,
    feature_schema: null,
  },
  lineage: {
    data_versions: ['2026-11'],
    code_version: null,
    parent_versions: [],
    experiment_id: null,
    run_id: null,
  },
  evaluated_at: '2026-11-20T00:00:00.000Z',
  metrics: [{ name: 'accuracy', split: null, value: 0.95 }],
};

export const modelOf = (facts: Parameters<typeof versioned>[1]): ModelEvent[] => [
  registered(),
  versioned(1, facts),
  defaultChanged(1, null),
];

/** A model to which things happen one after the other, each said by somebody. */
export class Story {
  state: ModelState = modelDecider.initial();
  at = noon;
  in_force: PolicyInForce;
  constructor(in_force: PolicyInForce) {
    this.in_force = in_force;
  }

  /** Something that happened, by an actor. */
  happened(
    events: readonly ModelEvent[],
    subject = 'ana',
    declared_by: string | null = null,
  ): this {
    for (const event of events) {
      const next = recorded(event, this.state.stream_version + 1);
      modelDecider.evolve(this.state, {
        ...next,
        actor: { ...next.actor, subject, declared_by },
      });
    }
    return this;
  }

  decide(asker: Asker, wanted: Wanted) {
    return modelDecider.decide(
      this.state,
      commandOf({ at: this.at, in_force: this.in_force, asker, ...wanted }),
    );
  }

  /** What somebody asks is done; returns the types of what followed. */
  done(asker: Asker, wanted: Wanted): string[] {
    const { events, refusal } = this.decide(asker, wanted);
    if (refusal !== undefined) throw new Error(`refused: ${JSON.stringify(refusal)}`);
    this.happened(events, asker.subject, asker.declared_by);
    return events.map(({ type }) => type);
  }

  refusal(asker: Asker, wanted: Wanted): object | undefined {
    return this.decide(asker, wanted).refusal;
  }
}
