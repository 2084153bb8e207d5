// Writes docs/access.md from the code: which role may what. `npm run docs:access` makes it anew.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { may, permissions, roles } from '#events/access.ts';
import type { Permission } from '#events/access.ts';
import { alsoAsked, permissionOf } from '#events/model/permissions.ts';
import { tenantPermissionOf } from '#events/tenant/permissions.ts';

export const accessFile = path.join(import.meta.dirname, '../../docs/access.md');

const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const head = (first: string): string[] => [
  row(first, ...roles),
  row('---', ...roles.map(() => ':-:')),
];
const marks = (permission: Permission): string[] =>
  roles.map((role) => (may(role, permission) ? '●' : ''));

const commandRows = (commands: Record<string, Permission>): string[] =>
  Object.entries(commands).map(([command, permission]) =>
    row(`${command} (\`${permission}\`)`, ...marks(permission)),
  );

/** The whole document. */
export const accessDocument = (): string =>
  `${[
    '# Who may what',
    '',
    'Made from the code by `npm run docs:access`; a test compares them. Change `events/access.ts`, not this file.',
    '',
    'A role is held in the whole tenant (an API key gives it there), or by a role binding in the tenant, in a team or in a project;',
    'it counts for the models of that team or project. What somebody may not see is answered as if it were not there (404); what they',
    'see and may not do is 403, with the permission and the roles that have it. `member` grants nothing by itself. `system_admin` is an',
    "admin of its own tenant who also makes and lists tenants, issues keys in them, and sees nothing of the others. `service` is the registry's own.",
    '',
    '## Roles and permissions',
    '',
    ...head('Permission'),
    ...permissions.map((permission) => row(`\`${permission}\``, ...marks(permission))),
    '',
    '## Roles and commands on a model',
    '',
    ...head('Command'),
    ...commandRows(permissionOf),
    '',
    ...Object.entries(alsoAsked).map(([command, more]) => `- ${command}: ${more}.`),
    '',
    '## Roles and commands on a tenant',
    '',
    ...head('Command'),
    ...commandRows(tenantPermissionOf),
    '',
    'Nobody grants a role to themselves, nor a key above the one that they ask with (by a role binding or a token of OpenID Connect: none',
    'above `member`), and nobody issues or revokes a key, or grants or revokes a role, above their own; a key of their own anybody who may',
    'revoke keys does, and the service key of the registry a system admin. `key:manage`, `audit:read`,',
    '`tenant:manage` and `retention:attribute` are of the whole tenant: a role that is held in a team or a project does not give them.',
  ].join('\n')}\n`;

if (import.meta.main) writeFileSync(accessFile, accessDocument());
