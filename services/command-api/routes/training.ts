// A finished training told over HTTP: the same CloudEvent as on Kafka, structured, or binary with `ce-` headers.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { trainingCompletedOf } from '#infra/kafka/cloudevents.ts';
import type { TrainingCompleted } from '#infra/kafka/cloudevents.ts';
import { UndecodableMessage } from '#infra/kafka/undecodable.ts';
import { actorOf, sendAnswer } from '../request.ts';
import type { SubmitTraining } from '../training-completed.ts';
import { noQuery } from './query.ts';

const anObject = z.record(z.string(), z.unknown());
const binaryAttributes = ['specversion', 'id', 'source', 'type', 'time', 'tenant'] as const;

export function trainingRoutes(
  server: HttpServer,
  { submitTraining }: { submitTraining: SubmitTraining },
): void {
  // In a scope of its own, so that no other route reads structured CloudEvents.
  server.register(async (scope: HttpServer) => {
    scope.addContentTypeParser(
      'application/cloudevents+json',
      { parseAs: 'string' },
      scope.getDefaultJsonParser('error', 'error'),
    );

    scope.post(
      '/training-completed',
      {
        config: { permission: 'training:report' },
        schema: {
          summary: 'Tell of a finished training, as a CloudEvent of type training.completed',
          description:
            'Structured (`application/cloudevents+json`) or binary (`ce-id`, `ce-source`, … as headers, the data as the body). The same source and id make one version, however often they come and whichever way; told by who may for a team or project only, one for each subject.',
          tags: ['training'],
          body: anObject,
          querystring: noQuery,
        },
      },
      async (request, reply) => {
        const event = eventOf(request, request.body);
        const actor = actorOf(request.principal, event.source);
        return sendAnswer(reply, await submitTraining(event, actor, request));
      },
    );
  });
}

/** @throws Problem `invalid`; also for another tenant than the key's */
function eventOf(request: FastifyRequest, body: Record<string, unknown>): TrainingCompleted {
  const { headers, principal } = request;
  const isBinary = headers['ce-type'] !== undefined;
  const attributes: Record<string, unknown> = isBinary
    ? {
        ...Object.fromEntries(binaryAttributes.map((name) => [name, headers[`ce-${name}`]])),
        data: body,
      }
    : body;
  const { tenant } = attributes;
  if (tenant !== undefined && tenant !== null && tenant !== principal.tenant)
    throw invalid('/tenant', 'must be the tenant of the key, or absent');
  try {
    return trainingCompletedOf({ ...attributes, tenant: principal.tenant });
  } catch (error) {
    if (error instanceof UndecodableMessage) throw invalid('', error.message);
    throw error;
  }
}

const invalid = (pointer: string, message: string): Problem =>
  new Problem('invalid', { errors: [{ pointer, message }] });
