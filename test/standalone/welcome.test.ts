// What a person at a terminal reads when Ctrl-C has been typed.
import { expect, it } from 'vitest';
import { farewell } from '#services/standalone/welcome.ts';

it('says at a terminal when the end begins, and when it is done', async () => {
  let shown = '';
  const terminal = { isTTY: true, write: (text: string) => (shown += text) };
  const { promise: closing, resolve: close } = Promise.withResolvers<void>();
  const ended = farewell(terminal, () => closing);
  expect(shown).toMatch(/^\n {2}Ending: .*\n$/);
  close();
  await ended;
  expect(shown).toMatch(/\n {2}Modelog has ended\.\n$/);
});

it('says nothing where no person reads', async () => {
  let shown = '';
  await farewell({ write: (text: string) => (shown += text) }, async () => undefined);
  expect(shown).toBe('');
});
