// What the projector is started with: its settings, and the migrations of the tables beside those that each generation makes.
import path from 'node:path';
import { z } from 'zod';
import type { Migrations } from '#infra/postgres/migrate.ts';
import { allSettings, identitySettings, pickSettings } from '#infra/settings.ts';

export const viewsMigrations: Migrations = {
  folder: path.join(import.meta.dirname, 'migrations'),
  schema: 'views',
};

const ownPort = '8004';

export const settings = {
  ...pickSettings(
    'HOST',
    'DATABASE_URL',
    'DATA_DIR',
    'DATABASE_POOL_SIZE',
    'KAFKA_BROKERS',
    'KAFKA_TOPIC_PREFIX',
    'SCHEMA_REGISTRY_URL',
    'LOG_LEVEL',
  ),
  ...identitySettings,
  PORT: {
    ...allSettings.PORT,
    schema: z
      .string()
      .optional()
      .transform((port): string | undefined => port ?? ownPort)
      .pipe(allSettings.PORT.schema),
    default: ownPort,
  },
};
