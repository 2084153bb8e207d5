// What the services ask of a message broker; `broker.ts` answers it with kafkajs.

/** A topic as it must be. `config` holds Kafka's own topic settings and is used when the topic is made. */
export type TopicSpec = {
  topic: string;
  partitions: number;
  config: Readonly<Record<string, string>>;
};

export type OutgoingMessage = {
  /** Messages of one key keep their order; null spreads them over the partitions. */
  key: string | Buffer | null;
  value: string | Buffer | null;
  headers: Readonly<Record<string, string | Buffer>>;
};

/** A message as it lies on the topic, whoever wrote it: nothing in it has been checked. */
export type ReceivedMessage = {
  offset: number;
  key: Buffer | null;
  value: Buffer | null;
  /** Of a header that stands several times, the last; a header without a value is absent. */
  headers: Readonly<Record<string, Buffer>>;
  timestampMs: number;
  /** Why a batch cannot be unpacked, for a person: then this is its last offset, and stands for all its messages. */
  fault?: string;
};

/** Messages of one partition in the order of their offsets, at least one. */
export type Batch = {
  topic: string;
  partition: number;
  /** The offset that was asked for: nothing readable lies between it and the first message. */
  firstOffset: number;
  /** The offset after the last message: what to store once the batch is applied. */
  nextOffset: number;
  /**
   * The offset asked for is not in the topic (its records were deleted, or the topic was made anew), so reading went on
   * at the earliest record there is. Seeking back would only lead here again.
   */
  jumped: boolean;
  messages: readonly ReceivedMessage[];
  /** The partition's end when the batch was read: `highWatermark - nextOffset` messages are still to come. */
  highWatermark: number;
};

export type BatchContext = {
  /** Read on from this offset once the handler has returned; this batch then counts as not handled. */
  seek: (offset: number) => void;
  /** Call between chunks of long work. Rejects when the group is rebalancing: let that error through. */
  heartbeat: () => Promise<void>;
  /** Aborted when the consumer is stopping or has lost its partitions; a handler may finish, or throw. */
  signal: AbortSignal;
};

export type TopicPartition = { topic: string; partition: number };

export type ConsumeOptions = {
  groupId: string;
  /** Made if absent, before the group is joined. */
  topics: readonly TopicSpec[];
  /**
   * Runs for one batch of a partition at a time. When it resolves, the batch is done and Kafka is told, later, never
   * before. An error with `retryable: true` brings the same batch again after a pause; any other ends the consumer.
   */
  onBatch: (batch: Batch, context: BatchContext) => Promise<void>;
  /**
   * The offset to read next, asked for each partition whenever it is assigned; null is the beginning. It decides over
   * what the group committed. Without this function the committed offset decides, or else the beginning.
   */
  position?: (topic: string, partition: number) => Promise<number | null>;
  /** Called once when the consumer has ended by itself; the service should exit with code 1. */
  onCrash: (error: BrokerFailure) => void;
  /** How many partitions may be handled at the same time; 1 unless told. */
  partitionsAtOnce?: number;
  /** Takes many messages at once, up to half a second later, instead of each as soon as it is there. */
  isPatient?: boolean;
};

type ConsumerState = 'connecting' | 'running' | 'paused' | 'crashed' | 'stopped';

export type Consumer = {
  readonly state: ConsumerState;
  /** True while the group is joined and nothing is wrong; also while paused by the caller. */
  readonly running: boolean;
  assigned: () => readonly TopicPartition[];
  /** Stops reading every partition, those assigned later too, and keeps the group membership. */
  pause: () => void;
  resume: () => void;
  /** Ends after the running batch; waits a bounded time. May be called twice. */
  stop: () => Promise<void>;
};

/** Offsets that a send was given in one partition, both inclusive. */
export type SentRange = { partition: number; firstOffset: number; lastOffset: number };

export type Producer = {
  /** False after a rejected send: throw this producer away, make another, and send again from what is known. */
  readonly usable: boolean;
  /**
   * Sends and waits for all replicas, within a deadline. A rejection is in doubt: any part may be on the topic.
   * Must not be called while another send is in flight.
   */
  send: (topic: string, messages: readonly OutgoingMessage[]) => Promise<readonly SentRange[]>;
  close: () => Promise<void>;
};

/** Every method rejects with a `BrokerFailure` and within a bounded time. */
export type Broker = {
  /** Makes absent topics; refuses (not retryable) a topic whose partition count differs. */
  ensureTopics: (specs: readonly TopicSpec[]) => Promise<void>;
  /** The next offset of each partition; empty if there is no such topic. */
  topicEnds: (topic: string) => Promise<ReadonlyMap<number, number>>;
  createProducer: () => Promise<Producer>;
  /** Returns at once and connects in the background, for as long as it takes. */
  consume: (options: ConsumeOptions) => Consumer;
  /** Resolves if a broker answers. */
  ping: () => Promise<void>;
};

/** The part of a pino logger that the broker writes to. */
export type BrokerLog = Record<
  'debug' | 'info' | 'warn' | 'error',
  (facts: object, message: string) => void
>;

/** Why the broker could not do something; `retryable` says whether the same again may succeed. */
export class BrokerFailure extends Error {
  override name = 'BrokerFailure';
  readonly retryable: boolean;
  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable;
  }
}
