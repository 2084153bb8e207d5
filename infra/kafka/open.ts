// Kafka as a service uses it: the broker, the topics' names, and how values are written.
import type { Logger } from '#infra/telemetry/logger.ts';
import { jsonCodec } from './codec.ts';
import type { EventCodec } from './codec.ts';
import type { Broker, BrokerFailure } from './port.ts';
import { topicsOf } from './topics.ts';
import type { Topics } from './topics.ts';

/** What it takes to open the same Kafka again, in another thread. */
export type KafkaSettings = {
  brokers: string[];
  clientId: string;
  schemaRegistryUrl: string | null | undefined;
  topicPrefix: string;
};

export type Kafka = {
  settings: KafkaSettings;
  broker: Broker;
  topics: Topics;
  /** Values of `model-lifecycle`: JSON, or Avro where there is a schema registry. */
  codec: EventCodec;
  /** Goes before the consumer groups' names, as before the topics'. */
  groupPrefix: string;
  /** A consumer that cannot go on while the process lives. */
  onCrash: (error: BrokerFailure) => void;
};

/**
 * Connects to nothing yet; whoever uses it does. Null where no brokers are given: the client and what writes Avro take some
 * 15 MB, and are loaded where they are used.
 */
export async function openKafka(
  options: Omit<KafkaSettings, 'brokers'> & {
    brokers: string[] | null | undefined;
    logger: Logger;
    onCrash: (error: BrokerFailure) => void;
  },
): Promise<Kafka | null> {
  const { brokers, clientId, schemaRegistryUrl, topicPrefix, logger, onCrash } = options;
  if (!brokers) return null;
  const topics = topicsOf(topicPrefix);
  const { createBroker } = await import('./broker.ts');
  const codecOf = async (url: string): Promise<EventCodec> =>
    (await import('./avro-codec.ts')).avroCodec({ url, topic: topics.modelLifecycle.topic });
  return {
    settings: { brokers, clientId, schemaRegistryUrl, topicPrefix },
    broker: createBroker({ brokers, clientId, log: logger }),
    topics,
    codec: schemaRegistryUrl ? await codecOf(schemaRegistryUrl) : jsonCodec(),
    groupPrefix: topicPrefix,
    onCrash,
  };
}
