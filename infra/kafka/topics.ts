// The topics that Modelog writes and reads, and how each is made.
import type { TopicSpec } from './port.ts';

/** So many that a dozen projectors can share them; changing it would move keys, so `ensureTopics` refuses that. */
export const lifecyclePartitions = 12;
/** Pipelines finish seldom beside what the lifecycle does. */
const trainingPartitions = 3;
/** An event's data has at most 512 KiB; Avro, headers and a batch around it stay well below. */
export const messageBytesMax = 2 * 1024 * 1024;
/** A dead letter is the message with its reason in the headers, so it needs a little more. */
const deadLetterBytesMax = messageBytesMax + 256 * 1024;
/** A quarter to look at a dead letter. */
const deadLetterRetentionMs = 90 * 24 * 60 * 60 * 1000;

/** As we send it, so that it costs nothing: the broker unpacks what others send compressed, and holds it to the size it has then. */
const uncompressed = { 'compression.type': 'uncompressed' };

export type Topics = {
  modelLifecycle: TopicSpec;
  trainingCompleted: TopicSpec;
  /** Where a consumer group puts what it could not take from `topic`. */
  deadLetters: (topic: TopicSpec, groupId: string) => TopicSpec;
};

/** @param prefix goes before each topic's name, so that several systems, or tests, share one Kafka. */
export function topicsOf(prefix = ''): Topics {
  return {
    modelLifecycle: {
      topic: `${prefix}model-lifecycle`,
      partitions: lifecyclePartitions,
      config: {
        'retention.ms': '-1',
        'max.message.bytes': String(messageBytesMax),
        ...uncompressed,
      },
    },
    trainingCompleted: {
      topic: `${prefix}training-completed`,
      partitions: trainingPartitions,
      config: {
        'max.message.bytes': String(messageBytesMax),
        // Foreign producers choose their compression; the broker turns it into the one that we can read.
        'compression.type': 'zstd',
      },
    },
    deadLetters: ({ topic }, groupId) => ({
      topic: `${topic}.dlq.${groupId}`,
      partitions: 1,
      config: {
        'retention.ms': String(deadLetterRetentionMs),
        'max.message.bytes': String(deadLetterBytesMax),
        ...uncompressed,
      },
    }),
  };
}
