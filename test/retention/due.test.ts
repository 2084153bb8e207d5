// What retention archives and what it keeps, told day by day.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stages } from '#events/model/shapes.ts';
import { usesOf } from '#events/model/uses.ts';
import { due } from '#events/model/due.ts';
import { newestKeptMax, newestKeptMin, registryRetention } from '#events/policy/retention.ts';
import { day, history } from './history.ts';
import type { History } from './history.ts';

const keepOne = registryRetention(1);
const numbersDue = (story: History, days: number, kept = keepOne) =>
  due(story.state, kept, day(days)).due.map(({ number }) => number);

/** Version 1 lives as told; version 2 is the newest, which the count keeps. */
const beforeNewest = (tell: (story: History) => History): History =>
  tell(history().createSeveral(2));

describe('a version beyond the newest', () => {
  const table: { lives: string; story: () => History; dueOnDay: number; cause?: string }[] = [
    { lives: 'stays in development', story: () => beforeNewest((s) => s), dueOnDay: 30 },
    {
      lives: 'waits in staging',
      story: () => beforeNewest((s) => s.move(1, 'staging')),
      dueOnDay: 90,
    },
    {
      lives: 'is promoted to staging late, and ages from its creation still',
      story: () => beforeNewest((s) => s.on(29).move(1, 'staging')),
      dueOnDay: 90,
    },
    {
      lives: 'is deprecated without ever having been in production',
      story: () => beforeNewest((s) => s.on(10).move(1, 'deprecated')),
      dueOnDay: 90,
    },
    {
      lives: 'left production on day 10 for staging',
      story: () => beforeNewest((s) => s.move(1, 'production').on(10).move(1, 'staging')),
      dueOnDay: 100,
    },
    {
      lives: 'was in production until it was deprecated on day 10',
      story: () => beforeNewest((s) => s.move(1, 'production').on(10).move(1, 'deprecated')),
      dueOnDay: 375,
    },
    {
      lives: 'was deployed until day 50',
      story: () => beforeNewest((s) => s.deploy(1, 'd1').on(50).undeploy('d1')),
      dueOnDay: 80,
    },
    {
      lives: 'was the default that somebody set until day 7',
      story: () => beforeNewest((s) => s.setDefault(1).on(7).setDefault(2)),
      dueOnDay: 37,
    },
    {
      lives: 'was held until day 50, when the hold ended by itself',
      story: () => beforeNewest((s) => s.hold(1, 'h', day(50))),
      dueOnDay: 80,
    },
    {
      lives: 'was held by several until day 50, by the last of them',
      story: () => beforeNewest((s) => s.hold(1, 'g', day(50)).hold(1, 'h', day(20))),
      dueOnDay: 80,
    },
    {
      lives: 'was held until day 50, and only cleared of that hold on day 70',
      story: () => beforeNewest((s) => s.hold(1, 'h', day(50)).on(70).release('h')),
      dueOnDay: 80,
    },
    {
      lives: 'was held until day 50, but released on day 10',
      story: () => beforeNewest((s) => s.hold(1, 'h', day(50)).on(10).release('h')),
      dueOnDay: 40,
    },
    {
      lives: 'was held until day 50, and in other use until day 60',
      story: () =>
        beforeNewest((s) =>
          s.hold(1, 'h', day(50)).deploy(1, 'd1').on(60).undeploy('d1').on(70).release('h'),
        ),
      dueOnDay: 90,
    },
    {
      lives: 'is the default that the registry chose, which protects nothing',
      story: () => beforeNewest((s) => s),
      dueOnDay: 30,
    },
  ];
  it.each(table)('that $lives is due on day $dueOnDay, and not before', ({ story, dueOnDay }) => {
    const told = story();
    expect(numbersDue(told, dueOnDay - 0.001)).toEqual([]);
    expect(due(told.state, keepOne, day(dueOnDay - 0.001)).next_due_at).toBe(
      day(dueOnDay).toISOString(),
    );
    const [version] = due(told.state, keepOne, day(dueOnDay)).due;
    expect(version).toMatchObject({
      number: 1,
      due_at: day(dueOnDay).toISOString(),
      cause: 'retention_age',
      rule: { type: 'age_days' },
    });
  });

  const uses: [string, (story: History) => History][] = [
    ['in production', (s) => s.move(1, 'production')],
    ['deployed', (s) => s.deploy(1, 'd1')],
    ['deployed and deprecated', (s) => s.deploy(1, 'd1').move(1, 'deprecated')],
    ['the default that somebody set', (s) => s.setDefault(1)],
    ['held', (s) => s.hold(1, 'h', null)],
    ['held for a time, and deployed', (s) => s.hold(1, 'h', day(50)).deploy(1, 'd1')],
  ];
  it.each(uses)('that is %s is never due', (_, tell) => {
    const judged = due(beforeNewest(tell).state, keepOne, day(100_000));
    expect(judged.due).toEqual([]);
    expect(judged.next_due_at).toBeNull();
    expect(judged.kept).toContainEqual(
      expect.objectContaining({ number: 1, because: 'in_use', until: null }),
    );
  });

  it('that is held says when it becomes due: an age after its hold has ended', () => {
    const held = beforeNewest((s) => s.hold(1, 'h', day(50)).hold(2, 'i', day(60)));
    const judged = due(held.state, keepOne, day(40));
    expect(judged.kept).toEqual([
      expect.objectContaining({ number: 2, because: 'in_use', until: null }),
      expect.objectContaining({ number: 1, because: 'in_use', until: day(80).toISOString() }),
    ]);
    expect(judged.next_due_at).toBe(day(80).toISOString());
  });

  it('that is deprecated with a sunset stays until it, where that is later', () => {
    const late = beforeNewest((s) => s.deprecate(1, day(200).toISOString()));
    expect(numbersDue(late, 199)).toEqual([]);
    expect(due(late.state, keepOne, day(200)).due).toEqual([
      {
        version_id: late.state.versions.get(1)!.facts.version_id,
        number: 1,
        due_at: day(200).toISOString(),
        cause: 'retention_age',
        rule: { type: 'sunset', limit: day(200).toISOString(), measured: day(200).toISOString() },
      },
    ]);
    const early = beforeNewest((s) => s.deprecate(1, day(20).toISOString()));
    expect(numbersDue(early, 89)).toEqual([]);
    expect(numbersDue(early, 90)).toEqual([1]);
  });

  it('is not due while its age keeps it, and tells its age once it is', () => {
    const story = beforeNewest((s) => s);
    expect(due(story.state, keepOne, day(45.5)).due[0]!.rule).toEqual({
      type: 'age_days',
      limit: 30,
      measured: 45,
    });
  });
});

