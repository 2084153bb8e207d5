// The rules against a registry on paper: whatever is asked in whatever order, both say the same, and what must hold does.
import { assert, commands, modelRun, property } from 'fast-check';
import type { Command } from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import { permissionOf } from '#events/model/permissions.ts';
import { beginning, eventTypes, Life, seed, step } from './lives.ts';
import type { Step, Taken } from './lives.ts';
import { ask } from './reference/ask.ts';
import { emptyRegistry, living, usesOf } from './reference/registry.ts';
import type { Registry } from './reference/registry.ts';
import { refusalCodes } from './refusal-codes.ts';
import { seenOfState, seenOnPaper } from './reference/seen.ts';

const lives = 400;
const stepsMax = 160;
/** Shares are rounded to hundredths, one after the other; so far a share may be from what is fair. */
const percentOff = 0.1;

/** What the lives have met, so that what never happened does not pass for right. */
const met = {
  asked: new Set<string>(),
  happened: new Set<string>(),
  modes: new Set<string>(),
  refused: new Set<string>(),
};

class Taking implements Command<Registry, Life> {
  private readonly taken: Step;
  constructor(taken: Step) {
    this.taken = taken;
  }

  check(): boolean {
    return true;
  }

  run(paper: Registry, life: Life): void {
    inBoth(paper, life, this.taken);
  }

  toString(): string {
    if (this.taken.step !== 'asks') return JSON.stringify(this.taken);
    const { asker, wanted } = this.taken;
    return `${asker.subject}: ${JSON.stringify(wanted)}`;
  }
}

/** Takes a step in both, and holds what follows against each other. */
function inBoth(paper: Registry, life: Life, asked: Step): void {
  const taken = life.take(asked);
  if (taken === null) return;
  const usesBefore = new Map(
    paper.versions.map((version) => [version.number, usesOf(paper, version, life.at)]),
  );
  const refused = ask(paper, taken.command);
  expect(taken.refusal?.code ?? null, 'refused').toBe(refused);
  happens(life, taken);
  expect(seenOfState(life.state)).toEqual(seenOnPaper(paper));
  sharesAreFair(paper, life);
  exactlyOneDefault(paper);
  nothingInUseIsGone(taken, usesBefore);
}

/** I4: event by event the versions run on, the fold holds, and there is one production version. */
function happens(life: Life, { command, events, refusal }: Taken): void {
  met.asked.add(command.type);
  if (refusal !== undefined) met.refused.add(refusal.code);
  for (const event of events) {
    met.happened.add(event.type);
    if (event.type === 'model.promoted') met.modes.add(event.data.mode);
    expect(event.stream_version).toBe(life.state.stream_version + 1);
    life.fold([event]);
    const production = [...life.state.versions.values()].filter(
      (version) => version.stage === 'production',
    );
    expect(life.mayHaveSeveral || production.length <= 1, 'one in production').toBe(true);
  }
}

/** The shares are what is fair but for rounding, which the paper takes over. */
function sharesAreFair(paper: Registry, life: Life): void {
  for (const deployment of paper.deployments.values()) {
    const { traffic_percent } = life.state.deployments.get(deployment.id)!;
    expect(Math.abs(traffic_percent - deployment.traffic), deployment.id).toBeLessThan(percentOff);
    deployment.traffic = traffic_percent;
  }
}

function exactlyOneDefault(paper: Registry): void {
  const candidates = living(paper).filter(({ stage }) => stage !== 'archived');
  const isOne = candidates.some(({ number }) => number === paper.default);
  expect([paper.default !== null, isOne]).toEqual(
    Array(2).fill(candidates.length > 0) as boolean[],
  );
}

/** The use that a command ends itself, in the same append: where the bad version is live, and who was the default. */
const endedBy: Partial<Record<ModelCommand['type'], string>> = {
  Rollback: 'deployment',
  CreateVersion: 'default',
};

/** I10, and the same for deletion; who is displaced by a promotion was in production, and in no other use. */
function nothingInUseIsGone(
  { command, events }: Taken,
  usesBefore: ReadonlyMap<number, string[]>,
): void {
  for (const event of events) {
    if (event.type !== 'model.archived' && event.type !== 'version.deleted') continue;
    const isDisplaced = event.type === 'model.archived' && event.data.cause === 'superseded';
    const before = (usesBefore.get(event.data.number) ?? []).filter(
      (use) => use !== endedBy[command.type],
    );
    expect(before, event.type).toEqual(isDisplaced ? ['production'] : []);
  }
}

const lived = (): void =>
  assert(
    property(
      commands([step.map((taken) => new Taking(taken))], { maxCommands: stepsMax, size: 'max' }),
      (asked) => {
        const paper = emptyRegistry();
        const life = new Life();
        for (const taken of beginning) inBoth(paper, life, taken);
        modelRun(() => ({ model: paper, real: life }), asked);
      },
    ),
    { numRuns: lives, seed },
  );

/** What no life has: bytes of its own to lose, and a hundred of one thing. */
const neverRefused: readonly ModelRefusal['code'][] = [
  'artifact_unusable',
  'too_many_aliases',
  'too_many_holds',
];

describe('a model and a registry on paper agree, whatever is asked', () => {
  // a broken rule shows here, with the shortest life that meets it
  beforeAll(lived, 120_000);

  test('of every command', () =>
    expect([...met.asked].toSorted()).toEqual(Object.keys(permissionOf).toSorted()));

  test('by whatever happens', () =>
    expect([...met.happened].toSorted()).toEqual([...eventTypes].toSorted()));

  test('in every mode of a promotion', () =>
    expect([...met.modes].toSorted()).toEqual([
      'automated',
      'break_glass',
      'normal',
      'reinstate',
      'rollback',
    ]));

  test('and why it is refused', () => {
    const expected = refusalCodes.filter((code) => !neverRefused.includes(code));
    expect([...met.refused].toSorted()).toEqual(expected.toSorted());
  });
});
