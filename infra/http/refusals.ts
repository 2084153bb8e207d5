// Which refusals are kept for the audit trail, and what is kept of each.
import type { FastifyRequest } from 'fastify';
import { changesSomething } from './dry-run.ts';
import type { Refused } from '../postgres/audit.ts';
import type { Problem } from './problems.ts';

/** Of a request that would change something, these; of one that reads, those that were not permitted. */
const kept: ReadonlySet<number> = new Set([401, 403, 404, 409, 412, 422]);
const notPermitted: ReadonlySet<number> = new Set([401, 403]);
const textCharactersMax = 512;

/** Commands and paths by which a version comes into production: who was refused that is always kept. */
const promotes = /promot|transition|rollback/i;
/** Stages that nothing comes to but as by a promotion, whichever command asks for them. */
const promotedTo: ReadonlySet<unknown> = new Set(['staging', 'production']);

const routeOf = ({ method, routeOptions }: FastifyRequest): string =>
  `${method} ${routeOptions.url?.replace(/^\/api\/v1/, '') ?? 'none'}`;

/** Whether a version would come into staging or production by what was asked, as its command, its path or its body says. */
export function wouldPromote(request: FastifyRequest, command = ''): boolean {
  const { stage, to_stage } = (request.body ?? {}) as { stage?: unknown; to_stage?: unknown };
  return promotes.test(`${command} ${routeOf(request)}`) || promotedTo.has(to_stage ?? stage);
}

/** @returns null for what is not kept; `always` where it must be */
export function refusalOf(
  request: FastifyRequest,
  problem: Problem,
): { refused: Refused; always: boolean } | null {
  const { method } = request;
  const isKept = (changesSomething(method) ? kept : notPermitted).has(problem.status);
  if (!isKept) return null;
  const principal = request.principal as FastifyRequest['principal'] | null;
  const isStranger = principal === null || principal.tenant === '';
  const route = routeOf(request);
  const { about } = problem;
  const action = about?.action ?? route;
  const text = (value: unknown): string | undefined =>
    typeof value === 'string' ? value.slice(0, textCharactersMax) : undefined;
  const params = Object.entries((request.params ?? {}) as Record<string, unknown>).map(
    ([name, value]) => [name, text(value)],
  );
  const body = (request.body ?? {}) as { reason?: unknown; declared_by?: unknown };
  return {
    refused: {
      tenant: isStranger ? '' : principal.tenant,
      actor: isStranger
        ? null
        : {
            subject: principal.subject,
            type: principal.subject_type,
            auth_method: principal.auth_method,
            key_id: principal.key_id,
            declared_by: text(body.declared_by) ?? null,
          },
      action,
      code: problem.code,
      stream: about?.stream ?? null,
      detail: {
        route,
        named: Object.fromEntries(params) as object,
        reason: text(body.reason) ?? null,
        // a stranger's address is all that is known of them
        ...(isStranger ? { address: request.ip } : {}),
        because: problem.facts,
      },
    },
    always: !isStranger && problem.status !== 404 && wouldPromote(request, action),
  };
}
