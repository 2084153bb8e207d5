// Takes finished trainings from Kafka: each becomes a version, what cannot be is put to the dead letters with its reason.
import { LogUnavailable } from '#events/log.ts';
import { defaultTenant } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import type { ProblemCode } from '#infra/http/problems.ts';
import { readTrainingCompleted } from '#infra/kafka/cloudevents.ts';
import type { TrainingCompleted } from '#infra/kafka/cloudevents.ts';
import type { EventCodec } from '#infra/kafka/codec.ts';
import { deadLetterOf, sendsOf } from '#infra/kafka/dead-letter.ts';
import { pauseBefore } from '#infra/kafka/deadline.ts';
import type {
  Batch,
  BatchContext,
  Broker,
  BrokerFailure,
  OutgoingMessage,
  Producer,
  ReceivedMessage,
} from '#infra/kafka/port.ts';
import type { Topics } from '#infra/kafka/topics.ts';
import { UndecodableMessage } from '#infra/kafka/undecodable.ts';
import type { Logger } from '#infra/telemetry/logger.ts';
import { Counter, Gauge } from '#infra/telemetry/metrics.ts';
import type { Registry } from '#infra/telemetry/metrics.ts';
import { trainingActor } from './training-completed.ts';
import type { SubmitTraining } from './training-completed.ts';

/** Its name is the end of the dead letters' topic, `training-completed.dlq.command-api`. */
const trainingGroup = 'command-api';
/** Submitted together, so that they share appends; few enough for a heartbeat in between. */
const chunkMessages = 200;

/** Refusals that say "not now": the message is neither taken nor dead. */
const passing: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'overloaded',
  'in_doubt',
  'conflict',
]);

type Outcome =
  | { outcome: 'recorded' | 'duplicate' }
  | { outcome: 'dead'; reason: string; explanation: string };

export type TrainingConsumer = {
  health: () => { status: 'up' | 'down'; detail: string };
  stop: () => Promise<void>;
};

export function consumeTraining(options: {
  broker: Broker;
  topics: Topics;
  /** Goes before the group's name, so that several systems share one Kafka. */
  groupPrefix: string;
  codec: EventCodec;
  submit: SubmitTraining;
  /** Whether a tenant other than the default one exists. @throws LogUnavailable */
  isTenant: (tenant: string) => Promise<boolean>;
  logger: Logger;
  registry: Registry;
  onCrash: (error: BrokerFailure) => void;
}): TrainingConsumer {
  const { broker, codec, submit, isTenant, logger, registry } = options;
  const topic = options.topics.trainingCompleted;
  const groupId = `${options.groupPrefix}${trainingGroup}`;
  const deadLetters = options.topics.deadLetters(topic, trainingGroup);
  const counter = new Counter({
    name: 'modelog_training_events_total',
    help: 'Messages of finished trainings, by what became of them',
    labelNames: ['outcome'],
    registers: [registry],
  });
  const behind = new Map<number, number>();
  const lag: Gauge = new Gauge({
    name: 'modelog_training_lag_events',
    help: 'Messages of finished trainings not taken yet',
    registers: [registry],
    collect: () => {
      const mine = consumer.assigned().map(({ partition }) => behind.get(partition) ?? 0);
      lag.set(mine.reduce((sum, messages) => sum + messages, 0));
    },
  });
  let producer: Producer | null = null;
  let waitingFor: string | null = null;

  /** Repeats what may succeed later, for as long as it takes: nothing that waits is ever dead. */
  async function persist<Result>(
    what: string,
    { signal, heartbeat }: BatchContext,
    attempt: () => Promise<Result>,
  ): Promise<Result> {
    for (let tries = 1; ; tries++) {
      try {
        const result = await attempt();
        waitingFor = null;
        return result;
      } catch (error) {
        if (!isPassing(error)) throw error;
        waitingFor = what;
        if (tries === 1) logger.warn({ err: error }, `finished trainings wait for ${what}`);
        await pauseBefore(tries, signal);
        signal.throwIfAborted();
        await heartbeat();
      }
    }
  }

  async function take(event: TrainingCompleted): Promise<Outcome> {
    if (event.tenant !== defaultTenant && !(await isTenant(event.tenant)))
      return dead('unknown_tenant', `there is no tenant "${event.tenant}"`);
    try {
      const { duplicate } = await submit(event, trainingActor(event.source));
      return { outcome: duplicate ? 'duplicate' : 'recorded' };
    } catch (error) {
      if (!(error instanceof Problem) || isPassing(error)) throw error;
      if (error.code === 'internal') logger.error({ err: error.cause }, 'a training failed');
      return dead(error.code, JSON.stringify({ title: error.message, ...error.facts }));
    }
  }

  async function read(message: ReceivedMessage): Promise<TrainingCompleted | Outcome> {
    try {
      return await readTrainingCompleted(message, codec);
    } catch (error) {
      if (!(error instanceof UndecodableMessage)) throw error;
      return dead(error.reason, error.message);
    }
  }

  /** Takes the messages: those of one model in their order, those of different models side by side. */
  async function takeAll(messages: readonly ReceivedMessage[]): Promise<Outcome[]> {
    const events = await Promise.all(messages.map(read));
    const lastOfModel = new Map<unknown, Promise<Outcome>>();
    const outcomes = events.map((event): Promise<Outcome> => {
      if ('outcome' in event) return Promise.resolve(event);
      const { model_name } = event.data;
      const before = lastOfModel.get(model_name) ?? Promise.resolve();
      const taken = before.then(() => take(event));
      lastOfModel.set(model_name, taken);
      return taken;
    });
    // Nothing is in flight any more when the chunk is tried again.
    await Promise.allSettled(outcomes);
    return await Promise.all(outcomes);
  }

  async function bury(letters: readonly OutgoingMessage[]): Promise<void> {
    if (producer === null || !producer.usable) {
      await broker.ensureTopics([deadLetters]);
      producer = await broker.createProducer();
    }
    for (const send of sendsOf(letters)) await producer.send(deadLetters.topic, send);
  }

  async function onBatch(batch: Batch, context: BatchContext): Promise<void> {
    for (let from = 0; from < batch.messages.length; from += chunkMessages) {
      const messages = batch.messages.slice(from, from + chunkMessages);
      const outcomes = await persist('the event log', context, () => takeAll(messages));
      const letters = outcomes.flatMap((each, index) =>
        each.outcome === 'dead'
          ? [deadLetterOf(messages[index]!, batch, each.reason, each.explanation)]
          : [],
      );
      if (letters.length > 0)
        await persist('Kafka to take dead letters', context, () => bury(letters));
      for (const { outcome } of outcomes) counter.inc({ outcome });
      await context.heartbeat();
    }
    behind.set(batch.partition, batch.highWatermark - batch.nextOffset);
  }

  const consumer = broker.consume({
    groupId,
    topics: [topic],
    onBatch,
    onCrash: options.onCrash,
  });

  return {
    health: () => ({
      status: consumer.running && waitingFor === null ? 'up' : 'down',
      detail: waitingFor === null ? consumer.state : `waiting for ${waitingFor}`,
    }),
    stop: async () => {
      await consumer.stop();
      await producer?.close();
    },
  };
}

const dead = (reason: string, explanation: string): Outcome => ({
  outcome: 'dead',
  reason,
  explanation,
});

/** Whether the same may succeed later: the log or the broker is away, or the model is too busy just now. */
const isPassing = (error: unknown): boolean =>
  error instanceof LogUnavailable ||
  (error instanceof Problem && passing.has(error.code)) ||
  (error instanceof Error && 'retryable' in error && error.retryable === true);
