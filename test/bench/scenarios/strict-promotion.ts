// What a promotion under `strict` with five gates and two approvals costs, measured in registrations.
import { errorFaults, sayDetails, warmUp } from '../load.ts';
import {
  format,
  median,
  verdictOfMost,
  verdictOf,
  type Bench,
  type Scenario,
} from '../scenario.ts';
import { startSystem, type System } from '../system.ts';

const mustRatio = 2;
const aimRatio = 1.5;
// Taken in turns, so that a slower minute of the machine meets both.
const rounds = 5;
const candidatesEach = 1_000;
const connections = 64;
const run = 'strict';

const gates = [
  { gate: 'has_release_notes' },
  { gate: 'has_lineage' },
  { gate: 'has_signature' },
  { gate: 'evaluated_within_days', days: 30 },
  { gate: 'metric', name: 'accuracy', split: null, operator: '>=', threshold: 0.9 },
];

export const strictPromotion: Scenario = {
  name: 'strict-promotion',
  purpose: 'closed loop: promotions under strict with 5 gates against registrations, in turns',
  async run(bench) {
    const system = await startSystem(bench);
    await warmUp(bench, system);
    await prepare(bench, system, rounds * candidatesEach);
    const closed = {
      mode: 'closed',
      connections,
      requestsMax: candidatesEach,
      durationMs: 60_000,
    } as const;
    const promotionRates: number[] = [];
    const registrationRates: number[] = [];
    const faults: string[] = [];
    for (let round = 0; round < rounds; round++) {
      bench.say(`promotions and registrations in turns, round ${round + 1} of ${rounds}`);
      const from = round * candidatesEach;
      const promoted = await system.load({
        ...closed,
        workload: { name: 'promotions', run, from },
      });
      const registered = await system.load({
        ...closed,
        workload: { name: 'registrations', run: `new${round}` },
      });
      promotionRates.push(promoted.rateAchieved);
      registrationRates.push(registered.rateAchieved);
      faults.push(...errorFaults(promoted), ...errorFaults(registered));
      sayDetails(bench, promoted);
    }
    const found = median(registrationRates) / median(promotionRates);
    return [
      {
        what: `a promotion under strict with ${gates.length} gates, in registrations (medians of ${rounds} rounds)`,
        measured: `${format(found)}: ${format(median(promotionRates))}/s against ${format(median(registrationRates))}/s`,
        must: `${mustRatio}`,
        aim: `${aimRatio}`,
        verdict:
          faults.length > 0 ? verdictOf('must', faults) : verdictOfMost(found, mustRatio, aimRatio),
      },
    ];
  },
};

/** Versions that lack nothing any more: whole, said to be fit, in staging, and agreed to by two others. */
async function prepare(bench: Bench, system: System, models: number): Promise<void> {
  bench.say(`preparing ${format(models)} versions for their promotion`);
  const keyOf = async (subject: string, role: string): Promise<string> =>
    String((await system.demand('POST', '/api/v1/api-keys', { subject, role }))['secret']);
  const maker = await keyOf('maker', 'producer');
  const approvers = [await keyOf('eve', 'approver'), await keyOf('max', 'approver')];
  await system.demand('PUT', '/api/v1/policies/tenant', { preset: 'strict', gates });
  const evaluated_at = new Date().toISOString();
  let following = 0;
  const one = async (n: number): Promise<void> => {
    const name = `${run}-${n}`;
    const version = `/api/v1/models/${name}/versions/1`;
    await system.demand('POST', '/api/v1/models', { name }, maker);
    const whole = {
      content_digest: { sha256: n.toString(16).padStart(64, '0') },
      artifact_uri: `s3://models.example/${name}/model.onnx`,
      release_notes: 'Learns from November.',
      signature: { inputs: {}, outputs: {} },
      lineage: { data_versions: ['2026-11'] },
      metrics: { accuracy: 0.95 },
      evaluated_at,
    };
    await system.demand('POST', `/api/v1/models/${name}/versions`, whole, maker);
    await system.demand('POST', `${version}/approve`, {}, approvers[0]);
    await system.demand('POST', `${version}/promote`, { to_stage: 'staging' });
    const asked = { to_stage: 'production', auto_execute: false };
    const { id } = await system.demand('POST', `${version}/promotion-requests`, asked, maker);
    for (const key of approvers) {
      const path = `/api/v1/promotion-requests/${String(id)}/decision`;
      await system.demand('POST', path, { decision: 'approve' }, key);
    }
  };
  const worker = async (): Promise<void> => {
    while (following < models) await one(following++);
  };
  await Promise.all(Array.from({ length: connections }, worker));
}
