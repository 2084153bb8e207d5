// The field `retention` of a policy by itself: how long versions stay that nothing uses, a scope at a time.
import type { HttpServer } from '#infra/http/server.ts';
import { retentionPolicyBody } from '../policy-fields.ts';
import { openPolicyAsking, policyQuery, scopePath } from './policy-asking.ts';
import type { PolicyAsking, ShownPolicy } from './policy-asking.ts';
import { noQuery } from './query.ts';

/** Null where the scope says nothing of it. */
const retentionOf = ({ policy, effective, sources, ...shown }: ShownPolicy) => ({
  ...shown,
  retention: policy.retention ?? null,
  effective: effective.retention,
  sources: sources.retention,
});

export function retentionPolicyRoutes(server: HttpServer, asking: PolicyAsking): void {
  const { show, set } = openPolicyAsking(asking);

  server.get(
    '/retention/policies/:scope',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'How long versions stay in a scope: what it says, and what that comes to',
        tags: ['retention'],
        params: scopePath,
        querystring: policyQuery,
      },
    },
    async (request, reply) => await show(request, reply, retentionOf),
  );

  server.put(
    '/retention/policies/:scope',
    {
      config: { permission: 'policy:write' },
      schema: {
        summary: 'Set how long versions stay: what is not named stays so, null takes a part back',
        tags: ['retention'],
        params: scopePath,
        body: retentionPolicyBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { reason = null, ...retention } = request.body;
      return await set(request, reply, { preset: null, patch: { retention }, reason }, retentionOf);
    },
  );
}
