// The projector as a service of its own: the projection, and reads over HTTP.
import { tokenVerifiersOf } from '#infra/auth/settings.ts';
import { openReaderPlatform, serveHttp } from '#infra/platform.ts';
import type { GiveUp, Running } from '#infra/process.ts';
import type { Values } from '#infra/settings.ts';
import { projectorApp } from './app.ts';
import { viewsMigrations } from './config.ts';
import type { settings } from './config.ts';

export async function serve(config: Values<typeof settings>, giveUp: GiveUp): Promise<Running> {
  const platform = await openReaderPlatform({
    name: 'modelog-projector',
    config,
    databaseUrl: config.DATABASE_URL,
    schemaRegistryUrl: config.SCHEMA_REGISTRY_URL,
    migrations: viewsMigrations,
    giveUp,
  });
  const app = projectorApp({ ...platform, threadLogLevel: config.LOG_LEVEL });
  await app.start();
  const http = await serveHttp(platform, {
    name: 'projector',
    title: 'Modelog reads',
    host: config.HOST,
    port: config.PORT,
    corsOrigins: config.CORS_ORIGINS,
    identity: tokenVerifiersOf(config),
    routes: app.routes,
    bareRoutes: app.bareRoutes,
    dependencies: app.health,
  });
  platform.logger.info({ address: http.address }, 'projector listens');
  return {
    async stop() {
      await http.close();
      await app.stop();
      await platform.close();
    },
  };
}
