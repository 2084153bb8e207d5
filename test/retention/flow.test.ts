// Retention from the first event to the archived version: on a real log, through the real API, years in a moment.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBroker } from '#infra/kafka/broker.ts';
import { jsonCodec } from '#infra/kafka/codec.ts';
import { toMessage } from '#infra/kafka/envelope.ts';
import type { OutgoingMessage } from '#infra/kafka/port.ts';
import { topicsOf } from '#infra/kafka/topics.ts';
import type { Topics } from '#infra/kafka/topics.ts';
import type { ArchiveVersion } from '#services/retention/archive.ts';
import { eventually } from '#test/eventually.ts';
import { kafkaBrokers, topicPrefix } from '#test/real/kafka.ts';
import { adminKey, serviceKey, startRegistry } from './registry.ts';
import type { TestRegistry } from './registry.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let registry: TestRegistry;
beforeEach(async () => {
  registry = await startRegistry();
});
afterEach(() => registry.stop());

type Retention = ReturnType<TestRegistry['retention']>;

const hasRead = (retention: Retention): Promise<void> => registry.hasRead(retention);

const archivedNumbers = async (name: string) =>
  (await registry.archived()).filter((each) => each.name === name).map(({ number }) => number);

describe('a deployment that nobody reports on', () => {
  const alerts = async () => {
    const { rows } = await registry.pool.query<{ kind: string; number: number; detail: object }>(
      `select data ->> 'kind' as kind, (data ->> 'number')::int as number, data -> 'detail' as detail
       from log.events where type = 'alert.raised' order by position`,
    );
    return rows;
  };
  const failures = async () => {
    const { rows } = await registry.pool.query<{ id: string; cause: string; actor: string }>(
      `select data ->> 'deployment_id' as id, data ->> 'cause' as cause, metadata -> 'actor' ->> 'type' as actor
       from log.events where type = 'deployment.failed' order by position`,
    );
    return rows;
  };
  const deployment = (number: number, status = 'requested') =>
    registry.ask(`/models/churn/versions/${number}/deployments`, { environment: 'eu', status });

  it('has failed after a day, of a model that was made just now, and an alert says so, once', async () => {
    await registry.model('churn', 2);
    const asked = await deployment(1);
    const begun = await deployment(2);
    await registry.ask(`/deployments/${String(begun['id'])}/status`, { status: 'deploying' });
    const done = await deployment(1, 'deployed');
    const retention = registry.retention();
    await hasRead(retention);
    retention.onDay(0.9);
    expect((await retention.sweepOnce()).timed_out).toBe(0);
    expect(await failures()).toEqual([]);
    retention.onDay(1.1);
    expect(await retention.sweepOnce()).toMatchObject({ timed_out: 2, archived: 0, failed: 0 });
    const failed = { cause: 'timed_out', actor: 'service' };
    expect(await failures()).toEqual([
      { id: asked['id'], ...failed },
      { id: begun['id'], ...failed },
    ]);
    expect(await alerts()).toMatchObject([
      { kind: 'deployment_timed_out', number: 1, detail: { status: 'requested' } },
      { kind: 'deployment_timed_out', number: 2, detail: { status: 'deploying' } },
    ]);
    await hasRead(retention);
    retention.onDay(2);
    expect((await retention.sweepOnce()).timed_out).toBe(0);
    expect((await registry.ask(`/deployments/${String(done['id'])}/undeploy`, {}))['status']).toBe(
      'undeployed',
    );
  });

  it('lets its version go by age as any other, once it has failed', async () => {
    await registry.model('churn', 5);
    await deployment(2);
    const retention = registry.retention();
    await hasRead(retention);
    retention.onDay(1.1);
    expect((await retention.sweepOnce()).timed_out).toBe(1);
    await hasRead(retention);
    retention.onDay(32);
    await retention.sweepOnce();
    // the first is the default by itself, which protects nothing
    expect(new Set(await archivedNumbers('churn'))).toEqual(new Set([1, 2]));
  });

  it('is left alone if a report comes while it is judged', async () => {
    await registry.model('churn', 1);
    const asked = await deployment(1);
    const retention = registry.retention({
      failpoint: async () => {
        await registry.ask(`/deployments/${String(asked['id'])}/status`, { status: 'deployed' });
      },
    });
    await hasRead(retention);
    retention.onDay(1.1);
    expect((await retention.sweepOnce()).timed_out).toBe(0);
    expect(await failures()).toEqual([]);
    expect(await alerts()).toEqual([]);
  });
});

