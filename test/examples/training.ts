// Plays a training pipeline: tells the registry of finished trainings, and shows a person what the registry made of them.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createBroker } from '#infra/kafka/broker.ts';
import type { OutgoingMessage } from '#infra/kafka/port.ts';
import { topicsOf } from '#infra/kafka/topics.ts';

const usage = `npm run example:training [-- options]

Plays a nightly pipeline: trains three models, tells the registry of each as a CloudEvent of type
training.completed, and shows what the registry made of it. One event is sent twice, as networks do.

  --kafka        send by Kafka, to the topic training-completed (the default where KAFKA_BROKERS is set);
                 otherwise by POST /api/v1/training-completed
  --url URL      where the registry listens [http://127.0.0.1:8003]
  --nights N     how many nights to play, 1 to 100 [1]
  --help         this text

Environment: KAFKA_BROKERS [127.0.0.1:9092 with --kafka]; MODELOG_ADMIN_KEY, else DATA_DIR/admin-key [./data/admin-key].
`;

const requestTimeoutMs = 10_000;
/** Kafka tells nobody what became of a message, so the log is read until every event is seen there. */
const recordedTimeoutMs = 30_000;
const pollIntervalMs = 250;
const nightsMax = 100;

type Training = {
  specversion: '1.0';
  id: string;
  source: string;
  type: 'training.completed';
  time: string;
  data: { model_name: string; metrics: Record<string, Record<string, number>> };
};

/** What the registry made of an event, as one line for a person. */
type Told = { line: string; isGood: boolean };

/** A failure that a person can do something about. */
class Stopped extends Error {}

const models = [
  {
    model_name: 'churn',
    framework: 'xgboost',
    metric: 'auc',
    around: 0.87,
    model_type: 'classifier',
  },
  {
    model_name: 'fraud-detector',
    framework: 'pytorch',
    metric: 'recall',
    around: 0.93,
    model_type: 'classifier',
  },
  {
    model_name: 'demand-forecast',
    framework: 'prophet',
    metric: 'mape',
    around: 0.12,
    model_type: 'regressor',
  },
];

/** A night's trainings: other weights, a little better or worse than the last. */
function trainNight(night: number): Training[] {
  const now = new Date();
  const run = `${now.toISOString().slice(0, 23).replaceAll(/[:.T]/g, '-')}.${night}`;
  return models.map(({ model_name, framework, metric, around, model_type }) => {
    const weights = randomBytes(1_024);
    const measured = () => Math.round((around + (Math.random() - 0.5) / 20) * 10_000) / 10_000;
    const data = {
      model_name,
      label: run,
      framework,
      model_type,
      description: `trained in the night run ${run}`,
      metrics: { validation: { [metric]: measured() }, test: { [metric]: measured() } },
      artifact_uri: `s3://models/${model_name}/${run}/model.bin`,
      content_digest: { sha256: createHash('sha256').update(weights).digest('hex') },
      size_bytes: weights.length,
      hyperparameters: { learning_rate: 0.05, epochs: 20, seed: night },
      lineage: {
        data_versions: [`${model_name}-features@${now.toISOString().slice(0, 10)}`],
        code_version: '4f2a9c1',
        run_id: run,
      },
      tags: { pipeline: 'nightly' },
    };
    return {
      specversion: '1.0',
      id: randomUUID(),
      source: '/pipelines/nightly',
      type: 'training.completed',
      time: now.toISOString(),
      data,
    };
  });
}

async function readKey(): Promise<string> {
  const given = process.env['MODELOG_ADMIN_KEY'];
  if (given !== undefined) return given;
  const file = path.join(process.env['DATA_DIR'] ?? './data', 'admin-key');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new Stopped(`There is no key: set MODELOG_ADMIN_KEY, or run where ${file} is.`, {
      cause,
    });
  }
}

type Answer = { status: number; body: Record<string, unknown> };
type Call = (path: string, init?: { body: string; contentType: string }) => Promise<Answer>;

const registryAt =
  (url: string, key: string): Call =>
  async (pathAndQuery, init) => {
    let response: Response;
    try {
      response = await fetch(new URL(`/api/v1${pathAndQuery}`, url), {
        method: init === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          ...(init === undefined ? {} : { 'content-type': init.contentType }),
        },
        body: init?.body ?? null,
        signal: AbortSignal.timeout(requestTimeoutMs),
      });
    } catch (cause) {
      throw new Stopped(
        `No registry answers at ${url}. Start one by npm start, or say where it listens: --url http://127.0.0.1:PORT`,
        { cause },
      );
    }
    if (response.status === 401)
      throw new Stopped(`The registry at ${url} does not know the key; see MODELOG_ADMIN_KEY.`);
    const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    return { status: response.status, body };
  };

const versionLine = (name: string, version: Record<string, unknown>): string =>
  `${name} version ${String(version['number'])}, in ${String(version['stage'])}`;

