// Asks the command API to archive one version. It decides again, so an answer may be that the model has moved on.
import { setTimeout as delay } from 'node:timers/promises';
import { v5 as uuidv5 } from 'uuid';
import type { DueVersion } from './due.ts';

/** The API answers within 2 s, or not at all. */
const requestTimeoutMs = 5_000;
/** About 15 s in all; then the next sweep asks. */
const attemptsMax = 6;
const retryDelayMsMax = 5_000;
const retryDelayMsFirst = 250;
const namespace = '6f1d1c1e-6f0b-5d53-9c1f-0b7f3a1f7d42';

type ArchiveOrder = {
  model_id: string;
  version: DueVersion;
  /** The stream version that was judged; the order is void at any other. */
  decidedOn: number;
};

/** `moved_on`: nothing happened; fold the model again and judge anew. */
type ArchiveOutcome =
  | { outcome: 'archived'; stream_version: number }
  | { outcome: 'moved_on'; code: string };

/** @throws ArchiveFailed when there is no definite answer, or one that only an operator can change. */
export type ArchiveVersion = (order: ArchiveOrder, signal: AbortSignal) => Promise<ArchiveOutcome>;

/** The order could not be given; `retryable` says whether the same may succeed later by itself. */
class ArchiveFailed extends Error {
  override name = 'ArchiveFailed';
  readonly retryable: boolean;
  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable;
  }
}

/** The same decision always has the same key, so that asking twice archives once. */
function idempotencyKey({ version, decidedOn }: ArchiveOrder): string {
  const { version_id, rule, due_at } = version;
  return uuidv5(`${version_id} ${rule.type} ${due_at} ${decidedOn}`, namespace);
}

/** Orders by HTTP, with the key of a service: only that role may say why. */
export function archiveByHttp(options: { apiUrl: string; serviceKey: string }): ArchiveVersion {
  return async (order, signal) => {
    const { model_id, version, decidedOn } = order;
    const url = new URL(
      `/api/v1/models/${model_id}/versions/${version.number}/archive`,
      options.apiUrl,
    );
    const { cause, rule } = version;
    const request = {
      method: 'POST',
      headers: {
        authorization: `Bearer ${options.serviceKey}`,
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey(order),
        'if-match': `"${decidedOn}"`,
      },
      body: JSON.stringify({ reason: reasonOf(version), cause, rule, plan_id: null }),
    };
    for (let attempt = 1; ; attempt++) {
      const answer = await askOnce(url, request, signal);
      if ('outcome' in answer) return answer;
      if (attempt === attemptsMax)
        throw new ArchiveFailed(`the command API does not archive: ${answer.problem}`, {
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
): Promise<ArchiveOutcome | NoAnswer> {
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
    return { outcome: 'archived', stream_version: body.stream_version };
  // A key that is known with another body was used for this very decision, measured at another time.
  if (status === 409 || status === 412 || code === 'key_reused')
    return { outcome: 'moved_on', code };
  if (status === 429 || status >= 500) return { problem: code };
  throw new ArchiveFailed(`the command API refuses to archive: ${code}`, { retryable: false });
}

/** Why, for a person who reads the timeline. */
function reasonOf({ rule }: DueVersion): string {
  switch (rule.type) {
    case 'age_days':
      return `unused for ${rule.measured} days, kept for ${rule.limit}`;
    case 'sunset':
      return `past its sunset of ${rule.limit}`;
    case 'count':
      return `number ${rule.measured} from the newest, of which ${rule.limit} are kept`;
  }
}
