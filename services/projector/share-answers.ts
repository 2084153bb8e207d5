// Makes one answer for all that ask for the same within a moment.
import type { Principal } from '#events/access.ts';
import { keyOf } from './answers.ts';

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
