// Policies: set and shown a scope at a time, and the one in force for a model with where each field comes from.
import { mergePolicies } from '#events/policy/merge.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { policyBody } from '../policy-fields.ts';
import { modelPath } from './model-asking.ts';
import { openPolicyAsking, policyQuery, scopePath } from './policy-asking.ts';
import type { PolicyAsking } from './policy-asking.ts';
import { noQuery } from './query.ts';

export function policyRoutes(server: HttpServer, asking: PolicyAsking): void {
  const { show, set, layersOf } = openPolicyAsking(asking);

  server.get(
    '/policies/:scope',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'What a scope says: tenant, project:<name> or model:<id>, and what that comes to',
        tags: ['policies'],
        params: scopePath,
        querystring: policyQuery,
      },
    },
    async (request, reply) => await show(request, reply, (shown) => shown),
  );

  server.put(
    '/policies/:scope',
    {
      config: { permission: 'policy:write' },
      schema: {
        summary: 'Set a policy, field by field: what is not named stays, null takes a field back',
        tags: ['policies'],
        params: scopePath,
        body: policyBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { preset = null, reason = null, ...patch } = request.body;
      return await set(request, reply, { preset, patch, reason }, (shown) => shown);
    },
  );

  server.get(
    '/models/:model/policy',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'The policy in force for a model, with the scope that each field comes from',
        tags: ['policies'],
        params: modelPath,
        querystring: policyQuery,
      },
    },
    async (request, reply) => {
      const { model_id, layers } = await layersOf(request, reply);
      const { policy, sources } = mergePolicies(layers, asking.kept);
      return {
        model_id,
        policy,
        sources,
        scopes: layers.map(({ scope, version }) => ({ scope, version })),
      };
    },
  );
}
