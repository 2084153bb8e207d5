// Brings a database to the newest migration: numbered SQL files, under a lock; a changed old file is an error.
import path from 'node:path';
import { Client } from 'pg';
import Postgrator from 'postgrator';
import { connection } from './connect.ts';

/** Any two processes that start at once take turns: "modelog" as a number. */
const migrationLock = 0x6d_6f_64_65_6c;
const migrationTimeoutMs = 120_000;

/** Which numbered files, and the table that remembers which of them were applied. */
export type Migrations = { folder: string; table: string };

export const logMigrations: Migrations = {
  folder: path.join(import.meta.dirname, 'migrations'),
  table: 'public.modelog_log_migrations',
};

/**
 * Applies what is missing; asking twice changes nothing.
 * @throws when a file that was applied has changed since, or a statement fails.
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
  await client.connect();
  try {
    await client.query(`select pg_advisory_lock(${migrationLock})`);
    const postgrator = new Postgrator({
      migrationPattern: path.join(migrations.folder, '*.sql'),
      driver: 'pg',
      schemaTable: migrations.table,
      validateChecksums: true,
      execQuery: (sql) => client.query(sql),
      execSqlScript: async (sql) => {
        await client.query(`begin;\n${sql}\n;commit;`);
      },
    });
    await postgrator.migrate();
    if (lost !== null) throw lost;
  } finally {
    await client.end();
  }
}
