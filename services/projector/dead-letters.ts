// Sends to the dead letters what the projector could not take: awaited, one send in flight, a new producer after a failure.
import { sendsOf } from '#infra/kafka/dead-letter.ts';
import type { Broker, OutgoingMessage, Producer, TopicSpec } from '#infra/kafka/port.ts';

export type DeadLetters = {
  /** @throws BrokerFailure; then the same letters may be sent again */
  send: (letters: readonly OutgoingMessage[]) => Promise<void>;
  close: () => Promise<void>;
};

/** Nothing is connected, and no topic made, before there is a first letter. */
export function openDeadLetters(broker: Broker, topic: TopicSpec): DeadLetters {
  let producer: Producer | null = null;
  return {
    send: async (letters) => {
      if (letters.length === 0) return;
      if (producer === null) await broker.ensureTopics([topic]);
      if (!producer?.usable) producer = await broker.createProducer();
      for (const send of sendsOf(letters)) await producer.send(topic.topic, send);
    },
    close: async () => producer?.close(),
  };
}
