// Turns many questions of one moment into one query: what makes ten thousand of them a second a few hundred queries.
import { LogUnavailable } from '#events/log.ts';

/** Longer than a query waits for its connection and its answer; one that never ends must not keep its place from all after it. */
const queryMsMax = 5_000;
/** While so many queries are under way, further keys wait and go together. */
const queriesMax = 2;

/**
 * A function that answers one key, by calls of `load` with all keys asked for since the last call. `load` answers in the
 * order of its keys; if it fails, or takes longer than any query may, so do they all.
 * @param keysMax one query looks up so many keys at most
 */
export function coalesce<Key, Value>(
  keysMax: number,
  load: (keys: readonly Key[]) => Promise<readonly Value[]>,
): (key: Key) => Promise<Value> {
  type Asked = { key: Key; resolve: (value: Value) => void; reject: (error: unknown) => void };
  let asked: Asked[] = [];
  let queries = 0;
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || queries >= queriesMax || asked.length === 0) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      void run(asked.splice(0, keysMax));
      schedule();
    });
  }

  async function run(batch: readonly Asked[]): Promise<void> {
    queries++;
    try {
      const values = await inTime(load(batch.map(({ key }) => key)));
      batch.forEach(({ resolve }, index) => resolve(values[index]!));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      queries--;
      schedule();
    }
  }

  function inTime<Result>(loading: Promise<Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const giveUp = (): void =>
      reject(new LogUnavailable('a question of many has no answer', { inDoubt: false }));
    const timer = setTimeout(giveUp, queryMsMax);
    loading.then(resolve, reject).finally(() => clearTimeout(timer));
    return promise;
  }

  return (key) =>
    new Promise((resolve, reject) => {
      asked.push({ key, resolve, reject });
      schedule();
    });
}
