// Readiness: whether a version is fit, and which judgement may follow which.
import { expect, test } from 'vitest';
import { readinesses } from '#events/model/shapes.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { Readiness } from '#events/model/shapes.ts';
import { approvalRevoked, approved, modelWith, rejected, testingStarted } from './history.ts';
import { given, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

type Verb = 'test' | 'approve' | 'reject' | 'revoke';

/** The table of the domain: which verb leads from where to where. */
const legal: Record<Readiness, Partial<Record<Readiness, Verb>>> = {
  training: { testing: 'test', approved: 'approve', rejected: 'reject' },
  testing: { approved: 'approve', rejected: 'reject' },
  approved: { testing: 'revoke' },
  rejected: { testing: 'test' },
};

const judgedAs: Record<Readiness, ModelEvent[]> = {
  training: modelWith(1),
  testing: [...modelWith(1), testingStarted(1, 'training')],
  approved: [...modelWith(1), approved(1, 'training')],
  rejected: [...modelWith(1), rejected(1, 'training')],
};

const version = numbered(1);
const judging: Record<
  Verb,
  { to: Readiness; wanted: Wanted; event: (from: Readiness) => ModelEvent }
> = {
  test: {
    to: 'testing',
    wanted: { type: 'StartTesting', version },
    event: (from) => testingStarted(1, from),
  },
  approve: {
    to: 'approved',
    wanted: { type: 'Approve', version },
    event: (from) => approved(1, from),
  },
  reject: {
    to: 'rejected',
    wanted: { type: 'Reject', version },
    event: (from) => rejected(1, from),
  },
  revoke: {
    to: 'testing',
    wanted: { type: 'RevokeApproval', version },
    event: () => approvalRevoked(1),
  },
};

const steps = readinesses.flatMap((from) =>
  (Object.keys(judging) as Verb[]).map((verb) => ({ verb, from, ...judging[verb] })),
);

test('the table knows every readiness', () => {
  expect(Object.keys(legal)).toEqual([...readinesses]);
  expect(steps).toHaveLength(16);
});

/** As a path names it. */
const commandOf: Record<Verb, string> = {
  test: 'test',
  approve: 'approve',
  reject: 'reject',
  revoke: 'revoke-approval',
};

test.each(steps)('$verb from $from', ({ verb, from, to, wanted, event }) => {
  const scene = given(...judgedAs[from]).when(wanted);
  if (from === to) return scene.changesNothing();
  if (legal[from][to] === verb) return scene.follows(event(from));
  return scene.isRefused({
    code: 'illegal_transition',
    axis: 'readiness',
    from,
    to,
    legal_transitions: readinesses.filter(
      (other) => other !== to && legal[from][other] !== undefined,
    ),
    legal_commands: Object.values(legal[from]).map((other) => commandOf[other]),
  });
});
