// Who is behind what a caller presents: an API key, an access token made of one, or a token of an OpenID Connect issuer.
// The rows in `api_keys` and `role_bindings` decide, and what they said is believed for less than a second.
import { hash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { decodeProtectedHeader } from 'jose';
import type { Pool } from 'pg';
import { principalOf } from '#events/access.ts';
import type { Grant, Identity, Principal, Role } from '#events/access.ts';
import { LogUnavailable } from '#events/log.ts';
import { tenantStream } from '#events/names.ts';
import { isTransient, readDeadlineMs } from '#infra/postgres/connect.ts';
import type { IssuerToken, Oidc } from './oidc.ts';
import type { OwnToken, Tokens } from './tokens.ts';

/** A revocation must hold within a second in every process: an entry is asked for again in the background after this… */
const refreshAfterMs = 400;
/** …and is not believed any more after this. */
const trustedForMs = 900;
/** Tokens remembered at once, known and unknown alike, so that strangers cannot fill the memory. */
const tokensMax = 10_000;
const secretBytes = 32;
/** A presented key may be this long; a longer one cannot be a key. */
const keyCharactersMax = 512;
/** A token of an issuer holds claims. */
const tokenCharactersMax = 8 * 1024;
/** A token that was not good may become so, when its issuer shows new keys. */
const badTokenTrustedForMs = 1_000;

/** A new secret with 256 random bits. It is shown once; only its hash is kept. */
export const newSecret = (): string => `mlk_${randomBytes(secretBytes).toString('base64url')}`;
export const secretHash = (secret: string): string => hash('sha256', secret, 'hex');

export type Keyring = {
  /**
   * Who is behind a token, or null. A known token is answered without waiting.
   * @throws LogUnavailable where the database or the issuer cannot say.
   */
  find: (token: string) => Principal | null | Promise<Principal | null>;
  /** The same, but waits for the database's word where the last one has aged; for answers that go on and on. */
  confirm: (token: string) => Promise<Principal | null>;
  /** A key or a role was given or taken just now: what was known before is asked anew. */
  moved: () => void;
};

/** How tokens are verified, beside keys. */
export type TokenVerifiers = { tokens: Tokens | null; oidc: Oidc | null };

type Found = Principal | null;
type Entry = { principal: Found; askedAt: number; asking: Promise<Found> | null };

type KeyRow = {
  key_id: string;
  tenant: string;
  subject: string;
  subject_type: Identity['subject_type'];
  role: Role;
  issued_by: string | null;
  bindings: Grant[] | null;
};
const bindingsOf = (tenant: string, subject: string): string =>
  `(select json_agg(json_build_object('role', b.role, 'scope', b.scope, 'granted_by', b.granted_by)) from log.role_bindings b
    where b.tenant = ${tenant} and b.subject = ${subject} and b.granted_by is not null)`;
const keyQuery = (name: string, condition: string) => ({
  name,
  text: `select key_id, tenant, subject, subject_type, role, issued_by, ${bindingsOf('k.tenant', 'k.subject')} as bindings
         from log.api_keys k
         where ${condition} and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())`,
});
const keyBySecret = keyQuery('find_key', 'sha256 = $1');
const keyById = keyQuery('find_key_by_id', 'key_id = $1::uuid');
const subjectQuery = {
  name: 'find_subject',
  text: `select ${bindingsOf('$1', '$2')} as bindings where exists (select from log.streams where stream = $3)`,
};

const principalOfKey = (row: KeyRow, auth_method: 'api_key' | 'token'): Principal => {
  const { bindings, role, ...key } = row;
  const own = [{ role, scope: 'tenant', granted_by: row.issued_by } as const];
  return principalOf({ ...key, auth_method, own }, bindings ?? []);
};

/** Remembers what the database said of a name less than a second ago. */
function remember(ask: (name: string) => Promise<Found>) {
  const entries = new LRUCache<string, Entry>({ max: tokensMax });
  /** What was asked before this is not believed. */
  let since = Number.NEGATIVE_INFINITY;

  function refresh(name: string, known: Entry | undefined): Promise<Found> {
    if (known?.asking) return known.asking;
    const entry: Entry = known ?? { principal: null, askedAt: 0, asking: null };
    // the answer is as of when the question was sent, not of when it came back
    const askedAt = performance.now();
    entry.asking = ask(name)
      .then((principal) => {
        entry.principal = principal;
        entry.askedAt = askedAt;
        return principal;
      })
      .finally(() => (entry.asking = null));
    if (known === undefined) entries.set(name, entry);
    return entry.asking;
  }

  /** A question that is under way may have been sent too early. */
  async function renew(name: string, known: Entry): Promise<Found> {
    if (known.asking !== null) await known.asking;
    return known.askedAt < since ? await refresh(name, known) : known.principal;
  }

  return {
    moved: () => void (since = performance.now()),
    find(name: string): Found | Promise<Found> {
      const known = entries.get(name);
      if (known === undefined || known.askedAt === 0) return refresh(name, known);
      if (known.askedAt < since) return renew(name, known);
      const age = performance.now() - known.askedAt;
      if (age > trustedForMs) return refresh(name, known);
      // a failure in the background shows when the entry is not trusted any more
      if (age > refreshAfterMs) refresh(name, known).catch(() => undefined);
      return known.principal;
    },
    async confirm(name: string): Promise<Found> {
      const known = entries.get(name);
      if (known === undefined || known.askedAt === 0) return await refresh(name, known);
      if (known.askedAt < since) return await renew(name, known);
      const age = performance.now() - known.askedAt;
      return age <= refreshAfterMs ? known.principal : await refresh(name, known);
    },
  };
}

/** Three parts of base64url with a JSON object first; the last may be empty, to be refused where it is verified. */
const looksLikeJwt = (token: string): boolean => token.startsWith('eyJ') && token.includes('.');

/** A token whose signature was good, or null; until when that is believed. */
type Verified = { token: OwnToken | IssuerToken | null; until: number };

/** Answers from memory what the database said less than a second ago. */
export function openKeyring(
  pool: Pool,
  { tokens, oidc }: TokenVerifiers = { tokens: null, oidc: null },
): Keyring {
  async function rows<Row extends object>(query: {
    name: string;
    text: string;
    values: unknown[];
  }) {
    try {
      const bounded = { ...query, query_timeout: readDeadlineMs };
      return (await pool.query<Row>(bounded)).rows;
    } catch (error) {
      if (!isTransient(error)) throw error;
      throw new LogUnavailable('the keys cannot be read', { inDoubt: false, cause: error });
    }
  }

  const bySecret = remember(async (token) => {
    const [row] = await rows<KeyRow>({ ...keyBySecret, values: [secretHash(token)] });
    return row === undefined ? null : principalOfKey(row, 'api_key');
  });
  const byKeyId = remember(async (keyId) => {
    const [row] = await rows<KeyRow>({ ...keyById, values: [keyId] });
    return row === undefined ? null : principalOfKey(row, 'token');
  });
  const bySubject = remember(async (identity) => {
    const { tenant, subject, own } = JSON.parse(identity) as Omit<IssuerToken, 'expires_at'>;
    const values = [tenant, subject, tenantStream(tenant)];
    const [row] = await rows<{ bindings: Grant[] | null }>({ ...subjectQuery, values });
    // nobody is of a tenant that there is not
    if (row === undefined) return null;
    return principalOf(
      {
        tenant,
        subject,
        subject_type: 'user',
        auth_method: 'oidc',
        key_id: null,
        issued_by: null,
        own,
      },
      row.bindings ?? [],
    );
  });

  const verified = new LRUCache<string, Verified>({ max: tokensMax });

  async function verify(token: string): Promise<OwnToken | IssuerToken | null> {
    let algorithm: string | undefined;
    try {
      algorithm = decodeProtectedHeader(token).alg;
    } catch {
      return null;
    }
    // each verifier has its own closed list, so that no key is ever used with the other's algorithm
    if (tokens !== null && algorithm === tokens.algorithm) return await tokens.verify(token);
    return oidc === null ? null : await oidc.verify(token);
  }

  async function verifyOnce(token: string): Promise<Verified> {
    const name = secretHash(token);
    const known = verified.get(name);
    if (known !== undefined && known.until > Date.now()) return known;
    const good = await verify(token);
    const fresh = { token: good, until: good?.expires_at ?? Date.now() + badTokenTrustedForMs };
    verified.set(name, fresh);
    return fresh;
  }

  async function findByToken(token: string, how: 'find' | 'confirm'): Promise<Found> {
    if (token.length > tokenCharactersMax) return null;
    const { token: good, until } = await verifyOnce(token);
    if (good === null || until <= Date.now()) return null;
    if ('key_id' in good) return await byKeyId[how](good.key_id);
    const { tenant, subject, own } = good;
    return await bySubject[how](JSON.stringify({ tenant, subject, own }));
  }

  const hasVerifiers = tokens !== null || oidc !== null;
  return {
    find(token) {
      if (hasVerifiers && looksLikeJwt(token)) return findByToken(token, 'find');
      return token.length > keyCharactersMax ? null : bySecret.find(token);
    },
    moved() {
      for (const remembered of [bySecret, byKeyId, bySubject]) remembered.moved();
    },
    async confirm(token) {
      if (hasVerifiers && looksLikeJwt(token)) return await findByToken(token, 'confirm');
      return await bySecret.confirm(token);
    },
  };
}