describe('the newest versions', () => {
  it('are kept whatever their age', () => {
    const story = history().createSeveral(5);
    expect(numbersDue(story, 10_000, registryRetention(3))).toEqual([2, 1]);
    expect(numbersDue(story, 10_000, registryRetention(5))).toEqual([]);
  });

  it('are counted by number, those in use included', () => {
    const story = history().createSeveral(5).move(5, 'production').deploy(4, 'd4');
    expect(numbersDue(story, 10_000, registryRetention(3))).toEqual([2, 1]);
  });

  it('are counted among those not archived', () => {
    const story = history().createSeveral(5).move(4, 'archived');
    expect(numbersDue(story, 10_000, registryRetention(3))).toEqual([1]);
  });

  it('give way to a new one: the count is then the rule that let go last, and the cause', () => {
    const story = history().createSeveral(3).on(400).create();
    expect(numbersDue(story, 399, registryRetention(3))).toEqual([]);
    expect(due(story.state, registryRetention(3), day(401)).due).toEqual([
      {
        version_id: story.state.versions.get(1)!.facts.version_id,
        number: 1,
        due_at: day(400).toISOString(),
        cause: 'retention_count',
        rule: { type: 'count', limit: 3, measured: 4 },
      },
    ]);
  });
});

it('an archived version is neither due nor kept', () => {
  const story = history().createSeveral(2).move(1, 'archived');
  const judged = due(story.state, keepOne, day(10_000));
  expect([...judged.due, ...judged.kept].map(({ number }) => number)).toEqual([2]);
});

