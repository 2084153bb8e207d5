// The command API's settings.
import { identitySettings, pickSettings } from '#infra/settings.ts';

export const settings = {
  ...pickSettings(
    'HOST',
    'PORT',
    'DATABASE_URL',
    'DATABASE_POOL_SIZE',
    'KAFKA_BROKERS',
    'SCHEMA_REGISTRY_URL',
    'KAFKA_TOPIC_PREFIX',
    'LOG_LEVEL',
    'MODELOG_ADMIN_KEY',
    'MODELOG_SERVICE_KEY',
    'DEFAULT_RETENTION_COUNT',
    'MODEL_TYPES',
  ),
  ...identitySettings,
};
