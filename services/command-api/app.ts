// The command API, wired: it asks, decides, appends, and shows the log.
import type { Pool } from 'pg';
import { AssertionFailed } from '#events/decider.ts';
import { tenantStream } from '#events/names.ts';
import type { Retention } from '#events/policy/retention.ts';
import { openAsOf } from '#infra/as-of.ts';
import type { Tokens } from '#infra/auth/tokens.ts';
import type { Failpoint } from '#infra/failpoint.ts';
import type { DependencyHealth } from '#infra/http/operations.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Kafka } from '#infra/kafka/open.ts';
import type { Clock } from '#infra/postgres/clock.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { openRelayState } from '#infra/postgres/relay-state.ts';
import type { HeadFollower } from '#infra/postgres/tail.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import { openAsk } from './ask/ask.ts';
import { bootstrap } from './bootstrap.ts';
import { openWarnOfChildren } from './children.ts';
import { askMetrics, eventStreamsGauge } from './metrics.ts';
import { nameRefusedPromotions } from './refused-promotions.ts';
import { openRegistration } from './register-version.ts';
import { openRelay } from './relay.ts';
import { openResolve } from './resolve.ts';
import { openJudging } from './retention-judging.ts';
import { openRetentionOrders } from './retention-orders.ts';
import { openRetentionPlanning } from './retention-planning.ts';
import { openRetentionPlans } from './retention-plans.ts';
import { auditRoutes } from './routes/audit.ts';
import { eventRoutes } from './routes/events.ts';
import type { EventStreams } from './routes/events.ts';
import { policyRoutes } from './routes/policies.ts';
import { promotionRequestRoutes } from './routes/promotion-requests.ts';
import { holdRoutes } from './routes/holds.ts';
import { keyRoutes } from './routes/keys.ts';
import { bindingRoutes } from './routes/bindings.ts';
import { deploymentRoutes } from './routes/deployments.ts';
import { lifecycleRoutes } from './routes/lifecycle.ts';
import { modelRoutes } from './routes/models.ts';
import { registrationRoutes } from './routes/registration.ts';
import { versionRoutes } from './routes/versions.ts';
import { retentionRoutes } from './routes/retention.ts';
import { retentionPolicyRoutes } from './routes/retention-policies.ts';
import { roleBindingRoutes } from './routes/role-bindings.ts';
import { tenantRoutes } from './routes/tenants.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { transitionRoutes } from './routes/transition.ts';
import { trainingRoutes } from './routes/training.ts';
import { openSettle } from './settle.ts';
import { openStreams } from './streams.ts';
import { openTraining } from './training-completed.ts';
import { consumeTraining } from './training-consumer.ts';
import type { TrainingConsumer } from './training-consumer.ts';

