// The recorded events that must be readable for ever: one file a type and schema version.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { RecordedEvent } from '#events/envelope.ts';

export type GoldenFile = { name: string; type: string; schemaVersion: number; event: RecordedEvent };

const namePattern = /^(?<type>[a-z_.]+)\.v(?<version>\d+)\.json$/;

/** The names that such a file may have: `<type>.v<schema version>.json`; null for another. */
export function goldenName(name: string): { type: string; schemaVersion: number } | null {
  const groups = namePattern.exec(name)?.groups;
  if (groups === undefined) return null;
  return { type: groups['type']!, schemaVersion: Number(groups['version']) };
}

/** Every golden file; `canonical.json` beside them pins their form. */
export const goldenFiles = (): GoldenFile[] =>
  readdirSync(import.meta.dirname).flatMap((name): GoldenFile[] => {
    const known = goldenName(name);
    if (known === null) return [];
    const text = readFileSync(path.join(import.meta.dirname, name), 'utf8');
    return [{ name, ...known, event: JSON.parse(text) as RecordedEvent }];
  });

/** File name → SHA-256 of the event's RFC 8785 form, as hex. */
export const canonicalDigests = (): Record<string, string> =>
  JSON.parse(
    readFileSync(path.join(import.meta.dirname, 'canonical.json'), 'utf8'),
  ) as Record<string, string>;
