// Codes of texts: one a text for as long as a row has it, and no two texts at once with the same.
import { array, assert, constantFrom, nat, oneof, property } from 'fast-check';
import { expect, test } from 'vitest';
import { noText, TextCodes } from '#services/projector/text-codes.ts';

test('a text has one code, however many rows have it, until the last has it no more', () => {
  const codes = new TextCodes();
  const risk = codes.take('risk');
  expect([codes.take('risk'), codes.find('risk')]).toEqual([risk, risk]);
  codes.release(risk);
  expect(codes.find('risk')).toBe(risk);
  codes.release(risk);
  expect(codes.find('risk')).toBeUndefined();
});

test('a code that no row has goes to the next new text, and means the first one no more', () => {
  const codes = new TextCodes();
  const [risk, growth] = [codes.take('risk'), codes.take('growth')];
  codes.release(risk);
  expect(codes.take('fraud')).toBe(risk);
  expect(['risk', 'growth', 'fraud'].map((text) => codes.find(text))).toEqual([
    undefined,
    growth,
    risk,
  ]);
});

test('null is no text, whoever takes or releases it; the empty text is one', () => {
  const codes = new TextCodes();
  expect(codes.take(null)).toBe(noText);
  codes.release(noText);
  const empty = codes.take('');
  expect(empty).not.toBe(noText);
  expect(codes.find('')).toBe(empty);
  codes.release(empty);
  expect(codes.find('')).toBeUndefined();
});

test('what is not there any more takes no memory', () => {
  const codes = new TextCodes();
  const codesOfRuns = Array.from({ length: 1_000 }, (_, nth) => codes.take(`run ${nth}`));
  expect(codes.bytes).toBeGreaterThan(1_000);
  for (const code of codesOfRuns) codes.release(code);
  expect(codes.bytes).toBe(0);
});

test('whatever is taken and released, each text that a row has is found, and no other', () => {
  const text = constantFrom('a', 'b', 'c', 'd', '', null);
  const step = oneof(
    text.map((taken) => ({ taken })),
    nat(9).map((released) => ({ released })),
  );
  assert(
    property(array(step, { maxLength: 40 }), (steps) => {
      const codes = new TextCodes();
      const held: { text: string | null; code: number }[] = [];
      for (const step of steps) {
        if ('taken' in step) held.push({ text: step.taken, code: codes.take(step.taken) });
        else if (step.released < held.length) codes.release(held.splice(step.released, 1)[0]!.code);
        for (const one of ['a', 'b', 'c', 'd', ''])
          expect(codes.find(one)).toBe(held.find(({ text }) => text === one)?.code);
        const texts = new Set(held.map(({ text }) => text));
        expect(new Set(held.map(({ code }) => code)).size).toBe(texts.size);
      }
    }),
    { numRuns: 500 },
  );
});
