// `npm run schemas`: registers the Avro schema of every event type that goes to Kafka. Asking twice changes nothing.
import { parseArgs } from 'node:util';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { catalogue, isEventType, isLifecycleEventType } from '#events/catalogue.ts';
import type { EventType } from '#events/catalogue.ts';
import { avroFormOf, subjectOf } from './avro-schemas.ts';
import { withDeadline } from './deadline.ts';
import { topicsOf } from './topics.ts';

const help = `Registers the Avro schemas of the events on Kafka with a Confluent-compatible schema registry.

  SCHEMA_REGISTRY_URL=http://… npm run schemas

One subject per topic and record name, with the compatibility FULL_TRANSITIVE. Prints each subject with its
version. Asking twice changes nothing. A schema that is incompatible with those before is refused, with
the reason, and the exit code is 1.`;

const requestDeadlineMs = 30_000;

export type Registration = { subject: string; version: number };

/**
 * Registers the schemas of all event types of `model-lifecycle`, one after the other.
 * @throws Error that names the subject, and says why the registry refused
 */
export async function registerSchemas(
  url: string,
  topic: string,
  told: (registration: Registration) => void,
): Promise<void> {
  const registry = new SchemaRegistry({ host: url, retry: { retries: 2 } });
  for (const type of Object.keys(catalogue)) {
    if (isEventType(type) && isLifecycleEventType(type))
      told(await registerSchema(registry, url, subjectOf(topic, type), type));
  }
}

async function registerSchema(
  registry: SchemaRegistry,
  url: string,
  subject: string,
  type: EventType,
): Promise<Registration> {
  const schema = JSON.stringify(avroFormOf(type).type);
  const registered = registry.register(
    { type: SchemaType.AVRO, schema },
    { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE },
  );
  try {
    await withDeadline(registered, requestDeadlineMs, 'registering');
    return { subject, version: await versionOf(url, subject, schema) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${subject} was not registered: ${reason}`, { cause: error });
  }
}

/** The version under which the registry has exactly this schema. */
async function versionOf(url: string, subject: string, schema: string): Promise<number> {
  const response = await fetch(`${url}/subjects/${encodeURIComponent(subject)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema }),
    signal: AbortSignal.timeout(requestDeadlineMs),
  });
  if (!response.ok) throw new Error(`the registry answered ${response.status}`);
  const { version } = (await response.json()) as { version: number };
  return version;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) {
    console.log(help);
    return;
  }
  const url = process.env.SCHEMA_REGISTRY_URL?.replace(/\/+$/, '');
  if (url === undefined || url === '') throw new Error('SCHEMA_REGISTRY_URL is not set');
  await registerSchemas(url, topicsOf().modelLifecycle.topic, ({ subject, version }) =>
    console.log(`${subject} version ${version}`),
  );
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
