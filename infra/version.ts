// Which Modelog this is.
import fs from 'node:fs';
import path from 'node:path';

/** The version in package.json. */
export function modelogVersion(): string {
  const file = path.join(import.meta.dirname, '..', 'package.json');
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string }).version;
}
