// The retention service's settings.
import { z } from 'zod';
import { allSettings, identitySettings, pickSettings } from '#infra/settings.ts';

const ownPort = '8005';

export const settings = {
  ...pickSettings(
    'HOST',
    'DATABASE_URL',
    'DATABASE_POOL_SIZE',
    'KAFKA_BROKERS',
    'KAFKA_TOPIC_PREFIX',
    'LOG_LEVEL',
    'MODELOG_SERVICE_KEY',
    'COMMAND_API_URL',
    'DEFAULT_RETENTION_COUNT',
    'RETENTION_SWEEP_SECONDS',
    'DEPLOYMENT_TIMEOUT_HOURS',
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