/** Builds the service on a migrated database. `start` makes the first tenant and keys, and begins to relay. */
export function commandApiApp(deps: {
  databaseUrl: string;
  pool: Pool;
  follower: HeadFollower;
  clock: Clock;
  registry: Registry;
  logger: Logger;
  failpoint: Failpoint;
  /** Null where there are no access tokens. */
  tokens: Tokens | null;
  /** How long versions stay where no policy says otherwise. */
  kept: Retention;
  /** What a registration takes as a model's type, beside what the documents name. */
  modelTypes: readonly string[];
  /** Null where nothing goes by Kafka. */
  kafka: Kafka | null;
}) {
  const { pool, follower, clock, registry, failpoint, kept, modelTypes, kafka } = deps;
  const logger = deps.logger.child({ service: 'command-api' });
  const log = openPostgresLog({
    url: deps.databaseUrl,
    pool,
    failpoint,
    onError: (error) => logger.warn({ err: error }, 'the append connection broke'),
  });
  const streams = openStreams(log, (error) =>
    logger.warn({ err: error }, 'a snapshot was not saved'),
  );
  const resolve = openResolve(log);
  const asOf = openAsOf(log, clock);
  const ask = openAsk({
    log,
    streams,
    now: clock.now,
    metrics: askMetrics(registry, () => ask.waitingCommands()),
    onBug: (error, where) =>
      logger.error(
        { err: error, where, isAssertion: error instanceof AssertionFailed },
        'a command failed',
      ),
  });
  const warnOfChildren = openWarnOfChildren({ log, streams });
  const plans = openRetentionPlans(pool);
  const judging = openJudging({ streams, kept });
  const orders = openRetentionOrders({ ask, streams, plans, judging, now: clock.now });
  const plan = openRetentionPlanning({ streams, plans, judging, now: clock.now });
  const settle = openSettle({ ask, streams });
  const registerVersion = openRegistration({ ask, resolve });
  const submitTraining = openTraining(registerVersion);
  const relay =
    kafka === null
      ? null
      : openRelay({
          log,
          state: openRelayState(pool, kafka.topics.modelLifecycle.topic),
          follower,
          broker: kafka.broker,
          topic: kafka.topics.modelLifecycle,
          codec: kafka.codec,
          registry,
          logger,
          failpoint,
        });
  let training: TrainingConsumer | null = null;
  let eventStreams: EventStreams | null = null;
  eventStreamsGauge(registry, () => eventStreams?.count() ?? 0);

  /** What is served under `/api/v1` and, for documents [2] and [3], without a prefix. */
  function writeRoutes(server: HttpServer): void {
    const asking = { ask, resolve };
    nameRefusedPromotions(server, { log, resolve });
    modelRoutes(server, { ...asking, warnOfChildren });
    registrationRoutes(server, { registerVersion, modelTypes });
    versionRoutes(server, { ...asking, warnOfChildren });
    lifecycleRoutes(server, asking);
    transitionRoutes(server, asking);
    deploymentRoutes(server, asking);
    bindingRoutes(server, asking);
    holdRoutes(server, asking);
    retentionPolicyRoutes(server, { ask, resolve, streams, asOf, kept });
    retentionRoutes(server, { ask, resolve, orders, plan, newestKept: kept.newest_kept });
  }

  /** A tenant exists once its stream does. */
  async function isTenant(tenant: string): Promise<boolean> {
    const stream = tenantStream(tenant);
    return (await log.lookUp([stream], [])).versions.get(stream)! > 0;
  }

  return {
    log,
    ask,
    resolve,
    streams,
    submitTraining,

    /** Every route of this service; mount under `/api/v1`. */
    routes(server: HttpServer): void {
      writeRoutes(server);
      policyRoutes(server, { ask, resolve, streams, asOf, kept });
      promotionRequestRoutes(server, { ask, resolve, settle, now: clock.now });
      keyRoutes(server, { ask, streams });
      roleBindingRoutes(server, { ask, streams });
      tenantRoutes(server, { ask, pool });
      tokenRoutes(server, { tokens: deps.tokens });
      auditRoutes(server, { pool, resolve });
      trainingRoutes(server, { submitTraining });
      eventStreams = eventRoutes(server, { log, resolve, follower });
    },

    /** The routes that documents [2] and [3] also address without a prefix. */
    bareRoutes(server: HttpServer): void {
      writeRoutes(server);
    },

    async start(secrets: {
      adminKey: string | undefined;
      serviceKey: string | undefined;
    }): Promise<void> {
      const { hasAdmin, serviceKeyRevoked } = await bootstrap({ ask, streams, pool }, secrets);
      if (serviceKeyRevoked)
        logger.warn(
          'another service key was in use on this database and is revoked: what runs with it can archive nothing any more. Give all processes on one database the same MODELOG_SERVICE_KEY',
        );
      if (!hasAdmin)
        logger.warn(
          'no key is an admin’s, who could make others: start once with MODELOG_ADMIN_KEY',
        );
      if (kafka === null) return;
      relay?.start();
      training = consumeTraining({ ...kafka, submit: submitTraining, isTenant, logger, registry });
    },

    async health(): Promise<Record<string, DependencyHealth>> {
      return {
        ...(relay && { relay: relay.health() }),
        ...(training && { training_completed: training.health() }),
      };
    },

    /** Ends event streams, so that the server can close. */
    endStreams(): void {
      eventStreams?.closeAll();
    },

    /** Answers everything that was taken in, then closes its connection. */
    async stop(): Promise<void> {
      await training?.stop();
      await ask.drain();
      await relay?.stop();
      await log.close();
    },
  };
}
