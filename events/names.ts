// Names, ids and claims: what a stream, a model, a label and a tenant may be called.
import { z } from 'zod';
import type { PolicyScope } from './policy/policy.ts';

export const modelNameCharactersMax = 256;
export const labelCharactersMax = 128;
/** More than the longest stream has, that of a project's policy; PostgreSQL's indexes hold so many, whatever they are. */
const streamCharactersMax = 640;

/** The tenant that exists from the start. */
export const defaultTenant = 'default';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const digitsPattern = /^[0-9]+$/;
// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const controlPattern = /[\u0000-\u001f\u007f-\u009f]/;

/** Words that a path under `/models/` already means. */
const reservedModelNames: ReadonlySet<string> = new Set([
  'name',
  'register',
  'transition',
  'archive',
]);
const reservedLabels: ReadonlySet<string> = new Set(['default', 'latest']);
/** What clients take out of a path before they send it (RFC 3986, section 5.2.4). */
const isDots = (text: string): boolean => text === '.' || text === '..';

export const isUuid = (text: string): boolean => uuidPattern.test(text);
export const isDigits = (text: string): boolean => digitsPattern.test(text);

/** The n-th id (from 0) of those that a decision derives from one that its command carries. */
export const nthId = (id: string, n: number): string =>
  id.slice(0, 24) +
  ((BigInt(`0x${id.slice(24)}`) + BigInt(n)) % 2n ** 48n).toString(16).padStart(12, '0');

/** Text that PostgreSQL's jsonb and UTF-8 can hold: no NUL, no lone surrogate. */
export const isStorableText = (text: string): boolean =>
  !text.includes('\u0000') && text.isWellFormed();

/** Whether a text has more characters than so many. It has no more than UTF-16 units, so a short one need not be counted. */
const isLonger = (text: string, charactersMax: number): boolean => {
  if (text.length <= charactersMax) return false;
  let count = 0;
  for (const _ of text) count++;
  return count > charactersMax;
};

/** Why a text cannot be one of the short ones that people compare and filter by, or null. */
export function wordFault(text: string): string | null {
  if (controlPattern.test(text)) return 'must not hold control characters';
  return text.trim() === text ? null : 'must not begin or end with a space';
}

/** Why a model cannot have this name, or null. `reserved` names would be read as something else in a path. */
export function modelNameFault(name: string): { reserved: boolean; message: string } | null {
  const invalid = (message: string) => ({ reserved: false, message });
  if (name.length === 0) return invalid('must not be empty');
  if (isLonger(name, modelNameCharactersMax))
    return invalid(`must have at most ${modelNameCharactersMax} characters`);
  if (!name.isWellFormed()) return invalid('must be well-formed Unicode');
  if (name.normalize('NFC') !== name) return invalid('must be in Unicode normalization form C');
  if (controlPattern.test(name)) return invalid('must not hold control characters');
  if (name.includes('/')) return invalid('must not hold "/"');
  if (name.trim() !== name) return invalid('must not begin or end with a space');
  if (isDigits(name) || isUuid(name) || reservedModelNames.has(name) || isDots(name))
    return {
      reserved: true,
      message:
        'must not be digits only, a UUID, dots, or one of name, register, transition, archive',
    };
  return null;
}

/** Why a version cannot have this label, or null. Digits are judged by the decision, which knows the number. */
export function labelFault(label: string): string | null {
  if (label.length === 0) return 'must not be empty';
  if (isLonger(label, labelCharactersMax))
    return `must have at most ${labelCharactersMax} characters`;
  if (!label.isWellFormed()) return 'must be well-formed Unicode';
  if (controlPattern.test(label)) return 'must not hold control characters';
  if (label.includes('/')) return 'must not hold "/"';
  if (label.trim() !== label) return 'must not begin or end with a space';
  if (label.startsWith('@')) return 'must not begin with "@"';
  if (isUuid(label) || reservedLabels.has(label) || isDots(label))
    return 'must not be a UUID, dots, default or latest';
  return null;
}

export const tenantSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be a slug: a-z, 0-9 and "-"');

export const modelStream = (tenant: string, modelId: string): string =>
  `model:${tenant}:${modelId}`;
export const tenantStream = (tenant: string): string => `tenant:${tenant}`;

/** The unique name of a model within its tenant, as a claim that its stream takes. */
export const modelNameClaim = (tenant: string, name: string): string =>
  `model-name:${tenant}:${name}`;

/** One stream a scope, so that "no policy" is version 0 and no scope has two. */
export const policyStream = (tenant: string, scope: PolicyScope): string =>
  `policy:${tenant}:${scope}`;

export type StreamCategory = 'model' | 'policy' | 'tenant';

/** `model:default:<id>` → category, tenant and the rest; null for a stream of no known category, or that no log can hold. */
export function parseStream(
  stream: string,
): { category: StreamCategory; tenant: string; id: string } | null {
  if (stream.length > streamCharactersMax || !isStorableText(stream)) return null;
  const [category, tenant, ...rest] = stream.split(':');
  if (tenant === undefined || tenant === '') return null;
  if (category === 'model' && rest.length === 1) return { category, tenant, id: rest[0]! };
  if (category === 'policy') {
    const scope = policyScope(rest.join(':'));
    return scope === null ? null : { category, tenant, id: scope };
  }
  if (category === 'tenant' && rest.length === 0) return { category, tenant, id: tenant };
  return null;
}

/** `tenant`, `project:<p>` or `model:<id>`; null for what is no scope of a policy. */
export function policyScope(text: string): PolicyScope | null {
  if (text === 'tenant') return text;
  const name = text.slice(text.indexOf(':') + 1);
  if (text.startsWith('project:') && name !== '') return `project:${name}`;
  return text.startsWith('model:') && isUuid(name) ? `model:${name.toLowerCase()}` : null;
}