/** Posts each event, and reads in the answer what became of it. */
async function sendByHttp(trainings: readonly Training[], call: Call): Promise<Told[]> {
  const versionOf = new Map<string, unknown>();
  const told: Told[] = [];
  for (const training of trainings) {
    const { status, body } = await call('/training-completed', {
      body: JSON.stringify(training),
      contentType: 'application/cloudevents+json',
    });
    const line = versionLine(training.data.model_name, body);
    if (status >= 300) {
      told.push({ line: `refused (${status}): ${JSON.stringify(body)}`, isGood: false });
    } else if (versionOf.has(training.id)) {
      const isSame = versionOf.get(training.id) === body['id'];
      told.push({ line: `known already: ${line}`, isGood: isSame });
    } else told.push({ line, isGood: true });
    versionOf.set(training.id, body['id']);
  }
  return told;
}

/** Sends to the topic, and reads in the log what became of the events: each names the CloudEvent that caused it. */
async function sendByKafka(
  trainings: readonly Training[],
  brokers: readonly string[],
  call: Call,
): Promise<Told[]> {
  const before = await call('/events?limit=1');
  let read = Number(before.body['head'] ?? 0);
  const { trainingCompleted } = topicsOf();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const broker = createBroker({ brokers, clientId: 'modelog-example', log });
  try {
    await broker.ensureTopics([trainingCompleted]);
    const producer = await broker.createProducer();
    await producer.send(trainingCompleted.topic, trainings.map(messageOf));
    await producer.close();
  } catch (cause) {
    const where = brokers.join(', ');
    throw new Stopped(
      `No Kafka answers at ${where}. Start one by npm run start:kafka, or say where it is: KAFKA_BROKERS`,
      { cause },
    );
  }

  const recorded = new Map<string, Record<string, unknown>[]>();
  const wanted = new Set(trainings.map(({ id }) => id));
  const deadline = performance.now() + recordedTimeoutMs;
  while (recorded.size < wanted.size && performance.now() < deadline) {
    const { body } = await call(`/events?type=model.versioned&limit=1000&after=${read}`);
    const items = (body['items'] ?? []) as {
      position: number;
      causation_id: string;
      data: object;
    }[];
    for (const { position, causation_id, data } of items) {
      read = position;
      if (!wanted.has(causation_id)) continue;
      recorded.set(causation_id, [...(recorded.get(causation_id) ?? []), { ...data }]);
    }
    if (items.length === 0) await delay(pollIntervalMs);
  }

  const shown = new Set<string>();
  return trainings.map(({ id, data: { model_name } }) => {
    const versions = recorded.get(id) ?? [];
    const [version] = versions;
    if (version === undefined)
      return {
        line: `not recorded in ${recordedTimeoutMs / 1_000} s: see the topic training-completed.dlq.command-api`,
        isGood: false,
      };
    const isAgain = shown.has(id);
    shown.add(id);
    const line = `${isAgain ? 'known already: ' : ''}${versionLine(model_name, version)}`;
    return { line, isGood: versions.length === 1 };
  });
}

const messageOf = (training: Training): OutgoingMessage => ({
  key: training.data.model_name,
  value: JSON.stringify(training),
  headers: { 'content-type': 'application/cloudevents+json' },
});

function show({ id, data }: Training, told: Told): void {
  const [[metric, value] = ['', 0]] = Object.entries(data.metrics['test'] ?? {});
  const sent = `${data.model_name.padEnd(16)} ${metric} ${value.toFixed(4)}`;
  console.log(`  ${sent.padEnd(34)} ${id.slice(0, 8)}  ${told.isGood ? '→' : '✗'} ${told.line}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kafka: { type: 'boolean' },
      url: { type: 'string', default: 'http://127.0.0.1:8003' },
      nights: { type: 'string', default: '1' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  const nights = Number(values.nights);
  if (!Number.isInteger(nights) || nights < 1 || nights > nightsMax)
    throw new Stopped(`--nights must be a whole number from 1 to ${nightsMax}`);
  const given = process.env['KAFKA_BROKERS']?.split(',').map((broker) => broker.trim());
  const brokers = given ?? (values.kafka ? ['127.0.0.1:9092'] : null);
  const call = registryAt(values.url, await readKey());

  const trained = Array.from({ length: nights }, (_, night) => trainNight(night + 1)).flat();
  const trainings = [...trained, trained[0]!];
  const way = brokers === null ? `POST to ${values.url}` : `Kafka at ${brokers.join(', ')}`;
  console.log(`${trained.length} trainings are finished; telling the registry by ${way}.`);
  console.log('The first is told twice.\n');
  const told =
    brokers === null
      ? await sendByHttp(trainings, call)
      : await sendByKafka(trainings, brokers, call);
  for (const [index, each] of told.entries()) show(trainings[index]!, each);
  const isGood = told.every((each) => each.isGood);
  if (isGood)
    console.log(
      `\nSee one of them:\n  curl -H "Authorization: Bearer $MODELOG_ADMIN_KEY" ${values.url}/api/v1/models/churn/versions/latest`,
    );
  else process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  const isOfArguments = String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');
  console.error(isOfArguments || error instanceof Stopped ? (error as Error).message : error);
  process.exitCode = 1;
}
