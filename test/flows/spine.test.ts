// A model's first life, as a stranger would lead it, through a real system: REST, log, topic, views.
import { mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import { checkLog } from '#test/checker/log.ts';
import { checkTopic } from '#test/checker/topic.ts';
import { checkViews } from '#test/checker/views.ts';
import { adminKey, startSystem } from '#test/crash/running-system.ts';
import type { RunningSystem } from '#test/crash/running-system.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { eventually } from '#test/eventually.ts';
import { freshDatabase } from '#test/real/postgres.ts';
import type { FreshDatabase } from '#test/real/postgres.ts';

type Json = Record<string, unknown>;
type Reply = { status: number; body: Json; headers: Headers };

describe.each(['the log', 'Kafka'] as const)('with views from %s', (source) => {
  let database: FreshDatabase;
  let system: RunningSystem;
  const prefix = topicPrefix();

  beforeAll(async () => {
    database = await freshDatabase();
    system = await startSystem({
      databaseUrl: database.url,
      dataDir: await mkdtemp(path.join(inject('runFolder'), 'data-')),
      ...(source === 'Kafka' && { kafka: { brokers: kafkaBrokers(), topicPrefix: prefix } }),
    });
    // views that read Kafka are behind until their group has met
    await eventually(async () => !(await ask('GET', '/models')).headers.has('x-stale'));
  });
  afterAll(async () => {
    await system.kill('SIGTERM');
    await database.drop();
  });

  async function ask(method: string, route: string, body?: object): Promise<Reply> {
    const response = await fetch(`${system.url}/api/v1${route}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    return {
      status: response.status,
      body: (await response.json()) as Json,
      headers: response.headers,
    };
  }

  /** A write, whose answer must be what a read finds right after it. */
  async function write(
    method: string,
    route: string,
    body: object,
    readAt: (answer: Json) => string,
  ): Promise<Reply> {
    const written = await ask(method, route, body);
    expect(written.status, JSON.stringify(written.body)).toBeLessThan(300);
    // views that are far behind, as on a busy machine, are answered at once and say so: then it is asked again
    const read = await eventually(async () => {
      const answered = await ask('GET', readAt(written.body));
      expect(answered.headers.get('x-stale')).toBeNull();
      return answered;
    });
    expect(read.body).toEqual(written.body);
    expect(read.headers.get('etag')).toBe(written.headers.get('etag'));
    expect(Number(read.headers.get('x-position'))).toBeGreaterThanOrEqual(
      written.body['position'] as number,
    );
    return written;
  }

  const ofVersion = (answer: Json): string => `/models/fraud/versions/${String(answer['number'])}`;
  const ofDeployment = (answer: Json): string => `/deployments/${String(answer['id'])}`;

  it('is registered, versioned, promoted, deployed, displaced and archived, and each read is as fresh as the write', async () => {
    await write(
      'POST',
      '/models',
      { name: 'fraud', framework: 'sklearn', tags: { team: 'risk' } },
      () => '/models/fraud',
    );
    await write(
      'PATCH',
      '/models/fraud',
      { description: 'card fraud', tags: { tier: '1' } },
      () => '/models/fraud',
    );
    await write(
      'POST',
      '/models/fraud/versions',
      { label: '1.0.0', metrics: { test: { auc: 0.91 } } },
      ofVersion,
    );
    await write(
      'POST',
      '/models/fraud/versions',
      { label: '1.1.0', metrics: { accuracy: 0.95 } },
      ofVersion,
    );
    await write('POST', '/models/fraud/versions', { label: '1.2.0' }, ofVersion);
    await write('POST', '/models/fraud/versions/1/test', {}, ofVersion);
    await write('POST', '/models/fraud/versions/1/approve', { reason: 'fit' }, ofVersion);
    await write(
      'POST',
      '/models/fraud/versions/1.0.0/promote',
      { to_stage: 'production' },
      ofVersion,
    );
    const deployed = await write(
      'POST',
      '/models/fraud/versions/1/deployments',
      { environment: 'eu-prod', region: 'eu-1' },
      ofDeployment,
    );
    const { id } = deployed.body;
    await write('POST', `/deployments/${String(id)}/status`, { status: 'deploying' }, ofDeployment);
    await write('POST', `/deployments/${String(id)}/status`, { status: 'deployed' }, ofDeployment);
    await write(
      'POST',
      '/models/fraud/versions/1.1.0/promote',
      { to_stage: 'production', reason: 'better' },
      ofVersion,
    );
    await write('PUT', '/models/fraud/default', { version: '1.1.0' }, ofVersion);
    await write('POST', `/deployments/${String(id)}/undeploy`, {}, ofDeployment);
    await write('POST', '/models/fraud/versions/1/archive', { reason: 'replaced' }, ofVersion);
    await write('POST', '/models/fraud/versions/1/restore', { to_stage: 'staging' }, ofVersion);
    await write('POST', '/models/fraud/versions/1/demote', {}, ofVersion);
    await write('POST', '/models/fraud/versions/3/deprecate', {}, ofVersion);
  });

  it('is shown in lists, the timeline and the counts', async () => {
    const models = await ask('GET', '/models?framework=sklearn&stage=production&tag=team:risk');
    expect(models.body['items']).toMatchObject([
      { name: 'fraud', production_version: 2, default_version: 2 },
    ]);
    const versions = await ask('GET', '/models/fraud/versions?is_default=true');
    expect(versions.body['items']).toMatchObject([{ label: '1.1.0', stage: 'production' }]);
    const timeline = await ask('GET', '/models/fraud/timeline?page_size=1000');
    const types = (timeline.body['items'] as { type: string }[]).map(({ type }) => type);
    for (const type of [
      'model.registered',
      'model.versioned',
      'model.promoted',
      'version.superseded',
      'model.deployed',
      'model.archived',
      'version.restored',
    ])
      expect(types).toContain(type);
    const deployments = await ask('GET', '/deployments?environment=eu-prod&status=undeployed');
    expect(deployments.body['items']).toHaveLength(1);
    const stats = await ask('GET', '/stats');
    expect(stats.body).toMatchObject({ total_models: 1, total_versions: 3, active_deployments: 0 });
  });

  it('is the same in the log, in the views and on the topic', async () => {
    expect(await checkLog(database.url, [])).toEqual([]);
    expect(await checkViews(database.url)).toEqual([]);
    if (source !== 'Kafka') return;
    await eventually(async () =>
      expect(
        await checkTopic({
          databaseUrl: database.url,
          brokers: kafkaBrokers(),
          topic: topicsOf(prefix).modelLifecycle,
          codec: jsonCodec(),
        }),
      ).toEqual([]),
    );
  });

  it('shows its health, with each dependency', async () => {
    const health = (await (await fetch(`${system.url}/health`)).json()) as {
      dependencies: Record<string, { status: string }>;
    };
    expect(health.dependencies['postgres']).toMatchObject({ status: 'up' });
    const relay = health.dependencies['relay']?.status ?? 'none';
    expect(relay).toBe(source === 'Kafka' ? 'up' : 'none');
  });
});
