// Retention by hand: what would go and why, and orders that it goes now.
import { z } from 'zod';
import { newestKeptMax, newestKeptMin } from '#events/policy/retention.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { bodyVersion, bodyVersionRef, idOrSerial, prose, word } from '../fields.ts';
import { bodyOf, commandHead, sendAnswer } from '../request.ts';
import type { PlanRetention } from '../retention-planning.ts';
import { oneArchived } from '../retention-orders.ts';
import type { RetentionOrders } from '../retention-orders.ts';
import { askModel } from './model-asking.ts';
import type { Asking } from './model-asking.ts';
import { noQuery } from './query.ts';

const count = z.int().min(newestKeptMin).max(newestKeptMax);

const planBody = z
  .strictObject({
    model_id: idOrSerial('model').optional(),
    model_name: word.optional(),
    retention_count: count.optional(),
    page_token: z.uuid().optional(),
  })
  .refine(
    ({ model_id, model_name }) => model_id === undefined || model_name === undefined,
    'must name the model once',
  )
  .nullish();
const applyBody = z
  .strictObject({
    plan_id: z.uuid().optional(),
    model_id: idOrSerial('model').optional(),
    retention_count: count.optional(),
    reason: prose.nullish(),
  })
  .refine(
    ({ plan_id, model_id, retention_count }) =>
      plan_id === undefined
        ? model_id !== undefined
        : model_id === undefined && retention_count === undefined,
    'must have a plan_id alone, or a model_id, of which the newest retention_count stay',
  );
const archiveBody = z
  .strictObject({
    model_name: word,
    version: bodyVersion.optional(),
    keep: count.optional(),
    reason: prose.nullish(),
  })
  .refine(
    ({ version, keep }) => version === undefined || keep === undefined,
    'must have a version, or how many of the newest to keep',
  );

export function retentionRoutes(
  server: HttpServer,
  deps: Asking & { orders: RetentionOrders; plan: PlanRetention; newestKept: number },
): void {
  const { ask, resolve, orders, plan, newestKept } = deps;

  server.post(
    '/retention/plan',
    {
      config: { permission: 'version:archive' },
      schema: {
        summary:
          'What would go and what would stay, and why: of a model or a page of the whole tenant; kept for a day to be applied',
        tags: ['retention'],
        body: planBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { model_id, model_name, retention_count = null, page_token } = request.body ?? {};
      const head = commandHead(request, null);
      const model = model_id ?? model_name ?? null;
      const stream = model === null ? null : await resolve.currentModel(head.tenant, model);
      const answer = await plan(head, {
        retention_count,
        stream,
        model,
        after: page_token ?? '',
      });
      return await reply.send(bodyOf({ answer, would_write: head.dry_run ? [] : null }));
    },
  );

  server.post(
    '/retention/apply',
    {
      config: { permission: 'version:archive' },
      schema: {
        summary:
          'Archive now: what a plan says, or all of a model beyond the newest that nothing protects',
        tags: ['retention'],
        body: applyBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { plan_id, model_id, retention_count = newestKept } = request.body;
      const head = commandHead(request, request.body);
      if (plan_id !== undefined && head.expected_version !== null)
        throw new Problem('invalid', {
          errors: [
            {
              pointer: '/headers/if-match',
              message: 'goes not with a plan, which is of many models',
            },
          ],
        });
      if (plan_id !== undefined)
        return await reply.send(bodyOf(await orders.byPlan(head, plan_id)));
      const found = await resolve.model(head, model_id!);
      return sendAnswer(reply, await orders.byCount(head, found, retention_count));
    },
  );

  server.post(
    '/models/archive',
    {
      config: { permission: 'version:archive' },
      schema: {
        summary: 'Archive one version, or all beyond the newest that nothing protects, by name',
        tags: ['retention'],
        body: archiveBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { model_name, version, keep = newestKept } = request.body;
      const head = commandHead(request, request.body);
      const found = await resolve.model(head, model_name);
      if (version === undefined) return sendAnswer(reply, await orders.byCount(head, found, keep));
      const because = { cause: 'manual', rule: null, plan_id: null } as const;
      const ref = bodyVersionRef(version);
      return await askModel(
        ask,
        reply,
        head,
        found,
        200,
        (common) => ({ ...common, type: 'Archive', version: ref, because }),
        oneArchived(ref),
      );
    },
  );
}