describe('whatever happened to a model', () => {
  const deed = fc.record({
    days: fc.integer({ min: 0, max: 60 }),
    number: fc.integer({ min: 1, max: 8 }),
    what: fc.constantFrom(
      'create',
      'hold',
      'release',
      'deploy',
      'undeploy',
      'set default',
      ...stages,
    ),
  });
  type Deed = typeof deed extends fc.Arbitrary<infer D> ? D : never;

  /** Tells the deeds; what the rules refuse is passed over, as is one on a version that does not exist. */
  function toldBy(deeds: readonly Deed[]): { story: History; lastDay: number } {
    const story = history().createSeveral(2);
    let lastDay = 0;
    for (const { days, number, what } of deeds) {
      lastDay += days;
      story.on(lastDay);
      if (what === 'create') story.create();
      else if (what === 'undeploy') story.tell(story.asks.undeploy(`d${number}`));
      else if (what === 'release') story.tell(story.asks.release(`h${number}`));
      else if (!story.state.versions.has(number)) continue;
      else if (what === 'hold')
        story.tell(story.asks.hold(number, `h${number}`, day(lastDay + 1 + days)));
      else if (what === 'set default') story.tell(story.asks.setDefault(number));
      else if (what !== 'deploy') story.tell(story.asks.move(number, what));
      else if (!story.state.deployments.has(`d${number}`))
        story.tell(story.asks.deploy(number, `d${number}`));
    }
    return { story, lastDay };
  }

  const deeds = fc.array(deed, { maxLength: 40, size: 'max' });
  const newestKept = fc.integer({ min: newestKeptMin, max: newestKeptMax });
  const later = fc.integer({ min: 0, max: 1_000 });
  /** While some ages still run. */
  const soon = fc.integer({ min: 0, max: 60 });

  it('nothing in use and none of the newest is ever due', () => {
    let found = 0;
    fc.assert(
      fc.property(deeds, newestKept, later, (told, count, days) => {
        const { story, lastDay } = toldBy(told);
        const living = [...story.state.versions.values()]
          .filter(({ stage }) => stage !== 'archived')
          .map(({ facts }) => facts.number)
          .sort((a, b) => b - a);
        const judged = due(story.state, registryRetention(count), day(lastDay + days));
        found += judged.due.length;
        for (const { number } of judged.due) {
          expect(
            usesOf(
              story.state,
              story.state.versions.get(number)!,
              day(lastDay + days).toISOString(),
            ),
          ).toEqual([]);
          expect(living.slice(0, count)).not.toContain(number);
        }
        expect(judged.due.length + judged.kept.length).toBe(living.length);
      }),
    );
    expect(found).toBeGreaterThan(0);
  });

  it('what is due stays due, and the next due time is exactly when more becomes due', () => {
    let advanced = 0;
    fc.assert(
      fc.property(deeds, newestKept, soon, (told, count, days) => {
        const { story, lastDay } = toldBy(told);
        const policy = registryRetention(count);
        const judged = due(story.state, policy, day(lastDay + days));
        const before = judged.due.map(({ number }) => number);
        const next = judged.next_due_at === null ? day(1_000_000) : new Date(judged.next_due_at);
        const more = judged.next_due_at === null ? 0 : 1;
        advanced += more;
        const numbersAt = (at: Date) => due(story.state, policy, at).due.map((each) => each.number);
        expect(numbersAt(new Date(next.getTime() - 1))).toEqual(before);
        expect(numbersAt(next)).toEqual(expect.arrayContaining(before));
        expect(numbersAt(next).length).toBeGreaterThanOrEqual(before.length + more);
      }),
    );
    expect(advanced).toBeGreaterThan(0);
  });
});
