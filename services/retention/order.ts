// Orders something of the command API, which decides again: an answer may be that the model has moved on.
import { setTimeout as delay } from 'node:timers/promises';
import { v5 as uuidv5 } from 'uuid';

/** The API answers within 2 s, or not at all. */
const requestTimeoutMs = 5_000;
/** About 15 s in all; then the next sweep asks. */
const attemptsMax = 6;
const retryDelayMsMax = 5_000;
const retryDelayMsFirst = 250;
const namespace = '6f1d1c1e-6f0b-5d53-9c1f-0b7f3a1f7d42';

type Order = {
  path: string;
  body: object;
  /** The stream version that was judged; the order is void at any other. */
  decidedOn: number;
  /** Names the decision: the same always has the same key, so that asking twice does it once. */
  decision: string;
};

/** `moved_on`: nothing happened; fold the model again and judge anew. */
export type OrderOutcome =
  | { outcome: 'done'; stream_version: number }
  | { outcome: 'moved_on'; code: string };

/** @throws OrderFailed when there is no definite answer, or one that only an operator can change. */
export type GiveOrder = (order: Order, signal: AbortSignal) => Promise<OrderOutcome>;

/** The order could not be given; `retryable` says whether the same may succeed later by itself. */
class OrderFailed extends Error {
  override name = 'OrderFailed';
  readonly retryable: boolean;
  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable;
  }
}

/** Orders by HTTP, with the key of a service: only that role may say why. */
export function orderByHttp(options: { apiUrl: () => string; serviceKey: string }): GiveOrder {
  return async ({ path, body, decidedOn, decision }, signal) => {
    const url = new URL(`/api/v1${path}`, options.apiUrl());
    const request = {
      method: 'POST',
      headers: {
        authorization: `Bearer ${options.serviceKey}`,
        'content-type': 'application/json',
        'idempotency-key': uuidv5(`${decision} ${decidedOn}`, namespace),
        'if-match': `"${decidedOn}"`,
      },
      body: JSON.stringify(body),
    };
    for (let attempt = 1; ; attempt++) {
      const answer = await askOnce(url, request, signal);
      if ('outcome' in answer) return answer;
      if (attempt === attemptsMax)
        throw new OrderFailed(`the command API does not answer an order: ${answer.problem}`, {
          retryable: true,
          cause: answer.cause,
        });
      const pauseMs = Math.min(retryDelayMsFirst * 2 ** (attempt - 1), retryDelayMsMax);
      await delay(pauseMs, undefined, { signal });
    }
  };
}

type NoAnswer = { problem: string; cause?: unknown };

async function askOnce(
  url: URL,
  request: RequestInit,
  signal: AbortSignal,
): Promise<OrderOutcome | NoAnswer> {
  let status: number;
  let body: { stream_version?: number; code?: string };
  try {
    const timeout = AbortSignal.timeout(requestTimeoutMs);
    const response = await fetch(url, { ...request, signal: AbortSignal.any([signal, timeout]) });
    status = response.status;
    body = (await response.json()) as typeof body;
  } catch (cause) {
    signal.throwIfAborted();
    return { problem: 'it does not answer', cause };
  }
  const code = body.code ?? String(status);
  if (status === 200 && body.stream_version !== undefined)
    return { outcome: 'done', stream_version: body.stream_version };
  // A key that is known with another body was used for this very decision, measured at another time.
  if (status === 409 || status === 412 || code === 'key_reused' || code === 'model_not_found')
    return { outcome: 'moved_on', code };
  if (status === 429 || status >= 500) return { problem: code };
  throw new OrderFailed(`the command API refuses an order: ${code}`, { retryable: false });
}
