// The thread of a projection: its own connections, the same projection, and word of every batch to the main thread.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#events/decider.ts';
import { failpointsFrom } from '#infra/failpoint.ts';
import { openKafka } from '#infra/kafka/open.ts';
import { openPool } from '#infra/postgres/connect.ts';
import { openPostgresLog } from '#infra/postgres/log.ts';
import { followHead } from '#infra/postgres/tail.ts';
import { openLogger } from '#infra/telemetry/logger.ts';
import type { LogLevel } from '#infra/telemetry/log-levels.ts';
import { startProjection } from './project.ts';
import type { Observer, Projection } from './projection.ts';
import type { ThreadMessage, ThreadSettings } from './thread.ts';
import { openWriter } from './writer.ts';

/** Reads of the log: the next page, and what a gap needs. */
const logConnectionsMax = 3;
/** `/health` shows the state as of so long ago at most. */
const stateIntervalMs = 200;

assert(parentPort !== null, 'this file is a thread of the projector');
const main = parentPort;
const settings = workerData as ThreadSettings;
const post = (message: ThreadMessage): void => main.postMessage(message);

const logger = openLogger(settings.logLevel as LogLevel).child({ service: 'projector' });
const onError = (error: unknown): void =>
  logger.warn({ err: error }, 'a connection of the projection broke');
const { databaseUrl } = settings;
const pool = openPool({
  url: databaseUrl,
  name: 'modelog-projection',
  role: 'modelog_service',
  size: logConnectionsMax,
  onError,
});
const failpoint = failpointsFrom(process.env);
const log = openPostgresLog({ url: databaseUrl, pool, failpoint, onError });
const follower = followHead({ url: databaseUrl, onError });
const writer = openWriter({ url: databaseUrl, name: 'modelog-projector', onError });
const observer: Observer = {
  serving: (...call) => post({ call: 'serving', with: call }),
  claimed: (...call) => post({ call: 'claimed', with: call }),
  changed: (...call) => post({ call: 'changed', with: call }),
  applied: (...call) => post({ call: 'applied', with: call }),
  reached: (...call) => post({ call: 'reached', with: call }),
};
const projection: Projection = startProjection({
  log,
  follower,
  writer,
  kafka:
    settings.kafka &&
    (await openKafka({ ...settings.kafka, logger, onCrash: (crashed) => post({ crashed }) })),
  owner: randomUUID(),
  failpoint,
  observer,
  logger,
});

let told: Projection['state'] | null = null;
const telling = setInterval(() => {
  if (projection.state === told) return;
  told = projection.state;
  post({ state: told });
}, stateIntervalMs);

await once(main, 'message');
clearInterval(telling);
await projection.stop();
await writer.close();
await follower.close();
await log.close();
await pool.end();
main.close();