describe('the announced end of a version', () => {
  it('raises an alert once when it comes, of a model that was made just now, and undeploys nothing', async () => {
    await registry.model('churn', 2);
    const deployment = await registry.ask('/models/churn/versions/1/deployments', {
      environment: 'eu',
      status: 'deployed',
    });
    const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
    await registry.ask('/models/churn/versions/1/deprecate', { sunset_at: inHours(12) });
    const retention = registry.retention();
    await hasRead(retention);
    retention.onDay(0.4);
    expect((await retention.sweepOnce()).sunsets).toBe(0);
    retention.onDay(0.6);
    expect((await retention.sweepOnce()).sunsets).toBe(1);
    await hasRead(retention);
    expect((await retention.sweepOnce()).sunsets).toBe(0);
    retention.onDay(900);
    expect((await retention.sweepOnce()).sunsets).toBe(0);
    const { rows } = await registry.pool.query(
      "select data -> 'detail' -> 'uses' -> 0 ->> 'deployment_id' as used_by from log.events where type = 'alert.raised'",
    );
    expect(rows).toEqual([{ used_by: deployment['id'] }]);
    const moved = await registry.ask('/models/churn/versions/1/deprecate', {
      sunset_at: inHours(24 * 1_000),
    });
    expect(moved).toMatchObject({ stage: 'deprecated', deployed_to: ['eu'] });
    await hasRead(retention);
    retention.onDay(1_001);
    expect((await retention.sweepOnce()).sunsets).toBe(1);
  });
});

describe('years pass', () => {
  it('and exactly what nothing uses and nothing keeps is archived, with why', async () => {
    await registry.model('churn', 6);
    await registry.ask('/models/churn/versions/1/promote', { to_stage: 'production' });
    await registry.ask('/models/churn/versions/2/promote', { to_stage: 'staging' });
    await registry.ask('/models/churn/versions/3/deployments', {
      environment: 'eu-prod',
      status: 'deployed',
    });
    await registry.model('small', 3);
    await registry.model('retired', 4);
    await registry.ask('/models/retired/versions/1/promote', { to_stage: 'production' });
    await registry.ask('/models/retired/versions/1/deprecate', {});

    const retention = registry.retention();
    await hasRead(retention);
    const nothing = { archived: 0, timed_out: 0, sunsets: 0, failed: 0 };
    retention.onDay(0.9);
    // the one that was deprecated could have an end before any age
    expect(await retention.sweepOnce()).toEqual({ looked_at: 1, ...nothing });
    // whatever policy says, nothing is due before a day; from the first look on the time is exact
    retention.onDay(1.1);
    expect(await retention.sweepOnce()).toEqual({ looked_at: 3, ...nothing });
    retention.onDay(89.9);
    expect(await retention.sweepOnce()).toEqual({ looked_at: 0, ...nothing });
    retention.onDay(91);
    await retention.sweepOnce();
    expect(await registry.archived()).toEqual([
      {
        name: 'churn',
        number: 2,
        cause: 'retention_age',
        rule: { type: 'age_days', limit: 90, measured: 91 },
      },
    ]);
    retention.onDay(364);
    expect((await retention.sweepOnce()).archived).toBe(0);
    retention.onDay(366);
    await retention.sweepOnce();
    expect((await registry.archived()).slice(1)).toEqual([
      {
        name: 'retired',
        number: 1,
        cause: 'retention_age',
        rule: { type: 'age_days', limit: 365, measured: 366 },
      },
    ]);
    retention.onDay(3_650);
    expect((await retention.sweepOnce()).archived).toBe(0);
    expect(await archivedNumbers('small')).toEqual([]);
  });

  it('and a promotion request that waits is looked at by the next sweep, and again within the hour', async () => {
    await registry.model('asked', 1);
    const { id } = await registry.ask('/models/asked/versions/1/promotion-requests', {
      to_stage: 'production',
      auto_execute: false,
    });
    const retention = registry.retention();
    await hasRead(retention);
    expect(await retention.sweepOnce()).toMatchObject({ looked_at: 1, failed: 0 });
    expect((await retention.sweepOnce()).looked_at).toBe(0);
    retention.onDay(1);
    expect(await retention.sweepOnce()).toMatchObject({ looked_at: 1, failed: 0 });
    expect(await registry.ask(`/promotion-requests/${String(id)}/withdraw`, {})).toMatchObject({
      state: 'withdrawn',
    });
  });

  it('and a version is archived once its last use is over, and one that a new version pushed out', async () => {
    await registry.model('churn', 4);
    const deployment = await registry.ask('/models/churn/versions/1/deployments', {
      environment: 'eu-prod',
      status: 'deployed',
    });
    const retention = registry.retention();
    await hasRead(retention);
    retention.onDay(400);
    await retention.sweepOnce();
    expect(await archivedNumbers('churn')).toEqual([]);

    await registry.ask(`/deployments/${String(deployment['id'])}/undeploy`, {});
    await hasRead(retention);
    await retention.sweepOnce();
    expect(await archivedNumbers('churn')).toEqual([1]);

    await registry.ask('/models/churn/versions', {});
    await hasRead(retention);
    await retention.sweepOnce();
    expect(await archivedNumbers('churn')).toEqual([1, 2]);
  });

  it('and a version that retention would archive is kept when somebody starts to use it', async () => {
    await registry.model('churn', 4);
    const retention = registry.retention();
    await hasRead(retention);
    retention.onDay(30.1);
    await registry.ask('/models/churn/versions/1/promote', { to_stage: 'production' });
    await retention.sweepOnce();
    expect(await registry.archived()).toEqual([]);
  });
});

