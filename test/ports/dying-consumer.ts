// A process that begins a batch and never ends it, for the test that kills it: topic, group and brokers are its arguments.
import { createBroker } from '#infra/kafka/broker.ts';

const [topic, groupId, ...brokers] = process.argv.slice(2);
if (topic === undefined || groupId === undefined)
  throw new Error('topic, group and brokers, please');
const silent = { debug() {}, info() {}, warn() {}, error() {} };

createBroker({ brokers, clientId: 'dying', log: silent }).consume({
  groupId,
  topics: [{ topic, partitions: 1, config: {} }],
  onBatch: async ({ messages }) => {
    console.log(messages.map(({ value }) => String(value)).join(' '));
    await Promise.withResolvers<never>().promise;
  },
  onCrash: (error) => {
    throw error;
  },
});
