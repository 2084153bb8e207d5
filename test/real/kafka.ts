// The run's real Kafka, and names that keep the tests apart on it.
import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';

/** The addresses, `host:port`, of the run's Kafka. */
export function kafkaBrokers(): string[] {
  return inject('kafkaBrokers');
}

/** A prefix for the names of one test's topics and groups. */
export function topicPrefix(): string {
  return `test-${randomUUID().slice(0, 8)}.`;
}
