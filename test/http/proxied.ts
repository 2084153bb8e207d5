// A database that is reached through a proxy which does to its connections what networks do.
import { openFaultProxy } from '#test/faults/proxy.ts';

/** A proxy before the database, and the database's address through it. */
export async function proxyDatabase(databaseUrl: string) {
  const url = new URL(databaseUrl);
  const proxy = await openFaultProxy({ host: url.hostname, port: Number(url.port) });
  url.hostname = proxy.host;
  url.port = String(proxy.port);
  return { proxy, url: url.href };
}
