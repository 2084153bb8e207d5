// Gives each test a database of its own on the run's real PostgreSQL.
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';

export type FreshDatabase = {
  url: string;
  /** Drops the database, also while somebody is connected to it. */
  drop(): Promise<void>;
};

/** Makes an empty database with a random name. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const name = `modelog_test_${randomUUID().replaceAll('-', '')}`;
  await askServer(`CREATE DATABASE ${name}`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => askServer(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}

async function askServer(sql: string): Promise<void> {
  const client = new Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
