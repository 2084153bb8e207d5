// Shows that an answer reads the same however the network splits it, and that nothing inexact passes for one.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ResponseFault, ResponseParser } from './response-parser.ts';

type Answer = { status: number; body: string; keepAlive: boolean };

/** The answers in some bytes, which arrive in parts that end at the given places; each answer ends a part. */
function read(responses: readonly Buffer[], cuts: readonly number[]): Answer[] {
  const parser = new ResponseParser(200);
  const answers: Answer[] = [];
  for (const response of responses) {
    const ends = [...new Set(cuts.map((cut) => cut % response.length)), response.length];
    let start = 0;
    for (const end of ends.toSorted((one, other) => one - other)) {
      if (end === start) continue;
      const whole = parser.push(response.subarray(start, end));
      expect(whole).toBe(end === response.length);
      start = end;
      if (whole)
        answers.push({
          status: parser.status,
          body: parser.body(),
          keepAlive: parser.keepAlive,
        });
    }
  }
  return answers;
}

const anyBody = fc.string({ unit: 'grapheme', maxLength: 200 });
const anyStatus = fc.constantFrom(200, 201, 404, 409, 503);

function withLength(status: number, body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status} Some Reason\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function chunked(status: number, body: string, chunkBytes: number): Buffer {
  const bytes = Buffer.from(body);
  const parts = [Buffer.from(`HTTP/1.1 ${status} \r\ntransfer-encoding: chunked\r\n\r\n`)];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes);
    parts.push(Buffer.from(`${chunk.length.toString(16)};part\r\n`), chunk, Buffer.from('\r\n'));
  }
  parts.push(Buffer.from('0\r\nx-digest: none\r\n\r\n'));
  return Buffer.concat(parts);
}

test('an answer is the same whole, split anywhere, with a length or in chunks', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anyStatus, anyBody, fc.nat(40)), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(2_000), { maxLength: 30 }),
      (answers, cuts) => {
        const responses = answers.map(([status, body, chunkBytes]) =>
          chunkBytes === 0 ? withLength(status, body) : chunked(status, body, chunkBytes),
        );
        expect(read(responses, cuts)).toEqual(
          answers.map(([status, body]) => ({ status, body, keepAlive: true })),
        );
      },
    ),
  );
});

test('one byte at a time is enough', () => {
  const everyByte = Array.from({ length: 500 }, (_, n) => n);
  const answers = read([withLength(201, '{"number":1}'), chunked(200, 'abcdef', 4)], everyByte);
  expect(answers.map((answer) => answer.body)).toEqual(['{"number":1}', 'abcdef']);
});

test('an answer without content has an empty body, and a closing server says so', () => {
  const closing = Buffer.from('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
  expect(read([closing], [])).toEqual([{ status: 204, body: '', keepAlive: false }]);
  expect(read([withLength(200, '')], [])).toEqual([{ status: 200, body: '', keepAlive: true }]);
});

test('an answer that says it is stale is known by it, and the next one is fresh again', () => {
  const parser = new ResponseParser(300);
  parser.push(Buffer.from('HTTP/1.1 200 OK\r\nX-Stale: true\r\nContent-Length: 0\r\n\r\n'));
  expect(parser.isStale).toBe(true);
  parser.push(withLength(200, 'fine'));
  expect(parser.isStale).toBe(false);
});

test('only bodies from a status on are kept', () => {
  const parser = new ResponseParser(300);
  parser.push(withLength(200, 'fine'));
  expect(parser.body()).toBe('');
  parser.push(withLength(409, 'taken'));
  expect(parser.body()).toBe('taken');
  parser.push(withLength(200, 'fine'));
  expect(parser.body()).toBe('');
});

describe('refused', () => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  const faults: [string, string][] = [
    ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['an older HTTP', 'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['a body of unknown length', `${ok}content-type: text/plain\r\n\r\nhello`],
    ['two lengths', `${ok}content-length: 1\r\ncontent-length: 1\r\n\r\na`],
    ['a length that is no number', `${ok}content-length: 0x1\r\n\r\na`],
    ['a negative length', `${ok}content-length: -1\r\n\r\n`],
    ['both framings', `${ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['another coding', `${ok}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['a folded header', `${ok}x-one: a\r\n b\r\ncontent-length: 0\r\n\r\n`],
    ['a space before the colon', `${ok}content-length : 0\r\n\r\n`],
    ['a line without a colon', `${ok}content-length\r\n\r\n`],
    ['bytes after the end', `${ok}content-length: 1\r\n\r\nab`],
    ['a second answer at once', `${ok}content-length: 0\r\n\r\n${ok}content-length: 0\r\n\r\n`],
    ['a chunk longer than it said', `${ok}transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`],
    ['a chunk size that is no number', `${ok}transfer-encoding: chunked\r\n\r\nxyz\r\n`],
    ['a bare line feed', `${ok}transfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n`],
    ['a head without end', `${ok}x: ${'a'.repeat(20_000)}`],
  ];
  test.each(faults)('%s', (_name, bytes) => {
    expect(() => new ResponseParser(200).push(Buffer.from(bytes))).toThrow(ResponseFault);
  });
});
