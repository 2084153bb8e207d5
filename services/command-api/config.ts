// The command API's settings.
import {
  allSettings,
  callerSettings,
  neededDatabaseUrl,
  pickSettings,
  secretCharactersMin,
} from '#infra/settings.ts';

export const settings = {
  ...pickSettings(
    'HOST',
    'PORT',
    'DATABASE_POOL_SIZE',
    'KAFKA_BROKERS',
    'SCHEMA_REGISTRY_URL',
    'KAFKA_TOPIC_PREFIX',
    'LOG_LEVEL',
    'DEFAULT_RETENTION_COUNT',
    'MODEL_TYPES',
  ),
  DATABASE_URL: neededDatabaseUrl,
  MODELOG_ADMIN_KEY: {
    ...allSettings.MODELOG_ADMIN_KEY,
    help: `The bootstrap admin key, at least ${secretCharactersMin} characters; without it an empty database gets no admin`,
    default: '',
  },
  MODELOG_SERVICE_KEY: {
    ...allSettings.MODELOG_SERVICE_KEY,
    help: `The key with which retention asks, at least ${secretCharactersMin} characters, the same for all processes on a database`,
    default: '',
  },
  ...callerSettings,
};
