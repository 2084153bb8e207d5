// The checker of the log is a check only if it finds planted bugs.
import { beforeAll, describe, expect, it } from 'vitest';
import { noVersionFacts, promoted as promotion } from '#test/rules/history.ts';
import type { Answer } from './log.ts';
import { compareLog } from './log.ts';

type Row = Parameters<typeof compareLog>[0][number];

const modelId = '0190c1d2-0000-7000-8000-000000000001';
const stream = `model:default:${modelId}`;

function row(position: number, type: string, data: object, correlation: string): Row {
  return {
    position: String(position),
    tenant: 'default',
    stream,
    version: position,
    event_id: `0190c1d2-0000-7000-8000-1000000000${String(position).padStart(2, '0')}`,
    type,
    schema_version: 1,
    data,
    metadata: {
      actor: {
        subject: 'zoë',
        type: 'user',
        auth_method: 'api_key',
        key_id: null,
        declared_by: null,
      },
      command_id: `command-of-${correlation}`,
      correlation_id: correlation,
    },
    recorded_at: new Date('2026-03-01T00:00:00Z'),
  };
}

const named = (number: number) => ({
  model_id: modelId,
  version_id: `version-${number}`,
  number,
  label: null,
});
const versioned = (number: number) => ({
  ...noVersionFacts,
  ...named(number),
  stage: 'development',
  readiness: 'training',
  content_digest: null,
});
const promoted = (number: number) => ({
  ...promotion(number, 'development', 'production').data,
  ...named(number),
});

let log: Row[];
let answers: Answer[];

beforeAll(() => {
  log = [
    row(1, 'model.registered', { model_id: modelId, name: 'fraud', tags: {}, metadata: {} }, 'a'),
    row(2, 'model.versioned', versioned(1), 'b'),
    row(3, 'model.versioned', versioned(2), 'c'),
    row(4, 'model.promoted', promoted(1), 'd'),
  ];
  answers = ['a', 'b', 'c', 'd'].map((correlationId, index) => ({
    correlationId,
    status: index < 3 ? 201 : 200,
    modelId,
    streamVersion: index + 1,
    changes: true,
  }));
});

const invariants = (rows: Row[], given: Answer[] = answers, head = rows.length): string[] =>
  [...new Set(compareLog(rows, head, given).map(({ invariant }) => invariant))].sort();

describe('the checker of the log', () => {
  it('finds nothing in a sound log', () => expect(invariants(log)).toEqual([]));

  it('finds an event that was dropped', () => {
    expect(invariants(log.filter((_, index) => index !== 2))).toEqual(['I1', 'I4', 'I5']);
  });

  it('finds an acknowledged event that is missing at the end', () => {
    expect(invariants(log.slice(0, 3))).toEqual(['I1']);
  });

  it('finds an event that was doubled', () => {
    const doubled = { ...log[3]!, position: '5' };
    expect(invariants([...log, doubled])).toContain('I2');
    expect(invariants([...log, doubled])).toContain('I4');
  });

  it('finds events that were reordered within a stream', () => {
    const reordered = [
      log[0]!,
      { ...log[2]!, position: '2' },
      { ...log[1]!, position: '3' },
      log[3]!,
    ];
    expect(invariants(reordered)).toEqual(['I4']);
  });

  it('finds an answer without an event', () => {
    const answer: Answer = {
      correlationId: 'e',
      status: 201,
      modelId,
      streamVersion: 5,
      changes: true,
    };
    expect(invariants(log, [...answers, answer])).toEqual(['I1']);
  });

  it('finds an answer at another version', () => {
    expect(invariants(log, answers.with(1, { ...answers[1]!, streamVersion: 7 }))).toEqual(['I1']);
  });

  it('finds a refused command that is recorded', () => {
    expect(invariants(log, answers.with(3, { ...answers[3]!, status: 409 }))).toEqual(['I3']);
  });

  it('finds a history that the rules forbid', () => {
    expect(invariants([...log, row(5, 'model.promoted', promoted(2), 'e')])).toEqual(['I4']);
  });

  it('finds a head that is not the last position', () => {
    expect(invariants(log, answers, 9)).toEqual(['I5']);
  });
});
