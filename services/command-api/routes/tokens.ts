// Access tokens: an API key is turned into one that is good for minutes, and that dies with the key.
import { z } from 'zod';
import type { Tokens } from '#infra/auth/tokens.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { Problem } from '#infra/http/problems.ts';
import { bodyOf } from '../request.ts';
import { noQuery } from './query.ts';

export function tokenRoutes(server: HttpServer, { tokens }: { tokens: Tokens | null }): void {
  server.post(
    '/tokens',
    {
      config: { permission: 'any key' },
      schema: {
        summary: 'Turn the API key of the request into an access token',
        tags: ['identity'],
        body: z.strictObject({}).nullish(),
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { auth_method, key_id, subject, tenant } = request.principal;
      // else a token could renew itself for ever
      if (auth_method !== 'api_key' || key_id === null) throw new Problem('api_key_needed');
      if (tokens === null) throw new Problem('tokens_not_set_up');
      if (request.isDryRun)
        return reply.send(
          bodyOf({ answer: { access_token: null, token_type: 'Bearer' }, would_write: [] }),
        );
      const { token, expires_at } = await tokens.issue({ key_id, subject, tenant });
      return reply.code(201).send({
        access_token: token,
        token_type: 'Bearer',
        expires_in: Math.max(0, Math.round((expires_at - Date.now()) / 1_000)),
        expires_at: new Date(expires_at).toISOString(),
      });
    },
  );
}
