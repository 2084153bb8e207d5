// A message that could not be taken, as it goes to the dead letters: untouched, with where it lay and why.
import type { OutgoingMessage, ReceivedMessage, TopicPartition } from './port.ts';

/** A stack or a whole body in a reason would make the letter larger than its topic takes. */
const explanationCharactersMax = 1_000;

/**
 * @param reason a stable code, such as `UndecodableMessage.reason` or a refusal's
 * @param explanation for a person
 */
export function deadLetterOf(
  { key, value, headers, offset }: ReceivedMessage,
  { topic, partition }: TopicPartition,
  reason: string,
  explanation: string,
): OutgoingMessage {
  return {
    key,
    value,
    headers: {
      ...headers,
      dlq_reason: reason,
      dlq_explanation: explanation.slice(0, explanationCharactersMax),
      dlq_topic: topic,
      dlq_partition: String(partition),
      dlq_offset: String(offset),
    },
  };
}
