// The order to archive survives what lies between retention and the command API.
import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { DueVersion } from '#events/model/due.ts';
import { archiveBy } from '#services/retention/archive.ts';
import { orderByHttp } from '#services/retention/order.ts';
import { serviceKey, startRegistry } from './registry.ts';
import type { TestRegistry } from './registry.ts';

let registry: TestRegistry;
let version: DueVersion;
let model_id: string;
beforeEach(async () => {
  registry = await startRegistry();
  model_id = String((await registry.ask('/models', { name: 'churn' }))['id']);
  const made = await registry.ask('/models/churn/versions', {});
  version = {
    version_id: String(made['id']),
    number: 1,
    due_at: '2026-01-31T00:00:00.000Z',
    cause: 'retention_age',
    rule: { type: 'age_days', limit: 30, measured: 31 },
  };
});
afterEach(() => registry.stop());

/** What stands in front of the API does to one request after the other; those beyond the list pass. */
type Trouble = 'overloaded' | 'cut' | 'answer lost' | 'passes';

async function behind(troubles: Trouble[], key = serviceKey) {
  const met: Trouble[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const trouble = troubles[met.length] ?? 'passes';
    met.push(trouble);
    if (trouble === 'overloaded')
      return void response.writeHead(503).end(JSON.stringify({ code: 'overloaded' }));
    if (trouble === 'cut') return void response.destroy();
    const { method, headers, url } = request;
    const onwards = forward(`${registry.apiUrl}${url}`, { method, headers }, (answered) => {
      if (trouble === 'answer lost') return void response.destroy();
      answered.pipe(response.writeHead(answered.statusCode!));
    });
    request.pipe(onwards);
  };
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const archive = archiveBy(
    orderByHttp({ apiUrl: () => `http://127.0.0.1:${port}`, serviceKey: key }),
  );
  return {
    met,
    archive: async (decidedOn: number) => {
      try {
        return await archive(
          { model_id, version, judgedBy: [], decidedOn },
          new AbortController().signal,
        );
      } finally {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

it('an order is given again while the API is overloaded or cut off, and archives once', async () => {
  const { archive, met } = await behind(['overloaded', 'cut', 'answer lost']);
  expect(await archive(3)).toEqual({ outcome: 'done', stream_version: 5 });
  expect(met).toEqual(['overloaded', 'cut', 'answer lost', 'passes']);
  expect(await registry.archived()).toEqual([
    { name: 'churn', number: 1, cause: version.cause, rule: version.rule },
  ]);
});

it('an order that rests on an older state is void', async () => {
  await registry.ask('/models/churn/versions', {});
  const { archive, met } = await behind([]);
  expect(await archive(3)).toEqual({ outcome: 'moved_on', code: 'precondition_failed' });
  expect(met).toEqual(['passes']);
  expect(await registry.archived()).toEqual([]);
});

it('a version in use is not archived, and that is no failure', async () => {
  await registry.ask('/models/churn/versions/1/promote', { to_stage: 'production' });
  const { archive } = await behind([]);
  expect(await archive(4)).toEqual({ outcome: 'moved_on', code: 'in_use' });
});

it('an order under a key that nobody knows fails at once', async () => {
  const { archive, met } = await behind([], 'another-key');
  await expect(archive(3)).rejects.toMatchObject({ name: 'OrderFailed', retryable: false });
  expect(met).toEqual(['passes']);
});
