// Promotion requests: asked for, decided, withdrawn; the policy executes what is agreed to in the same call.
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Common, ModelCommand, ModelRefusal } from '#events/model/commands.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { promotionResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import { modelStream } from '#events/names.ts';
import { newId } from '#infra/ids.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import type { Answered } from '../ask/asked.ts';
import { namedBody } from '../document-names.ts';
import { prose, reasonBody, versionRefOf } from '../fields.ts';
import { modelKind } from '../kinds.ts';
import { commandHead, commonOf, sendAnswer } from '../request.ts';
import type { CommandHead } from '../request.ts';
import type { Found } from '../resolve.ts';
import { settlement } from '../settle.ts';
import type { Settle } from '../settle.ts';
import { moveNames } from './lifecycle.ts';
import { versionPath } from './model-asking.ts';
import type { Asking, Events } from './model-asking.ts';
import { noQuery } from './query.ts';

const rung = z.enum(['staging', 'production']);
const requestBody = namedBody(
  {
    to_stage: rung.nullish(),
    auto_execute: z.boolean().default(true),
    reason: prose.nullish(),
  },
  moveNames(rung),
  ['to_stage'],
);
const decisionBody = z.strictObject({
  decision: z.enum(['approve', 'reject']),
  reason: prose.nullish(),
});
const requestPath = z.strictObject({ id: z.uuid() });
const tags = ['promotion requests'];

export function promotionRequestRoutes(
  server: HttpServer,
  { ask, resolve, settle, now }: Asking & { settle: Settle; now: () => Date },
): void {
  const shown = (id: string) => (state: ModelState, events: Events) => {
    // a repeated request has made another id; its own event tells which one counted
    const made = events.find((event) => event.type === 'promotion.requested');
    const request = state.promotionRequests.get(made?.data.promotion_request_id ?? id)!;
    return promotionResource(request, state.model!, now().toISOString());
  };
  type Shown = ReturnType<ReturnType<typeof shown>>;

  const isAgreed = ({ state, auto_execute }: Shown): boolean =>
    state === 'approved' && auto_execute;

  const submit = async (
    head: CommandHead,
    found: Found,
    id: string,
    status: 200 | 201,
    command: (common: Common) => ModelCommand,
  ): Promise<Answered<Shown>> =>
    await ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, Shown>({
      kind: modelKind,
      ...found,
      ...head,
      status,
      command: (at) => command(commonOf(head, at)),
      next: (state) => (isAgreed(shown(id)(state, [])) ? settlement(id) : null),
      answer: shown(id),
    });

  /** What was said is recorded by now: if the policy's hand fails, the next sweep does its work. */
  async function settled(
    { tenant, dry_run }: CommandHead,
    answered: Answered<Shown>,
  ): Promise<Answered<Shown>> {
    if (dry_run || !isAgreed(answered.answer)) return answered;
    const { id, model_id } = answered.answer;
    const stream = modelStream(tenant, model_id);
    try {
      const asked = { tenant, stream, promotion_request_id: id, dry_run };
      const after = await settle(asked, (state) => shown(id)(state, []));
      const position = Math.max(answered.position, after.position);
      return { ...after, status: answered.status, position };
    } catch (error) {
      if (error instanceof Problem) return answered;
      throw error;
    }
  }

  server.post(
    '/models/:model/versions/:version/promotion-requests',
    {
      config: { permission: 'promotion:request' },
      schema: {
        summary:
          'Ask for a promotion; it is executed as soon as all that the policy asks for is there',
        tags,
        params: versionPath,
        body: requestBody,
        querystring: noQuery,
      },
    },
    async (request, reply): Promise<FastifyReply> => {
      const { body, params } = request;
      const head = commandHead(request, body);
      const found = await resolve.model(head, params.model);
      const id = newId();
      const answered = await submit(head, found, id, 201, (common) => ({
        type: 'RequestPromotion',
        version: versionRefOf(params.version),
        promotion_request_id: id,
        to_stage: body.to_stage,
        auto_execute: body.auto_execute,
        ...common,
      }));
      return sendAnswer(reply, await settled(head, answered));
    },
  );

  server.post(
    '/promotion-requests/:id/decision',
    {
      config: { permission: 'promotion:decide' },
      schema: {
        summary: 'Approve or reject; one rejection ends the request, the last approval executes it',
        tags,
        params: requestPath,
        body: decisionBody,
        querystring: noQuery,
      },
    },
    async (request, reply): Promise<FastifyReply> => {
      const { body } = request;
      const { id } = request.params;
      const head = commandHead(request, body);
      const found = await resolve.promotionRequest(head.tenant, id);
      const answered = await submit(head, found, id, 200, (common) => ({
        ...common,
        type: 'DecidePromotion',
        promotion_request_id: id,
        decision: body.decision,
      }));
      return sendAnswer(reply, await settled(head, answered));
    },
  );

  server.post(
    '/promotion-requests/:id/withdraw',
    {
      config: { permission: 'promotion:request' },
      schema: {
        summary: 'Take a request back; for who made it, or an admin',
        tags,
        params: requestPath,
        body: reasonBody,
        querystring: noQuery,
      },
    },
    async (request, reply): Promise<FastifyReply> => {
      const { id } = request.params;
      const head = commandHead(request, request.body);
      const found = await resolve.promotionRequest(head.tenant, id);
      const answered = await submit(head, found, id, 200, (common) => ({
        ...common,
        type: 'WithdrawPromotion',
        promotion_request_id: id,
      }));
      return sendAnswer(reply, answered);
    },
  );

  server.post(
    '/promotion-requests/:id/settle',
    {
      config: { permission: 'retention:attribute' },
      schema: {
        summary: 'Look at a request again: expired, staled or executed, if it is so; for the sweep',
        tags,
        params: requestPath,
        body: reasonBody,
        querystring: noQuery,
      },
    },
    async (request, reply): Promise<FastifyReply> => {
      const { id } = request.params;
      const { tenant } = request.principal;
      const { stream } = await resolve.promotionRequest(tenant, id);
      const asked = { tenant, stream, promotion_request_id: id, dry_run: request.isDryRun };
      return sendAnswer(reply, await settle(asked, (state) => shown(id)(state, [])));
    },
  );
}
