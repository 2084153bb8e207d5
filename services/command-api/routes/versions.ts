// Writes on the versions of a model.
import type { FastifyRequest } from 'fastify';
import type { NewVersion } from '#events/model/commands.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { newId } from '#infra/ids.ts';
import { versionFactsOf } from '../fields.ts';
import { commandHead } from '../request.ts';
import { newVersionBody } from '../version-body.ts';
import { answeredVersion, askModel, modelPath, noQuery } from './model-asking.ts';
import type { Asking } from './model-asking.ts';

/** A stage above development is a promotion, and asks for the right to promote. */
function assertMayStage(request: FastifyRequest, stage: NewVersion['stage']): void {
  if (stage !== 'development' && !request.principal.somewhere.has('stage:change'))
    throw new Problem('forbidden', { required_permission: 'stage:change' });
}

export function versionRoutes(server: HttpServer, { ask, resolve }: Asking): void {
  server.post(
    '/models/:model/versions',
    {
      config: { permission: 'version:write' },
      schema: {
        summary: 'Add a version; a stage above development promotes it in the same append',
        tags: ['versions'],
        params: modelPath,
        body: newVersionBody,
        querystring: noQuery,
      },
    },
    async (request, reply) => {
      const { body } = request;
      const head = commandHead(request, body);
      const stage = body.stage ?? 'development';
      assertMayStage(request, stage);
      const version: NewVersion = {
        version_id: newId(),
        facts: versionFactsOf(body),
        stage,
        readiness: body.readiness ?? 'training',
        is_default: body.is_default ?? false,
      };
      return await askModel(
        ask,
        reply,
        head,
        resolve.model(head, request.params.model),
        201,
        (common) => ({ type: 'CreateVersion', version, ...common }),
        answeredVersion({ by: 'id', version_id: version.version_id }),
      );
    },
  );
}
