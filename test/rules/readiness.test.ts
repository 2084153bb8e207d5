// Readiness: whether a version is fit, and which judgement may follow which.
import { test } from 'vitest';
import { readinesses } from '#events/model/shapes.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { Readiness } from '#events/model/shapes.ts';
import { approved, modelWith, rejected, testingStarted } from './history.ts';
import { given, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

const legal: Record<Readiness, readonly Readiness[]> = {
  training: ['testing', 'approved', 'rejected'],
  testing: ['approved', 'rejected'],
  approved: [],
  rejected: ['testing'],
};

const judgedAs: Record<Readiness, ModelEvent[]> = {
  training: modelWith(1),
  testing: [...modelWith(1), testingStarted(1, 'training')],
  approved: [...modelWith(1), approved(1, 'training')],
  rejected: [...modelWith(1), rejected(1, 'training')],
};

const version = numbered(1);
const judging: Record<
  Exclude<Readiness, 'training'>,
  { wanted: Wanted; event: (from: Readiness) => ModelEvent }
> = {
  testing: {
    wanted: { type: 'StartTesting', version },
    event: (from) => testingStarted(1, from),
  },
  approved: { wanted: { type: 'Approve', version }, event: (from) => approved(1, from) },
  rejected: { wanted: { type: 'Reject', version }, event: (from) => rejected(1, from) },
};

const judgements = readinesses.flatMap((from) =>
  (['testing', 'approved', 'rejected'] as const).map((to) => ({ from, to })),
);

test.each(judgements)('from $from to $to', ({ from, to }) => {
  const { wanted, event } = judging[to];
  const scene = given(...judgedAs[from]).when(wanted);
  if (from === to) scene.changesNothing();
  else if (legal[from].includes(to)) scene.follows(event(from));
  else
    scene.isRefused({
      code: 'illegal_transition',
      axis: 'readiness',
      from,
      to,
      legal_transitions: legal[from],
    });
});