describe('between the judgement and the archiving', () => {
  /** Something happens once, right before the first order is given. */
  const first =
    (happens: () => Promise<unknown>) =>
    (real: ArchiveVersion): ArchiveVersion => {
      let happened = false;
      return async (order, signal) => {
        if (!happened) {
          happened = true;
          await happens();
        }
        return await real(order, signal);
      };
    };

  it('a version that came into use is not archived', async () => {
    await registry.model('churn', 4);
    const retention = registry.retention({
      archive: first(() =>
        registry.ask('/models/churn/versions/1/promote', { to_stage: 'production' }),
      ),
    });
    await hasRead(retention);
    retention.onDay(31);
    expect(await retention.sweepOnce()).toEqual({
      looked_at: 1,
      archived: 0,
      timed_out: 0,
      sunsets: 0,
      failed: 0,
    });
    expect(await registry.archived()).toEqual([]);
  });

  it('a version that became one of the newest is not archived', async () => {
    await registry.model('churn', 4);
    const retention = registry.retention({
      archive: first(() => registry.ask('/models/churn/versions/4/archive', {})),
    });
    await hasRead(retention);
    retention.onDay(31);
    expect((await retention.sweepOnce()).archived).toBe(0);
    expect(await registry.archived()).toMatchObject([{ number: 4, cause: 'manual' }]);
  });

  it('an order whose answer was lost is given again, and archives once', async () => {
    await registry.model('churn', 4);
    const retention = registry.retention({
      archive: (real) => async (order, signal) => {
        await real(order, signal);
        return await real(order, signal);
      },
    });
    await hasRead(retention);
    retention.onDay(31);
    expect((await retention.sweepOnce()).archived).toBe(1);
    expect(await archivedNumbers('churn')).toEqual([1]);
  });

  it('an API that does not answer ends the sweep, and the next one finishes it', async () => {
    await registry.model('churn', 5);
    let isAway = true;
    const retention = registry.retention({
      archive: (real) => async (order, signal) => {
        if (isAway) throw new Error('away');
        return await real(order, signal);
      },
    });
    await hasRead(retention);
    retention.onDay(31);
    expect(await retention.sweepOnce()).toEqual({
      looked_at: 1,
      archived: 0,
      timed_out: 0,
      sunsets: 0,
      failed: 1,
    });
    isAway = false;
    expect((await retention.sweepOnce()).archived).toBe(2);
    expect(await archivedNumbers('churn')).toEqual([2, 1]);
  });
});

it('two sweeps at once share the models and archive each version once', async () => {
  for (const name of ['a', 'b', 'c', 'd']) await registry.model(name, 5);
  const one = registry.retention();
  await hasRead(one);
  // whoever starts anew has every model looked at again, and whoever still reads notes it again: both would take claims away
  const other = registry.retention();
  await eventually(() =>
    [one, other].every((each) => each.health()['retention']!['last_sweep'] !== null),
  );
  one.onDay(31);
  other.onDay(31);
  const reports = await Promise.all([one.sweepOnce(), other.sweepOnce()]);
  expect(reports.map(({ archived }) => archived).reduce((sum, each) => sum + each)).toBe(8);
  expect(await registry.archived()).toHaveLength(8);
});

it('a lower count to keep makes every model be looked at again', async () => {
  await registry.model('churn', 5);
  const generous = registry.retention({ newestKept: 5 });
  await hasRead(generous);
  generous.onDay(400);
  expect((await generous.sweepOnce()).archived).toBe(0);
  await generous.stop();
  const strict = registry.retention({ newestKept: 2 });
  strict.onDay(400);
  await eventually(async () => {
    await strict.sweepOnce();
    expect(await archivedNumbers('churn')).toEqual([3, 2, 1]);
  });
});

