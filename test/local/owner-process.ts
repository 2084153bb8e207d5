// Owns a local server until it is killed: `node owner-process.ts postgres|kafka DATA_DIR` prints the server's pid and address.
import { startLocalKafka } from '#infra/local/kafka.ts';
import { startLocalPostgres } from '#infra/local/postgres.ts';

const [kind, dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('A data directory is needed');
const server =
  kind === 'kafka' ? await startLocalKafka({ dataDir }) : await startLocalPostgres({ dataDir });
const address = 'brokers' in server ? server.brokers.join() : server.url;
process.stdout.write(`${server.pid} ${address}\n`);
await server.exited;
