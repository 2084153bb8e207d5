// Clients that write without a pause, note every answer, and repeat under the same key what they got no answer to.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '#test/checker/log.ts';
import { adminKey } from './running-system.ts';

const requestTimeoutMs = 5_000;
/** Between two tries of a command that got no definite answer. */
const retryAfterMs = 50;
const triesMax = 400;

export type Writers = {
  answers: Answer[];
  /** Answered 2xx so far. */
  acknowledged: () => number;
  /** Commands that once got no definite answer, and were resolved by asking again. */
  resolved: () => number;
  /** Lets every writer finish its command; resolves when each has its definite answer. */
  stop: () => Promise<void>;
};

type Reply = { status: number; body: Record<string, unknown> };

/** `urlOf` is asked before every try, so that a restarted system is found. */
export function startWriters(urlOf: () => string, writers: number): Writers {
  const answers: Answer[] = [];
  let acknowledged = 0;
  let resolved = 0;
  const stopping = new AbortController();

  async function send(method: string, route: string, body: object): Promise<Reply> {
    const key = randomUUID();
    const answer: Answer = {
      correlationId: key,
      status: null,
      modelId: null,
      streamVersion: null,
      changes: true,
    };
    answers.push(answer);
    for (let tries = 1; tries <= triesMax; tries++) {
      try {
        const response = await fetch(`${urlOf()}/api/v1${route}`, {
          method,
          headers: {
            authorization: `Bearer ${adminKey}`,
            'content-type': 'application/json',
            'idempotency-key': key,
            'x-correlation-id': key,
          },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(requestTimeoutMs),
        });
        const reply = { status: response.status, body: (await response.json()) as Reply['body'] };
        if (response.status < 500) {
          if (tries > 1) resolved++;
          answer.status = response.status;
          answer.modelId = (reply.body['model_id'] as string | undefined) ?? null;
          answer.streamVersion = (reply.body['stream_version'] as number | undefined) ?? null;
          if (response.status < 300) acknowledged++;
          return reply;
        }
      } catch {
        // no answer: the process is gone, or the connection was cut
      }
      await delay(retryAfterMs);
    }
    throw new Error(`${method} ${route} got no definite answer in ${triesMax} tries`);
  }

  async function write(): Promise<void> {
    while (!stopping.signal.aborted) {
      const name = `model-${randomUUID()}`;
      await send('POST', '/models', { name, framework: 'onnx' });
      for (let number = 1; number <= 3 && !stopping.signal.aborted; number++) {
        await send('POST', `/models/${name}/versions`, {
          label: `v${number}`,
          metrics: { accuracy: 0.9 },
        });
        await send('POST', `/models/${name}/versions/${number}/promote`, {
          to_stage: 'production',
        });
      }
      // refused, as the version is there already: must leave no event
      await send('POST', `/models/${name}/versions`, { label: 'v1' });
    }
  }

  const running = Array.from({ length: writers }, write);
  return {
    answers,
    acknowledged: () => acknowledged,
    resolved: () => resolved,
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}
