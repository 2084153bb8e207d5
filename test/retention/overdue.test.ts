// Which deployments have waited too long, and when the next one will have.
import { expect, test } from 'vitest';
import { overdue } from '#services/retention/overdue.ts';
import {
  deployed,
  deploymentFailed,
  deploymentId,
  deploymentRequested,
  deploymentStarted,
  modelWith,
} from '#test/rules/history.ts';
import { given } from '#test/rules/scenario.ts';

/** The story's events are a second apart, from this time on. */
const begun = Date.UTC(2026, 10, 21);
const after = (hours: number, seconds: number): Date =>
  new Date(begun + (hours * 3_600 + seconds) * 1_000);

// the fourth event asks, the fifth begins
const asked = [...modelWith(1), deploymentRequested(1, 1)];

test('a deployment is overdue once its hours are over, and not a moment before', () => {
  const { state } = given(...asked);
  expect(overdue(state, 24, new Date(after(24, 4).getTime() - 1))).toEqual({
    overdue: [],
    next_due_at: after(24, 4).toISOString(),
  });
  expect(overdue(state, 24, after(24, 4))).toEqual({
    overdue: [
      {
        deployment_id: deploymentId(1),
        status: 'requested',
        due_at: after(24, 4).toISOString(),
        timeoutHours: 24,
      },
    ],
    next_due_at: null,
  });
});

test('a report that it has begun starts the time anew', () => {
  const { state } = given(...asked, deploymentStarted(1, 1));
  expect(overdue(state, 1, after(1, 4))).toEqual({
    overdue: [],
    next_due_at: after(1, 5).toISOString(),
  });
  expect(overdue(state, 1, after(1, 5)).overdue).toMatchObject([{ status: 'deploying' }]);
});

test('what is done or has failed waits for nothing', () => {
  const nothing = { overdue: [], next_due_at: null };
  for (const end of [deployed(1, 1), deploymentFailed(1, 1, 'requested')])
    expect(overdue(given(...asked, end).state, 1, after(100, 0))).toEqual(nothing);
});