it('events that come by Kafka, junk between them, lead to the same', async () => {
  await registry.model('churn', 4);
  const groupPrefix = topicPrefix();
  const topics = topicsOf(groupPrefix);
  const topic = topics.modelLifecycle;
  const broker = createBroker({ brokers: kafkaBrokers(), clientId: 'test', log: silent });
  await broker.ensureTopics([topic]);
  const events = await registry.commandApi.log.readAll(0, 100, { tenant: null, modelsOnly: true });
  const messages = await Promise.all(events.map((event) => toMessage(event, jsonCodec())));
  const junk = { key: null, value: 'junk', headers: { ce_source: 'modelog', ce_type: 'junk' } };
  const producer = await broker.createProducer();
  const { headers } = messages[0]!;
  const unstorable = [
    { ...messages[0]!, headers: { ...headers, ce_subject: 'model:default:a\u0000b' } },
    { ...messages[0]!, headers: { ...headers, ce_recordedat: '+275760-09-13T00:00:00.000Z' } },
  ];
  await producer.send(topic.topic, [junk, ...unstorable, ...messages, junk, ...messages.slice(-1)]);
  await producer.close();

  const retention = registry.retention({ kafka: { broker, topics, groupPrefix } });
  await eventually(async () => {
    const { rows } = await registry.pool.query('select from retention.due');
    expect(rows).toHaveLength(1);
  });
  retention.onDay(31);
  expect((await retention.sweepOnce()).archived).toBe(1);
  expect(await archivedNumbers('churn')).toEqual([1]);
  await eventually(async () =>
    expect(await retention.registry.metrics()).toMatch(/modelog_retention_lag_events 0/),
  );
});

it('a topic that was made anew while nobody read it is read from its beginning, also where it is longer', async () => {
  await registry.model('churn', 4);
  const events = await registry.commandApi.log.readAll(0, 100, { tenant: null, modelsOnly: true });
  const broker = createBroker({ brokers: kafkaBrokers(), clientId: 'test', log: silent });
  const junk = { key: events[0]!.stream, value: 'junk', headers: { ce_type: 'junk' } };
  const messages = await Promise.all(events.map((event) => toMessage(event, jsonCodec())));
  /** Reads a topic of just these until the last one is written down as read. */
  async function readAll(topics: Topics, sent: readonly OutgoingMessage[]): Promise<void> {
    await broker.ensureTopics([topics.modelLifecycle]);
    const producer = await broker.createProducer();
    await producer.send(topics.modelLifecycle.topic, sent);
    await producer.close();
    const retention = registry.retention({ kafka: { broker, topics, groupPrefix: topicPrefix() } });
    await eventually(async () => {
      const { rows } = await registry.pool.query(
        'select from retention.checkpoints where source like $1 and next = $2',
        [`${topics.modelLifecycle.topic}/%`, sent.length],
      );
      expect(rows).toHaveLength(1);
    });
    await retention.stop();
  }
  const before = topicsOf(topicPrefix());
  await readAll(before, [junk, junk]);
  const anew = topicsOf(topicPrefix());
  // as if it had the same name, which Kafka gives free only some time after a deletion
  await registry.pool.query('update retention.checkpoints set source = replace(source, $1, $2)', [
    before.modelLifecycle.topic,
    anew.modelLifecycle.topic,
  ]);
  await readAll(anew, messages);
  const { rows } = await registry.pool.query('select from retention.due');
  expect(rows).toHaveLength(1);
});

it('nobody but a service says that retention archived', async () => {
  await registry.model('churn', 4);
  const archive = (key: string) =>
    fetch(`${registry.apiUrl}/api/v1/models/churn/versions/1/archive`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ cause: 'retention_age' }),
    });
  expect((await archive(adminKey)).status).toBe(403);
  expect((await archive(serviceKey)).status).toBe(200);
});

describe('a deleted model', () => {
  const call = async (
    method: string,
    path: string,
    body: object,
  ): Promise<Record<string, unknown>> => {
    const response = await fetch(`${registry.apiUrl}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  };

  it('keeps no sweep from its work, and is looked at again once it is restored', async () => {
    const retention = registry.retention();
    for (const name of ['gone', 'stays']) await registry.model(name, 5);
    await registry.ask('/models/gone/versions/5/promotion-requests', {
      to_stage: 'staging',
      auto_execute: false,
    });
    const { id } = await call('DELETE', '/models/gone', {});
    await hasRead(retention);
    retention.onDay(60);
    expect(await retention.sweepOnce()).toMatchObject({ archived: 2, failed: 0 });
    expect(await retention.sweepOnce()).toMatchObject({ looked_at: 0, failed: 0 });
    expect(await archivedNumbers('gone')).toEqual([]);
    expect(await archivedNumbers('stays')).toEqual([2, 1]);

    await call('POST', `/models/${String(id)}/restore`, {});
    await hasRead(retention);
    expect(await retention.sweepOnce()).toMatchObject({ archived: 2, failed: 0 });
    expect(await archivedNumbers('gone')).toEqual([2, 1]);
  });
});
