// What the settings say of tokens and of the issuer, made into what verifies them.
import type { callerSettings, Values } from '../settings.ts';
import type { TokenVerifiers } from './keys.ts';
import { openOidc } from './oidc.ts';
import { openTokens } from './tokens.ts';

/** @throws where an issuer is given without an audience: its tokens for anybody else would be good here */
export function tokenVerifiersOf(config: Values<typeof callerSettings>): TokenVerifiers {
  const { SECRET_KEY: secretKey, OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience } = config;
  if (issuer !== undefined && audience === undefined)
    throw new Error('OIDC_AUDIENCE is needed with OIDC_ISSUER');
  return {
    tokens:
      secretKey === undefined ? null : openTokens(secretKey, config.ACCESS_TOKEN_EXPIRE_MINUTES),
    oidc:
      issuer === undefined || audience === undefined
        ? null
        : openOidc({
            issuer,
            audience,
            subjectClaim: config.OIDC_SUBJECT_CLAIM,
            tenantClaim: config.OIDC_TENANT_CLAIM,
            rolesClaim: config.OIDC_ROLES_CLAIM,
            teamsClaim: config.OIDC_TEAMS_CLAIM,
            allowPrivate: config.OIDC_ALLOW_PRIVATE,
          }),
  };
}
