// Writes on provider bindings: which vendor's model implements a version.
import { z } from 'zod';
import { bindingResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { newBindingBody, reasonBody } from '../fields.ts';
import { bindingPatchBody, bindingPatchOf } from '../patches.ts';
import { commandHead } from '../request.ts';
import { askModel } from './model-asking.ts';
import type { Asking, Events } from './model-asking.ts';
import { noQuery } from './query.ts';

const bindingPath = z.strictObject({ id: z.uuid().toLowerCase() });

const sameBinding = (bindingId: string) => (state: ModelState) =>
  bindingResource(state.bindings.get(bindingId)!, state.model!);

const madeBinding = (bindingId: string) => (state: ModelState, events: Events) => {
  // a repeated request has made another id; its own event tells which one counted
  const made = events.find((event) => event.type === 'binding.created');
  return sameBinding(made?.data.binding_id ?? bindingId)(state);
};

export function bindingRoutes(server: HttpServer, { ask, resolve }: Asking): void {
  server.post(
    '/bindings',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary: "Bind a version to a provider's model",
        tags: ['bindings'],
        body: newBindingBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { body } = request;
      const head = commandHead(request, body);
      const binding_id = newId();
      const { stream, ref } = await resolve.version(head.tenant, body.version_id);
      return await askModel(
        ask,
        reply,
        head,
        { stream },
        201,
        (common) => ({
          ...common,
          type: 'CreateBinding',
          version: ref,
          binding_id,
          binding: {
            provider: body.provider,
            provider_model_id: body.provider_model_id,
            status: body.status,
            config: body.config ?? {},
            endpoint_url: body.endpoint_url ?? null,
            avg_latency_ms: body.avg_latency_ms ?? null,
            success_rate: body.success_rate ?? null,
            last_used_at: body.last_used_at ?? null,
          },
        }),
        madeBinding(binding_id),
      );
    },
  );

  async function change(
    request: FastifyRequest<{
      Params: z.infer<typeof bindingPath>;
      Body: z.infer<typeof bindingPatchBody>;
    }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { id } = request.params;
    const head = commandHead(request, { reason: request.body.reason });
    const { patch, stated } = bindingPatchOf(request.body);
    return await askModel(
      ask,
      reply,
      head,
      resolve.binding(head.tenant, id),
      200,
      (common) => ({ ...common, type: 'UpdateBinding', binding_id: id, patch, stated }),
      sameBinding(id),
    );
  }

  const changing = {
    config: { permission: 'deployment:write' },
    schema: {
      summary:
        'Change a binding; what is absent stays, null clears, a status moves in the same append',
      tags: ['bindings'],
      params: bindingPath,
      body: bindingPatchBody,
      querystring: noQuery,
    },
  } as const;
  server.patch('/bindings/:id', changing, change);
  server.put('/bindings/:id', changing, change);

  server.delete(
    '/bindings/:id',
    {
      config: { permission: 'deployment:write' },
      schema: {
        summary: 'Remove a binding; an active one is deactivated first',
        tags: ['bindings'],
        params: bindingPath,
        body: reasonBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const head = commandHead(request, request.body);
      return await askModel(
        ask,
        reply,
        head,
        resolve.binding(head.tenant, id),
        200,
        (common) => ({ ...common, type: 'RemoveBinding', binding_id: id }),
        sameBinding(id),
      );
    },
  );
}
