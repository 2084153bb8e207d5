// What the projector is started with: its settings, and the migrations of the tables beside those that each generation makes.
import path from 'node:path';
import type { Migrations } from '#infra/postgres/migrate.ts';
import {
  allSettings,
  callerSettings,
  neededDatabaseUrl,
  pickSettings,
  port,
} from '#infra/settings.ts';

export const viewsMigrations: Migrations = {
  folder: path.join(import.meta.dirname, 'migrations'),
  schema: 'views',
};

export const settings = {
  ...pickSettings(
    'HOST',
    'DATABASE_POOL_SIZE',
    'KAFKA_BROKERS',
    'KAFKA_TOPIC_PREFIX',
    'SCHEMA_REGISTRY_URL',
    'LOG_LEVEL',
  ),
  DATABASE_URL: neededDatabaseUrl,
  DATA_DIR: {
    ...allSettings.DATA_DIR,
    help: 'Where a task (rebuild, parked, redrive) finds the PostgreSQL of an `npm start`, if none is named',
  },
  ...callerSettings,
  PORT: port(8004),
};

/** An operator's task finds its PostgreSQL by `DATA_DIR` too. */
export const taskSettings = { ...settings, ...pickSettings('DATABASE_URL') };
