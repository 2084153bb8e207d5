// The real parts that every other test stands on are there and are real.
import { connect } from 'node:net';
import { once } from 'node:events';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { freshDatabase } from '#test/real/postgres.ts';
import { kafkaBrokers } from '#test/real/kafka.ts';
import { schemaRegistryUrl } from '#test/real/schema-registry.ts';

test('a fresh database is empty, and gone when it is dropped', async () => {
  const database = await freshDatabase();
  const client = new Client({ connectionString: database.url });
  await client.connect();
  const tables = await client.query(
    `select 1 from pg_class join pg_namespace n on n.oid = relnamespace where nspname = 'public'`,
  );
  expect(tables.rowCount).toBe(0);
  const cutOff = new Promise((resolve) => client.on('error', resolve));
  await database.drop();
  await cutOff;
  await expect(new Client({ connectionString: database.url }).connect()).rejects.toThrow(
    'does not exist',
  );
});

test('Kafka listens where it says', async () => {
  expect(kafkaBrokers()).not.toHaveLength(0);
  for (const broker of kafkaBrokers()) {
    const [host, port] = broker.split(':');
    const socket = connect(Number(port), host);
    await once(socket, 'connect');
    socket.destroy();
  }
});

test('the schema registry starts once, and speaks the Confluent API', async () => {
  const [url, sameUrl] = await Promise.all([schemaRegistryUrl(), schemaRegistryUrl()]);
  expect(sameUrl).toBe(url);
  const subjects = await fetch(`${url}/subjects`);
  expect(await subjects.json()).toBeInstanceOf(Array);
});
