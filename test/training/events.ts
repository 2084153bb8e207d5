// Finished trainings as pipelines tell of them, for the tests of every way in.
import { randomUUID } from 'node:crypto';

export const churnTraining = {
  model_name: 'churn',
  framework: 'xgboost',
  metrics: { test: { accuracy: 0.91, f1_score: 0.88 } },
  artifact_uri: 's3://models/churn/1',
  content_digest: { sha256: 'a'.repeat(64) },
  hyperparameters: { depth: 6, rate: 0.1 },
  lineage: { data_versions: ['customers@2026-10'], code_version: '4f2a9c1', run_id: 'run-17' },
};

/** A structured CloudEvent; without an id it gets one of its own. */
export const cloudEvent = (data: object, attributes: object = {}) => ({
  specversion: '1.0',
  id: randomUUID(),
  source: '/pipelines/nightly',
  type: 'training.completed',
  time: '2026-11-20T22:15:00.000Z',
  data,
  ...attributes,
});

export type CloudEvent = ReturnType<typeof cloudEvent>;
