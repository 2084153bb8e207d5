// The retention service's settings.
import {
  allSettings,
  callerSettings,
  needed,
  neededDatabaseUrl,
  pickSettings,
  port,
} from '#infra/settings.ts';

export const settings = {
  ...pickSettings(
    'HOST',
    'DATABASE_POOL_SIZE',
    'KAFKA_BROKERS',
    'KAFKA_TOPIC_PREFIX',
    'LOG_LEVEL',
    'COMMAND_API_URL',
    'DEFAULT_RETENTION_COUNT',
    'RETENTION_SWEEP_SECONDS',
    'DEPLOYMENT_TIMEOUT_HOURS',
  ),
  DATABASE_URL: neededDatabaseUrl,
  MODELOG_SERVICE_KEY: needed(
    allSettings.MODELOG_SERVICE_KEY,
    'The key with which retention asks the command API, the same as that was given',
  ),
  ...callerSettings,
  PORT: port(8005),
};
