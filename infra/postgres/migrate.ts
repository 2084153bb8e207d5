// Brings a database to the newest migration: numbered SQL files, under a lock; a changed old file is an error.
import path from 'node:path';
import { Client } from 'pg';
import Postgrator from 'postgrator';
import { connection, withoutPassword } from './connect.ts';

/** Any two processes that start at once take turns: "modelog" as a number. */
const migrationLock = 0x6d_6f_64_65_6c;
const migrationTimeoutMs = 120_000;

/** Which numbered files, and the schema that they make. It also remembers which of them were applied, so that a dump of it is whole. */
export type Migrations = { folder: string; schema: 'log' | 'views' | 'retention' };

export const logMigrations: Migrations = {
  folder: path.join(import.meta.dirname, 'migrations'),
  schema: 'log',
};

/**
 * Applies what is missing; asking twice changes nothing.
 * @throws when a file that was applied has changed since, a statement fails, or nobody knows what was applied.
 */
export async function migrate(url: string, migrations: Migrations): Promise<void> {
  const client = new Client(
    connection({
      url,
      name: 'modelog-migrate',
      role: null,
      statementTimeoutMs: migrationTimeoutMs,
    }),
  );
  let lost: Error | null = null;
  client.on('error', (error) => (lost = error));
  await connect(client, url);
  try {
    await client.query(`select pg_advisory_lock(${migrationLock})`);
    const memory = await findMemory(client, migrations.schema);
    const postgrator = new Postgrator({
      migrationPattern: path.join(migrations.folder, '*.sql'),
      driver: 'pg',
      schemaTable: `${memory.schema}.${memory.table}`,
      validateChecksums: true,
      execQuery: (sql) => client.query(sql),
      execSqlScript: async (sql) => {
        await client.query(`begin;\n${sql}\n;commit;`);
      },
    });
    await postgrator.migrate();
    if (memory.schema === 'public')
      await client.query(`alter table public.${memory.table} set schema ${migrations.schema}`);
    if (lost !== null) throw lost;
  } finally {
    await client.end();
  }
}

/** @throws where there is no such database, or it does not let us in; names it without its password */
async function connect(client: Client, url: string): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    throw new Error(`The database cannot be used (DATABASE_URL, ${withoutPassword(url)})`, {
      cause: error,
    });
  }
}

/**
 * Where it is remembered what was applied: in the schema itself, but before that is made, and in databases of earlier versions, in
 * `public`.
 */
async function findMemory(
  client: Client,
  schema: Migrations['schema'],
): Promise<{ schema: Migrations['schema'] | 'public'; table: string }> {
  const table = `modelog_${schema}_migrations`;
  const { rows } = await client.query<{ within: boolean; before: boolean; made: boolean }>(
    `select to_regclass($1) is not null as within, to_regclass($2) is not null as before, to_regnamespace($3) is not null as made`,
    [`${schema}.${table}`, `public.${table}`, schema],
  );
  const { within, before, made } = rows[0]!;
  if (within) return { schema, table };
  if (made && !before)
    throw new Error(
      `The schema ${schema} is in the database without ${schema}.${table}, which tells how far it was migrated. ` +
        (schema === 'log'
          ? `Restore the table ${table} from the backup too`
          : `Drop the schema, and it is built anew from the log: drop schema ${schema} cascade`),
    );
  return { schema: 'public', table };
}
