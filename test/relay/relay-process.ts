// A process that only relays: `node relay-process.ts DATABASE_URL TOPIC_PREFIX BROKER…`; it logs JSON lines.
import { pino } from 'pino';
import { startRelay } from './running.ts';

const [databaseUrl, prefix, ...brokers] = process.argv.slice(2);
if (databaseUrl === undefined || prefix === undefined || brokers.length === 0)
  throw new Error('a database, a prefix and a broker, please');
startRelay({ databaseUrl, prefix, brokers, environment: process.env, logger: pino() });
