// What is wrong with a request, every fault at once, each with the place where it is.
import type { ZodError } from 'zod';
import { jsonPointer } from '#events/json-pointer.ts';
import { isStorableText } from '#events/names.ts';
import type { Fault } from './problems.ts';

/** Free JSON may be nested this deep; deeper is an attack on whoever walks it. */
const depthMax = 32;
/** More faults than these help nobody. */
const faultsMax = 50;

/** The faults that a schema found in a part of the request (`body`, `querystring`, `params`, `headers`). */
export function faultsOfSchema(error: ZodError, part: string): Fault[] {
  const place = (path: readonly PropertyKey[]): string =>
    part === 'body'
      ? jsonPointer(path)
      : part === 'querystring'
        ? `?${path.map(String).join('.')}`
        : jsonPointer([part, ...path]);
  return error.issues
    .filter((issue, _nth, all) => !isOfWrongType(issue, all))
    .flatMap((issue) => faultsOfIssue(issue, []))
    .slice(0, faultsMax)
    .map(({ path, message }) => ({ pointer: place(path), message }));
}

type Issue = ZodError['issues'][number];
type FaultAt = { path: readonly PropertyKey[]; message: string };

/** What is of another type than it should be has no length that matters, though zod measures whatever has one. */
const isOfWrongType = (issue: Issue, all: readonly Issue[]): boolean =>
  (issue.code === 'too_small' || issue.code === 'too_big') &&
  all.some(({ code, path }) => code === 'invalid_type' && path.join() === issue.path.join());

/** @param within where the value is in which the issue was found */
function faultsOfIssue(issue: Issue, within: readonly PropertyKey[]): FaultAt[] {
  const path = [...within, ...issue.path];
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...path, key], message: 'is not known here' }));
  if (isNothing(issue)) return [{ path, message: 'is needed' }];
  if (issue.code !== 'invalid_union') return [{ path, message: issue.message }];
  // an alternative with faults inside the value only is the one that was meant
  const meant = issue.errors.find((issues) => issues.every((one) => one.path.length > 0));
  return meant === undefined
    ? [{ path, message: unionMessage(issue) }]
    : meant.flatMap((one) => faultsOfIssue(one, path));
}

/** Whether there is nothing where something is needed; zod says so in the message only. */
const isNothing = (issue: Issue): boolean =>
  issue.code === 'invalid_union'
    ? issue.errors.length > 0 && issue.errors.every((of) => of.length > 0 && of.every(isNothing))
    : issue.code === 'invalid_type' && issue.message.endsWith('received undefined');

/** What zod says of a union that says nothing itself. */
const saysNothing = 'Invalid input';

/** What the schema says of the union itself, else what each alternative does. */
function unionMessage(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  if (issue.message !== saysNothing) return issue.message;
  const messages = new Set(issue.errors.flatMap((issues) => issues.map((one) => one.message)));
  return messages.size === 0 ? issue.message : [...messages].join(', or ');
}

/** The fault of what must not be given to anybody who walks it by recursion. */
export const tooDeep = `must not be nested deeper than ${depthMax}`;

const isHuge = (value: number): boolean => Number.isInteger(value) && !Number.isSafeInteger(value);

/** Stands for a whole number that was written with more digits than a double keeps. */
const inexact = Object.freeze({});

/** As the language has it (ECMAScript 2026), and its types not yet. */
type ParseSource = (
  text: string,
  reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
) => unknown;

/** The body once more, with its numbers told apart by how they were written: `1e300` is what it says, twenty digits are not. */
const withInexact = (text: string): unknown =>
  (JSON.parse as ParseSource)(text, (_key, value, { source }) =>
    typeof value === 'number' && isHuge(value) && isOtherwise(value, source!) ? inexact : value,
  );
const isOtherwise = (value: number, written: string): boolean =>
  /^-?\d+$/.test(written) && BigInt(written) !== BigInt(value);

/** Nothing is wrong with nearly every body, and finding that out must cost next to nothing: no path is made. */
function isSound(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return isStorableText(value);
  // what is whole and beyond these may be another number than was written
  if (typeof value === 'number') return Number.isFinite(value) && !isHuge(value);
  if (typeof value !== 'object' || value === null) return true;
  if (depth >= depthMax) return false;
  if (Array.isArray(value)) {
    for (const child of value) if (!isSound(child, depth + 1)) return false;
    return true;
  }
  for (const key in value) {
    if (key === '__proto__' || !isStorableText(key)) return false;
    if (!isSound((value as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}

/**
 * Whether a parsed body can be stored at all: depth, text that PostgreSQL can hold, numbers that are finite and kept as they
 * were written. What a field may hold is the schema's business.
 * @param text what it was parsed from
 */
export function faultsOfBody(body: unknown, text: string): Fault[] {
  if (isSound(body, 0)) return [];
  const faults = findFaults(body);
  // parsed once more only where nothing is so deep that the parser itself would fall over it
  return faults[0]?.message === tooDeep ? faults : findFaults(withInexact(text));
}

/** Walks without recursion. */
function findFaults(body: unknown): Fault[] {
  const faults: Fault[] = [];
  const walk: { value: unknown; path: readonly PropertyKey[] }[] = [{ value: body, path: [] }];
  const fault = (path: readonly PropertyKey[], message: string): void => {
    if (faults.length < faultsMax) faults.push({ pointer: jsonPointer(path), message });
  };
  for (let here = walk.pop(); here !== undefined; here = walk.pop()) {
    const { value, path } = here;
    if (typeof value === 'string') {
      if (!isStorableText(value)) fault(path, 'must be well-formed Unicode without NUL');
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) fault(path, 'must be a finite number');
    } else if (value === inexact) {
      fault(path, 'has more digits than a number keeps; send it as a text');
    } else if (typeof value === 'object' && value !== null) {
      // nothing else is worth telling then
      if (path.length >= depthMax) return [{ pointer: jsonPointer(path), message: tooDeep }];
      for (const [key, child] of Object.entries(value)) {
        if (!isStorableText(key))
          fault(path, 'has a key that is not well-formed Unicode without NUL');
        // schemas leave it out without a word
        if (key === '__proto__') fault([...path, key], 'is not a key that can be kept');
        walk.push({ value: child, path: [...path, key] });
      }
    }
  }
  return faults;
}
