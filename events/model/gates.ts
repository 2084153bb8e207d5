// Gates: what is measured before a version goes to production, and what each of them found.
import type { z } from 'zod';
import { dayMs } from '../days.ts';
import type { Gate } from '../policy/policy.ts';
import { supplierOf } from './evidence.ts';
import type { Judged } from './evidence.ts';
import { flatMetrics } from './metrics.ts';
import type { gateResult } from './shapes.ts';
import type { ModelState } from './state.ts';

export type GateResult = z.infer<typeof gateResult>;
type Outcome = 'passed' | 'failed' | 'not_measured' | 'no_incumbent';

/** An evaluation may carry a clock that is ahead by so much. */
const clockAheadDays = 1;
/** Differences of decimal fractions miss their value by a little: 0.9 - 0.8 is not 0.1. */
const tolerance = 1e-9;

const passing: ReadonlySet<string> = new Set<Outcome>(['passed', 'no_incumbent']);
export const failedOf = (gates: readonly GateResult[]): GateResult[] =>
  gates.filter(({ outcome }) => !passing.has(outcome));

const verdict = (holds: boolean): Outcome => (holds ? 'passed' : 'failed');

function metricOf(
  { facts }: Pick<Judged, 'facts'>,
  { name, split }: { name: string; split: string | null },
): number | null {
  if (split === null) {
    const flat = flatMetrics(facts.metrics);
    // every object has what it inherits, `constructor` for one
    return Object.hasOwn(flat, name) ? flat[name]! : null;
  }
  return facts.metrics.find((one) => one.name === name && one.split === split)?.value ?? null;
}

const compares: Record<
  Extract<Gate, { gate: 'metric' }>['operator'],
  (value: number, threshold: number) => boolean
> = {
  '>=': (value, threshold) => value >= threshold,
  '>': (value, threshold) => value > threshold,
  '<=': (value, threshold) => value <= threshold,
  '<': (value, threshold) => value < threshold,
  '==': (value, threshold) => value === threshold,
};

/** The version in production that a newcomer must beat; not the newcomer itself. */
function incumbentOf(state: ModelState, version: Judged): Judged | null {
  const number = state.model?.production.findLast((other) => other !== version.facts.number);
  return number === undefined ? null : (state.versions.get(number) ?? null);
}

function measure(state: ModelState, version: Judged, gate: Gate, at: string): GateResult {
  const { gate: name, ...asked } = gate;
  const threshold = Object.keys(asked).length === 0 ? null : asked;
  const found = (
    outcome: Outcome,
    value: GateResult['measured'],
    field: string,
    more: { incumbent?: { number: number; value: number | null } } = {},
  ): GateResult => ({
    gate: name,
    outcome,
    measured: value === null ? null : { value, ...supplierOf(version, field), ...more },
    threshold,
  });
  const { facts } = version;
  switch (gate.gate) {
    case 'metric': {
      const value = metricOf(version, gate);
      if (value === null) return found('not_measured', null, 'metrics');
      return found(verdict(compares[gate.operator](value, gate.threshold)), value, 'metrics');
    }
    case 'beats_production': {
      const value = metricOf(version, gate);
      const incumbent = incumbentOf(state, version);
      if (incumbent === null) return found('no_incumbent', value, 'metrics');
      const standing = metricOf(incumbent, gate);
      const against = { incumbent: { number: incumbent.facts.number, value: standing } };
      if (value === null || standing === null)
        return found('not_measured', value, 'metrics', against);
      const better = gate.better === 'higher' ? value - standing : standing - value;
      const beats = better > 0 && better + tolerance >= gate.by_at_least;
      return found(verdict(beats), value, 'metrics', against);
    }
    case 'artifact_verified': {
      const origin = facts.content_digest?.origin ?? null;
      if (origin === null) return found('not_measured', null, 'content_digest');
      const isVerified = version.artifact === 'available' && origin === 'computed';
      return found(verdict(isVerified), { artifact: version.artifact, origin }, 'content_digest');
    }
    case 'has_release_notes': {
      const notes = facts.release_notes?.trim() ?? '';
      return found(verdict(notes !== ''), notes !== '', 'release_notes');
    }
    case 'has_signature':
      return found(verdict(facts.signature !== null), facts.signature !== null, 'signature');
    case 'has_lineage': {
      const { data_versions, code_version, parent_versions, experiment_id, run_id } = facts.lineage;
      const isKnown =
        data_versions.length + parent_versions.length > 0 ||
        [code_version, experiment_id, run_id].some((one) => one !== null && one !== '');
      return found(verdict(isKnown), isKnown, 'lineage');
    }
    case 'slo_ok':
      if (facts.slo_ok === null) return found('not_measured', null, 'slo_ok');
      return found(verdict(facts.slo_ok), facts.slo_ok, 'slo_ok');
    case 'cost_per_1k_max': {
      const cost = facts.cost_per_1k;
      if (cost === null) return found('not_measured', null, 'cost_per_1k');
      return found(verdict(cost <= gate.threshold), cost, 'cost_per_1k');
    }
    case 'evaluated_within_days': {
      const { evaluated_at } = facts;
      if (evaluated_at === null) return found('not_measured', null, 'evaluated_at');
      const days = (Date.parse(at) - Date.parse(evaluated_at)) / dayMs;
      const isRecent = days <= gate.days && days >= -clockAheadDays;
      return found(verdict(isRecent), evaluated_at, 'evaluated_at');
    }
  }
}

/** Every gate, in the policy's order, as it stands at this time. */
export const measureGates = (
  state: ModelState,
  version: Judged,
  gates: readonly Gate[],
  at: string,
): GateResult[] => gates.map((gate) => measure(state, version, gate, at));
