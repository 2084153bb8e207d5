// The settings of the whole system in one process.
import { callerSettings, pickSettings } from '#infra/settings.ts';

export const settings = {
  ...pickSettings(
    'HOST',
    'PORT',
    'DATA_DIR',
    'DATABASE_URL',
    'DATABASE_POOL_SIZE',
    'KAFKA_BROKERS',
    'SCHEMA_REGISTRY_URL',
    'KAFKA_TOPIC_PREFIX',
    'LOG_LEVEL',
    'MODELOG_ADMIN_KEY',
    'MODELOG_SERVICE_KEY',
    'LOCAL_KAFKA_PORT',
    'DEFAULT_RETENTION_COUNT',
    'MODEL_TYPES',
    'RETENTION_SWEEP_SECONDS',
    'DEPLOYMENT_TIMEOUT_HOURS',
  ),
  ...callerSettings,
};
