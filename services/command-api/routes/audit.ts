// The audit trail: who did, or was refused, what, when, with which key, and why.
import type { Pool } from 'pg';
import { z } from 'zod';
import { parseStream } from '#events/names.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { readAudit } from '#infra/postgres/audit.ts';
import type { AuditEntry } from '#infra/postgres/audit.ts';
import { time, word } from '../fields.ts';
import type { Resolve } from '../resolve.ts';
import { pageSize } from './query.ts';

/** Filters may lead far back: as long as the database works on any statement. */
const lookingBackMs = 10_000;

const auditQuery = z.strictObject({
  actor: word.optional(),
  model: word.optional(),
  action: word.optional(),
  from: time.optional(),
  to: time.optional(),
  page_size: pageSize,
  page_token: z
    .string()
    .regex(/^\d{1,19}-\d{1,19}$/, 'is not a page_token of this list')
    .optional(),
});

const modelOf = (stream: string | null): string | null => {
  const parsed = stream === null ? null : parseStream(stream);
  return parsed?.category === 'model' ? parsed.id : null;
};

/** An event and a refusal, told in the same words. */
function shown(entry: AuditEntry): object {
  if (entry.outcome === 'done') {
    const { event } = entry;
    return {
      outcome: 'done',
      recorded_at: event.recorded_at,
      actor: event.actor,
      action: event.type,
      model_id: modelOf(event.stream),
      stream: event.stream,
      code: null,
      reason: event.reason,
      position: event.position,
      event_id: event.id,
      command_id: event.command_id,
      detail: null,
    };
  }
  const { record } = entry;
  const { reason, ...detail } = record.detail;
  return {
    outcome: 'refused',
    recorded_at: new Date(Number(record.recorded_ms)).toISOString(),
    actor: record.actor,
    action: record.action,
    model_id: modelOf(record.stream),
    stream: record.stream,
    code: record.code,
    reason: reason ?? null,
    position: null,
    event_id: null,
    command_id: null,
    detail,
  };
}

export function auditRoutes(
  server: HttpServer,
  { pool, resolve }: { pool: Pool; resolve: Resolve },
): void {
  server.get(
    '/audit',
    {
      config: { permission: 'audit:read' },
      schema: {
        summary: 'Who did, or was refused, what, when, with which key, and why; the newest first',
        description:
          '`action` is the type of an event, or the name of a command or the route that was refused.',
        tags: ['identity'],
        querystring: auditQuery,
      },
    },
    async (request) => {
      request.mayTakeLonger(lookingBackMs);
      const { principal, query } = request;
      const { model, page_size, page_token, ...filters } = query;
      const [position, id] = page_token?.split('-') ?? [];
      const isPlace = position === undefined || [position, id!].every(isPossible);
      if (!isPlace)
        throw new Problem('invalid', {
          errors: [{ pointer: '?page_token', message: 'is not a page_token of this list' }],
        });
      const { entries, next } = await readAudit(pool, {
        ...filters,
        tenant: principal.tenant,
        withStrangers: principal.everywhere.has('tenant:manage'),
        stream:
          model === undefined ? undefined : await resolve.currentModel(principal.tenant, model),
        limit: page_size,
        before: position === undefined ? null : { position, id: id! },
      });
      return {
        items: entries.map(shown),
        next_page_token: next === null ? null : `${next.position}-${next.id}`,
      };
    },
  );
}

/** PostgreSQL's largest id. */
const isPossible = (digits: string): boolean => BigInt(digits) <= 9_223_372_036_854_775_807n;
