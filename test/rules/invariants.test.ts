// What holds of every model at every moment, whatever is asked in whatever order.
import { assert, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { catalogue } from '#events/catalogue.ts';
import type { NewVersion } from '#events/model/commands.ts';
import { modelDecider } from '#events/model/decide.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import type { ModelState } from '#events/model/state.ts';
import { stages } from '#events/model/shapes.ts';
import type { Stage } from '#events/model/shapes.ts';
import { usesOf } from '#events/model/uses.ts';
import { modelKind } from '#services/command-api/kinds.ts';
import { Life, seed, steps } from './lives.ts';

const lives = 200;

/** A model's whole life under random commands, told event by event to whoever checks something. */
function livesOf(
  watch: (told: {
    life: Life;
    state: ModelState;
    before: ModelState;
    events: readonly RecordedModelEvent[];
    all: readonly RecordedModelEvent[];
  }) => void,
): void {
  assert(
    property(steps, (asked) => {
      const life = new Life();
      const all: RecordedModelEvent[] = [];
      for (const one of asked) {
        const taken = life.take(one);
        if (taken === null) continue;
        const { events } = taken;
        const before = modelDecider.fork(life.state);
        all.push(...events);
        life.fold(events);
        watch({ life, state: life.state, before, events, all });
      }
    }),
    { numRuns: lives, seed },
  );
}

const folded = (state: ModelState, events: readonly RecordedModelEvent[]): ModelState =>
  events.reduce(modelDecider.evolve, state);

const living = (state: ModelState) =>
  [...state.versions.values()].filter(({ deleted_at }) => deleted_at === null);
const inStage = (state: ModelState, wantedStage: Stage): number[] =>
  living(state)
    .filter((row) => row.stage === wantedStage)
    .map((row) => row.facts.number);

/** What was seen over all random lives, so that a property that never met its case does not pass. */
const count = (seen: Map<string, number>, what: string): void =>
  void seen.set(what, (seen.get(what) ?? 0) + 1);

describe('at every prefix of every life', () => {
  test('at most one version is in production, event by event, unless there may be several', () => {
    const largest = { one: 0, several: 0 };
    livesOf(({ life, before, events }) => {
      for (const event of events) {
        folded(before, [event]);
        const production = inStage(before, 'production');
        const where = life.mayHaveSeveral ? 'several' : 'one';
        largest[where] = Math.max(largest[where], production.length);
        expect(new Set(before.model!.production)).toEqual(new Set(production));
      }
    });
    expect(largest.one).toBe(1);
    expect(largest.several).toBeGreaterThan(1);
  });

  test('exactly one default exists while a version is neither archived nor deleted, append by append', () => {
    const seen = new Map<string, number>();
    livesOf(({ state }) => {
      const rows = living(state);
      const defaults = rows.filter((row) => row.is_default);
      const isOne = rows.some((row) => row.stage !== 'archived');
      count(seen, isOne ? 'living' : 'none');
      expect(defaults).toHaveLength(isOne ? 1 : 0);
      const [only] = defaults;
      expect(only?.stage).not.toBe('archived');
      expect(state.model).toMatchObject({
        default_number: only?.facts.number ?? null,
        default_version_id: only?.facts.version_id ?? null,
      });
      expect(state.model!.default_set_by === null).toBe(!isOne);
    });
    expect(seen.get('living')).toBeGreaterThan(100);
    expect(seen.get('none')).toBeGreaterThan(100);
  });

  test('nothing in use is archived', () => {
    const seen = new Map<string, number>();
    livesOf(({ life, before, events }) => {
      for (const event of events) {
        const isArchived = event.type === 'model.archived';
        // a default that moves in this append has moved by now, and the incumbent only leaves production
        const uses = isArchived
          ? usesOf(before, before.versions.get(event.data.number)!, life.at)
          : [];
        const isDisplaced = isArchived && event.data.cause === 'superseded';
        if (isArchived) count(seen, event.data.cause);
        expect(uses).toEqual(isDisplaced ? [{ kind: 'production' }] : []);
        folded(before, [event]);
      }
    });
    expect([...seen.keys()].toSorted()).toEqual([
      'manual',
      'retention_age',
      'retention_count',
      'superseded',
    ]);
  });

  test('numbers, labels and digests are given once, and the indexes know them', () => {
    livesOf(({ state }) => {
      const rows = [...state.versions.values()];
      const numbers = rows.map((row) => row.facts.number);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      expect(state.model!.last_number).toBe(numbers.length);
      const of = <Key>(key: (facts: NewVersion['facts'] & { version_id: string }) => Key | null) =>
        rows.flatMap(({ facts }): [Key, number][] => {
          const found = key(facts);
          return found === null ? [] : [[found, facts.number]];
        });
      const ids = of((facts) => facts.version_id);
      const labels = of((facts) => facts.label);
      // the bytes of a deleted version may come back as another
      const digests = living(state).flatMap(({ facts }): [string, number][] => {
        const sha256 = facts.content_digest?.sha256 ?? null;
        return sha256 === null ? [] : [[sha256, facts.number]];
      });
      expect([...state.numberByVersionId]).toEqual(ids);
      expect([...state.numberByLabel]).toEqual(labels);
      expect(state.numberBySha256).toEqual(new Map(digests));
    });
  });

  test('the counters of the model are those of its versions', () => {
    livesOf(({ state }) => {
      for (const one of stages)
        expect(state.model!.versions_by_stage[one], one).toBe(inStage(state, one).length);
    });
  });

  test('a version knows exactly the deployments that hold it', () => {
    const live = new Set(['requested', 'deploying', 'deployed']);
    livesOf(({ state }) => {
      for (const row of state.versions.values()) {
        const holding = [...state.deployments.values()].filter(
          ({ number, status }) => number === row.facts.number && live.has(status),
        );
        const shown = (rows: readonly { deployment_id: string; status: string }[]) =>
          new Set(rows.map(({ deployment_id, status }) => `${deployment_id} ${status}`));
        expect(shown(row.live)).toEqual(shown(holding));
        expect(row.live).toHaveLength(holding.length);
      }
    });
  });

  test('at most one deployment takes everything in one place', () => {
    livesOf(({ state }) => {
      const whole = [...state.deployments.values()].filter(
        (row) => row.status === 'deployed' && row.traffic_percent === 100,
      );
      const places = whole.map((row) => `${row.environment} ${row.region}`);
      expect(new Set(places).size).toBe(places.length);
    });
  });

  test('every event has the shape that the catalogue says, and survives as JSON', () => {
    livesOf(({ before, state, events }) => {
      for (const event of events) {
        const { data } = catalogue[event.type];
        expect(data.strict().parse(event.data)).toEqual(event.data);
        modelDecider.evolve(before, JSON.parse(JSON.stringify(event)) as typeof event);
      }
      expect(before).toEqual(state);
    });
  });
});

describe('however a state came about, it is the same', () => {
  test('by folding everything again', () => {
    livesOf(({ state, all }) => {
      expect(folded(modelDecider.initial(), all)).toEqual(state);
    });
  });

  test('by a fork, which leaves the original alone', () => {
    livesOf(({ before, state, events }) => {
      const untouched = structuredClone(before);
      const fork = modelDecider.fork(before);
      expect(folded(fork, events)).toEqual(state);
      expect(before).toEqual(untouched);
    });
  });

  test('by a snapshot, and by the next one', () => {
    const { newEncoder, decode } = modelKind.snapshot!;
    const kept = (one: ModelState) => decode(newEncoder().encode(one));
    livesOf(({ state, before, events }) => {
      const restored = kept(before).state;
      const { state: goingOn, encoder } = kept(before);
      const after = folded(goingOn, events);
      const next = decode(encoder.encode(after)).state;
      // which makes every version that nobody has asked for, and every name that none was found by
      const whole = (one: ModelState): ModelState => ({
        ...one,
        versions: new Map(one.versions),
        numberByVersionId: new Map(one.numberByVersionId),
        numberByLabel: new Map(one.numberByLabel),
        numberBySha256: new Map(one.numberBySha256),
      });
      expect(whole(restored)).toEqual(before);
      expect(whole(next)).toEqual(state);
      expect(whole(after)).toEqual(state);
    });
  });
});
