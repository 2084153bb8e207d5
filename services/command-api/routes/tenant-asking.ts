// How a command on a tenant's stream is sent and answered: who is in it, by which key, in which role.
import type { FastifyReply } from 'fastify';
import type { RecordedEvent } from '#events/envelope.ts';
import type { KeyEffect } from '#events/log.ts';
import { tenantStream } from '#events/names.ts';
import type { TenantEvent } from '#events/tenant/events.ts';
import type { TenantCommand, TenantRefusal, TenantState } from '#events/tenant/tenant.ts';
import type { Ask } from '../ask/ask.ts';
import { tenantKind } from '../kinds.ts';
import { sendAnswer } from '../request.ts';
import type { CommandHead } from '../request.ts';

/** Sends a command to the tenant that the head names, and answers with what it left. */
export async function askTenant(
  ask: Ask,
  reply: FastifyReply,
  head: CommandHead,
  status: 200 | 201,
  command: TenantCommand | ((at: string) => TenantCommand),
  keys: readonly KeyEffect[],
  answer: (state: TenantState, events: readonly RecordedEvent<TenantEvent>[]) => object,
): Promise<FastifyReply> {
  const answered = await ask.submit<TenantState, TenantCommand, TenantEvent, TenantRefusal, object>(
    {
      kind: tenantKind,
      stream: tenantStream(head.tenant),
      ...head,
      status,
      command: typeof command === 'function' ? command : () => command,
      keys,
      answer,
    },
  );
  reply.server.keysMoved();
  return sendAnswer(reply, answered);
}
