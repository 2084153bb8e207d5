// What a person reads when the system has started, and when it ends.
import type { KeptKey } from './kept-key.ts';
import type { LocalParts } from './local-parts.ts';

/** Where it listens, where the data lies, the key (in full only the first time), and something to paste. */
export function welcome(started: {
  address: string;
  dataDir: string;
  adminKey: KeptKey;
  parts: Pick<LocalParts, 'kafkaBrokers' | 'schemaRegistryUrl'>;
}): string {
  const { address, dataDir, adminKey, parts } = started;
  const keyLine =
    adminKey.file === null
      ? 'the one in MODELOG_ADMIN_KEY'
      : adminKey.isNew
        ? `${adminKey.key}\n             shown this once; it is kept in ${adminKey.file}`
        : `in ${adminKey.file}`;
  const key = adminKey.file === null ? '$MODELOG_ADMIN_KEY' : `$(cat '${adminKey.file}')`;
  const lines = [
    '',
    `  Modelog is ready.`,
    '',
    `  listens    ${address}   (reference: ${address}/docs)`,
    `  data       ${dataDir}`,
    `  admin key  ${keyLine}`,
    ...(parts.kafkaBrokers === null ? [] : [`  Kafka      ${parts.kafkaBrokers.join(', ')}`]),
    ...(parts.schemaRegistryUrl === null
      ? []
      : [
          `  schemas    ${parts.schemaRegistryUrl}`,
          `             register them once: SCHEMA_REGISTRY_URL=${parts.schemaRegistryUrl} npm run schemas`,
        ]),
    '',
    '  Register a first model:',
    '',
    `  curl -X POST ${address}/api/v1/models -H "Authorization: Bearer ${key}" \\`,
    `    -H 'Content-Type: application/json' -d '{"name": "my-first-model", "framework": "sklearn"}'`,
    '',
    '  Ctrl-C ends it.',
    '',
  ];
  return `${lines.join('\n')}\n`;
}

/** Ends, and says so at a terminal: what is under way there would look like nothing, for as long as it takes. */
export async function farewell(
  terminal: { isTTY?: boolean; write: (text: string) => unknown },
  stop: () => Promise<void>,
): Promise<void> {
  const say = (text: string): void => {
    if (terminal.isTTY === true) terminal.write(text);
  };
  // on a line of its own, as the terminal shows ^C
  say('\n  Ending: what was begun is finished first …\n');
  await stop();
  say('  Modelog has ended.\n');
}
