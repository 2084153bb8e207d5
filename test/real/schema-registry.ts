// The run's schema registry, which starts when the first test asks for it.
import { inject } from 'vitest';

/** The base URL of the registry's Confluent API. */
export async function schemaRegistryUrl(): Promise<string> {
  const response = await fetch(inject('schemaRegistryStarterUrl'));
  const text = await response.text();
  if (!response.ok) throw new Error(`The tests need a real schema registry. ${text}`);
  return text;
}
