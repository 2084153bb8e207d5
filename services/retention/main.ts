// Retention as a process of its own.
import { registryRetention } from '#events/policy/retention.ts';
import { tokenVerifiersOf } from '#infra/auth/settings.ts';
import { openReaderPlatform, serveHttp } from '#infra/platform.ts';
import { readSettings, runService } from '#infra/process.ts';
import { retentionByHttp, retentionMigrations } from './app.ts';
import { settings } from './config.ts';

const { values: config } = readSettings(
  'npm run start:retention: has archived what nothing uses any more',
  settings,
);

await runService(async (giveUp) => {
  const { DATABASE_URL: databaseUrl, MODELOG_SERVICE_KEY: serviceKey } = config;
  const platform = await openReaderPlatform({
    name: 'modelog-retention',
    config,
    databaseUrl,
    // due times need the envelope alone, whatever the values are
    schemaRegistryUrl: null,
    migrations: retentionMigrations,
    giveUp,
  });
  const app = retentionByHttp({
    ...platform,
    commandApiUrl: () => config.COMMAND_API_URL,
    serviceKey,
    kept: registryRetention(config.DEFAULT_RETENTION_COUNT),
    sweepSeconds: config.RETENTION_SWEEP_SECONDS,
    deploymentTimeoutHours: config.DEPLOYMENT_TIMEOUT_HOURS,
  });
  const http = await serveHttp(platform, {
    name: 'retention',
    title: 'Modelog retention',
    host: config.HOST,
    port: config.PORT,
    corsOrigins: config.CORS_ORIGINS,
    identity: tokenVerifiersOf(config),
    routes: app.routes,
    bareRoutes: app.routes,
    dependencies: async () => app.health(),
  });
  app.start();
  platform.logger.info({ address: http.address }, 'retention listens');
  return {
    async stop() {
      await http.close();
      await app.stop();
      await platform.close();
    },
  };
});
