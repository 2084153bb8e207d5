// An empty registry as `npm start` makes it, asked over HTTP as a document writes it.
import { expect, onTestFinished } from 'vitest';
import { adminKey, startSystem } from '#test/crash/running-system.ts';
import { eventually } from '#test/eventually.ts';
import { temporaryDataDir } from '#test/real/data-dir.ts';
import { freshDatabase } from '#test/real/postgres.ts';

export type Body = Record<string, unknown>;

/** A whole system on a database of its own, which ends with the test. */
export async function startEmptyRegistry() {
  const database = await freshDatabase();
  const dataDir = await temporaryDataDir();
  const system = await startSystem({ databaseUrl: database.url, dataDir });
  onTestFinished(async () => {
    await system.kill('SIGTERM');
    await database.drop();
  });

  /** @param line a method and a path, as `GET /models/1` */
  async function send(line: string, body?: object): Promise<Response> {
    const [method, path] = line.split(' ');
    return await fetch(`${system.url}${path}`, {
      method: method!,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
  }

  async function answerTo(status: number, line: string, body?: object): Promise<Body> {
    // a read of views that are far behind, as on a busy machine, is answered at once and says so: it is asked again
    const response = await eventually(async () => {
      const answered = await send(line, body);
      if (answered.headers.has('x-stale')) throw new Error(`${line} is answered from stale views`);
      return answered;
    });
    const answer = (await response.json()) as Body;
    expect([line, response.status], JSON.stringify(answer)).toEqual([line, status]);
    return answer;
  }

  return {
    send,
    /** What is answered with success. */
    ask: (line: string, body?: object): Promise<Body> => answerTo(200, line, body),
    /** What is answered where something was made. */
    make: (line: string, body: object): Promise<Body> => answerTo(201, line, body),
    /** What is answered where there is nothing. */
    missing: (line: string): Promise<Body> => answerTo(404, line),
  };
}

/** A list's items, which its count must agree with. */
export function itemsOf({ items, total_count }: Body): Body[] {
  const listed = items as Body[];
  expect(total_count).toBe(listed.length);
  return listed;
}
