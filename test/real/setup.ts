// Has one real PostgreSQL, one real Kafka and, when a test asks, one schema registry for the whole run, and ends them.
import type { TestProject } from 'vitest/node';
import { startRealParts } from './parts.ts';
import { makeRunFolder } from './run-folder.ts';

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- only an interface can be added to
  interface ProvidedContext {
    /** An administrator's URL: with it databases can be made and dropped. */
    postgresUrl: string;
    kafkaBrokers: string[];
    /** Answers the schema registry's URL, once it runs. */
    schemaRegistryStarterUrl: string;
    runFolder: string;
  }
}

/** Vitest's global setup: a part that cannot be had fails the run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await makeRunFolder();
  const parts = await startRealParts(folder.path, (message) => console.error(message));
  project.provide('postgresUrl', parts.postgresUrl);
  project.provide('kafkaBrokers', parts.kafkaBrokers);
  project.provide('schemaRegistryStarterUrl', parts.schemaRegistryStarterUrl);
  project.provide('runFolder', folder.path);
  return async () => {
    await parts.stop();
    folder.remove();
  };
}
