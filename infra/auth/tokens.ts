// The registry's own access tokens: short-lived, signed with SECRET_KEY, and no better than the API key that they were made of.
import { SignJWT, jwtVerify } from 'jose';

/** Who makes them, and for whom they are. */
const party = 'modelog';
/** One algorithm, so that no header can choose. */
const algorithm = 'HS256';
const type = 'at+jwt';

/** What a token that is good says: whose key, and until when (ms). */
export type OwnToken = { key_id: string; expires_at: number };

export type Tokens = {
  issue: (key: {
    key_id: string;
    subject: string;
    tenant: string;
  }) => Promise<OwnToken & { token: string }>;
  /** Null for a token that is not good. */
  verify: (token: string) => Promise<OwnToken | null>;
  algorithm: string;
};

/** @param minutes how long a token is good */
export function openTokens(secretKey: string, minutes: number): Tokens {
  const secret = new TextEncoder().encode(secretKey);
  return {
    algorithm,
    async issue({ key_id, subject, tenant }) {
      const seconds = Math.floor(Date.now() / 1_000) + minutes * 60;
      const token = await new SignJWT({ key_id, tenant })
        .setProtectedHeader({ alg: algorithm, typ: type })
        .setIssuer(party)
        .setAudience(party)
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime(seconds)
        .sign(secret);
      return { token, key_id, expires_at: seconds * 1_000 };
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, secret, {
          algorithms: [algorithm],
          typ: type,
          issuer: party,
          audience: party,
          requiredClaims: ['exp', 'key_id'],
        });
        const { key_id, exp } = payload;
        return typeof key_id === 'string' ? { key_id, expires_at: exp! * 1_000 } : null;
      } catch {
        return null;
      }
    },
  };
}
