// The projector's settings.
import { z } from 'zod';
import { identitySettings } from '#infra/auth/settings.ts';
import { allSettings, pickSettings } from '#infra/settings.ts';

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
