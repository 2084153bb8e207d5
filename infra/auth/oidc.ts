// Tokens of an OpenID Connect issuer: its keys are found by discovery, kept, and asked for anew when a token names an unknown one.
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload } from 'jose';
import { boundRoles } from '#events/access.ts';
import type { Grant, Role } from '#events/access.ts';
import { LogUnavailable } from '#events/log.ts';
import { defaultTenant, isStorableText, tenantSchema } from '#events/names.ts';
import { fetchJson } from '../http/outgoing.ts';

/** Signatures with a public key only: no `none`, and nothing whose secret would be the public key. */
const issuerAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
/** However many unknown keys strangers name, the issuer is asked this often at most. */
const refreshPauseMs = 10_000;
/** Keys are asked for anew after this, so that one that was withdrawn is not believed for ever. */
const keysTrustedForMs = 10 * 60_000;
/** A client must hear within 2 s, and discovery is two questions. */
const questionTimeoutMs = 800;
const answerBytesMax = 256 * 1024;
const clockToleranceSeconds = 5;
const subjectCharactersMax = 256;
const teamsMax = 100;
/** Subjects that begin so are the registry's own. */
const ownSubjectPrefix = 'modelog:';

/** What an operator says of the issuer; a claim's name may be a path with dots. */
export type OidcSettings = {
  issuer: string;
  audience: string;
  subjectClaim: string;
  /** Undefined: everybody is of the first tenant. */
  tenantClaim: string | undefined;
  /** Undefined: a token gives no role, and bindings alone do. */
  rolesClaim: string | undefined;
  /** Undefined: the roles are held in the whole tenant; else in these teams only. */
  teamsClaim: string | undefined;
  allowPrivate: boolean;
};

/** Who a token that is good is of, and until when (ms). */
export type IssuerToken = {
  tenant: string;
  subject: string;
  own: readonly Grant[];
  expires_at: number;
};

export type Oidc = {
  /**
   * Null for a token that is not good.
   * @throws LogUnavailable where the issuer's keys cannot be had now
   */
  verify: (token: string) => Promise<IssuerToken | null>;
};

type Keys = { set: ReturnType<typeof createLocalJWKSet>; ids: ReadonlySet<string>; at: number };

export function openOidc(settings: OidcSettings): Oidc {
  const { issuer, audience, allowPrivate } = settings;
  const outgoing = { allowPrivate, timeoutMs: questionTimeoutMs, bytesMax: answerBytesMax };
  let keys: Keys | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<Keys> | null = null;

  async function ask(): Promise<Keys> {
    const discovery = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const found = (await fetchJson(discovery, outgoing)) as {
      issuer?: unknown;
      jwks_uri?: unknown;
    };
    if (found?.issuer !== issuer || typeof found.jwks_uri !== 'string')
      throw new Error('the discovery document is of another issuer, or names no keys');
    const document = (await fetchJson(found.jwks_uri, outgoing)) as JSONWebKeySet;
    const ids = new Set(document.keys.map(({ kid }) => kid).filter((kid) => kid !== undefined));
    return { set: createLocalJWKSet(document), ids, at: performance.now() };
  }

  /** Asks the issuer, unless that was a moment ago. */
  async function refresh(): Promise<Keys | null> {
    if (asking === null) {
      if (performance.now() - askedAt < refreshPauseMs) return null;
      askedAt = performance.now();
      asking = ask()
        .then((found) => (keys = found))
        .finally(() => (asking = null));
    }
    return await asking;
  }

  async function keysFor(kid: string | undefined): Promise<Keys> {
    try {
      const isOld = keys !== null && performance.now() - keys.at > keysTrustedForMs;
      const isUnknown = keys === null || (kid !== undefined && !keys.ids.has(kid));
      if (isUnknown) await refresh();
      // a failure in the background leaves the keys that there are
      else if (isOld) refresh().catch(() => undefined);
    } catch (cause) {
      if (keys === null) throw unavailable(cause);
    }
    if (keys === null) throw unavailable(undefined);
    return keys;
  }

  return {
    async verify(token) {
      let payload: JWTPayload;
      let kid: string | undefined;
      try {
        const header = decodeProtectedHeader(token);
        if (!(issuerAlgorithms as readonly unknown[]).includes(header.alg)) return null;
        ({ kid } = header);
      } catch {
        return null;
      }
      const { set } = await keysFor(typeof kid === 'string' ? kid : undefined);
      try {
        ({ payload } = await jwtVerify(token, set, {
          algorithms: [...issuerAlgorithms],
          issuer,
          audience,
          requiredClaims: ['exp'],
          clockTolerance: clockToleranceSeconds,
        }));
      } catch {
        return null;
      }
      return tokenOf(payload, settings);
    },
  };
}

const unavailable = (cause: unknown): LogUnavailable =>
  new LogUnavailable("the issuer's keys cannot be had", { inDoubt: false, cause });

/** A claim by its name, or by a path of names with dots between. */
function claim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** A list of texts, or one text of words. */
const words = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.filter((word): word is string => typeof word === 'string')
    : typeof value === 'string'
      ? value.split(/\s+/).filter((word) => word !== '')
      : [];

function tokenOf(payload: JWTPayload, settings: OidcSettings): IssuerToken | null {
  const subject = claim(payload, settings.subjectClaim);
  const isSubject =
    typeof subject === 'string' &&
    subject !== '' &&
    subject.length <= subjectCharactersMax &&
    isStorableText(subject) &&
    !subject.startsWith(ownSubjectPrefix);
  if (!isSubject) return null;
  const tenant = tenantSchema.safeParse(
    settings.tenantClaim === undefined ? defaultTenant : claim(payload, settings.tenantClaim),
  );
  if (!tenant.success) return null;
  const named = settings.rolesClaim === undefined ? [] : words(claim(payload, settings.rolesClaim));
  const held: readonly Role[] = boundRoles.filter((role) => named.includes(role));
  const scopes: readonly Grant['scope'][] =
    settings.teamsClaim === undefined
      ? ['tenant']
      : words(claim(payload, settings.teamsClaim))
          .slice(0, teamsMax)
          .map((team) => `team:${team}` as const);
  const own = scopes.flatMap((scope) => held.map((role) => ({ role, scope, granted_by: null })));
  return { tenant: tenant.data, subject, own, expires_at: payload.exp! * 1_000 };
}
