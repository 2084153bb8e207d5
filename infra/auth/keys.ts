// API keys: how a secret is made and hashed, and who is behind one. The row in `api_keys` decides.
import { hash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import type { Principal, Role } from '#events/access.ts';
import { LogUnavailable } from '#events/log.ts';
import { isTransient } from '#infra/postgres/connect.ts';

/** A revocation must hold within a second in every process: an entry is asked for again in the background after this… */
const refreshAfterMs = 400;
/** …and is not believed any more after this. */
const trustedForMs = 900;
/** Tokens remembered at once, known and unknown alike, so that strangers cannot fill the memory. */
const tokensMax = 10_000;
const secretBytes = 32;
/** A presented token may be this long; a longer one cannot be a key. */
const tokenCharactersMax = 512;

/** A new secret with 256 random bits. It is shown once; only its hash is kept. */
export const newSecret = (): string => `mlk_${randomBytes(secretBytes).toString('base64url')}`;
export const secretHash = (secret: string): string => hash('sha256', secret, 'hex');

export type Keyring = {
  /**
   * Who is behind a token, or null. A known token is answered without waiting.
   * @throws LogUnavailable where the database cannot say.
   */
  find: (token: string) => Principal | null | Promise<Principal | null>;
  /** The same, but waits for the database's word where the last one has aged; for answers that go on and on. */
  confirm: (token: string) => Promise<Principal | null>;
};

type Entry = {
  principal: Principal | null;
  askedAt: number;
  asking: Promise<Principal | null> | null;
};

type KeyRow = {
  key_id: string;
  tenant: string;
  subject: string;
  subject_type: Principal['subject_type'];
  role: Role;
};

/** Answers from memory what the database said less than a second ago. */
export function openKeyring(pool: Pool): Keyring {
  const entries = new LRUCache<string, Entry>({ max: tokensMax });

  async function ask(token: string): Promise<Principal | null> {
    try {
      const { rows } = await pool.query<KeyRow>({
        name: 'find_key',
        text: `select key_id, tenant, subject, subject_type, role from log.api_keys
               where sha256 = $1 and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())`,
        values: [secretHash(token)],
      });
      return rows[0] ?? null;
    } catch (error) {
      if (!isTransient(error)) throw error;
      throw new LogUnavailable('the keys cannot be read', { inDoubt: false, cause: error });
    }
  }

  function refresh(token: string, known: Entry | undefined): Promise<Principal | null> {
    if (known?.asking) return known.asking;
    const entry: Entry = known ?? { principal: null, askedAt: 0, asking: null };
    // the answer is as of when the question was sent, not of when it came back
    const askedAt = performance.now();
    entry.asking = ask(token)
      .then((principal) => {
        entry.principal = principal;
        entry.askedAt = askedAt;
        return principal;
      })
      .finally(() => (entry.asking = null));
    if (known === undefined) entries.set(token, entry);
    return entry.asking;
  }

  return {
    find(token) {
      if (token.length > tokenCharactersMax) return null;
      const known = entries.get(token);
      if (known === undefined || known.askedAt === 0) return refresh(token, known);
      const age = performance.now() - known.askedAt;
      if (age > trustedForMs) return refresh(token, known);
      // a failure in the background shows when the entry is not trusted any more
      if (age > refreshAfterMs) refresh(token, known).catch(() => undefined);
      return known.principal;
    },
    async confirm(token) {
      const known = entries.get(token);
      if (known === undefined || known.askedAt === 0) return await refresh(token, known);
      const age = performance.now() - known.askedAt;
      return age <= refreshAfterMs ? known.principal : await refresh(token, known);
    },
  };
}
