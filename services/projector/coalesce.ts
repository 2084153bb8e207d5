// Turns many questions of one moment into one query: what makes ten thousand reads a second a few hundred queries.
import type { Principal } from '#events/access.ts';
import { keyOf } from './answers.ts';

/** One query looks up so many keys at most. */
const keysMax = 500;
/** While so many queries are under way, further keys wait and go together. */
const queriesMax = 2;

/**
 * A function that answers one key, by calls of `load` with all keys asked for since the last call. `load` answers in the
 * order of its keys; if it fails, so do they all.
 */
export function coalesce<Key, Value>(
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
      const values = await load(batch.map(({ key }) => key));
      batch.forEach(({ resolve }, index) => resolve(values[index]!));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      queries--;
      schedule();
    }
  }

  return (key) =>
    new Promise((resolve, reject) => {
      asked.push({ key, resolve, reject });
      schedule();
    });
}

/** A function that makes one answer for all that ask for the same within a moment, and may see the same. */
export function shareAnswers<Answer>(): (
  caller: Pick<Principal, 'audience'>,
  question: string,
  make: () => Promise<Answer>,
) => Promise<Answer> {
  const asked = new Map<string, Promise<Answer>>();
  return (caller, asking, make) => {
    const question = keyOf(caller, asking);
    let answer = asked.get(question);
    if (answer === undefined) {
      // Made only when everybody of this moment has asked, so that what it reads is not older than any of them.
      answer = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        asked.delete(question);
        return make();
      });
      asked.set(question, answer);
    }
    return answer;
  };
}
