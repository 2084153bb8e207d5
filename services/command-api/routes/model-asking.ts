// What the routes under a model share: how it and its versions are named, and how a command on it is sent and answered.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { RecordedEvent } from '#events/envelope.ts';
import type { Common, ModelCommand, ModelRefusal, VersionRef } from '#events/model/commands.ts';
import { findVersionOrTombstone } from '#events/model/version-ref.ts';
import type { ModelEvent } from '#events/model/events.ts';
import { versionResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import type { Ask } from '../ask/ask.ts';
import { modelKind } from '../kinds.ts';
import { commandHead, commonOf, sendAnswer } from '../request.ts';
import type { CommandHead, Said } from '../request.ts';
import type { Found, Resolve } from '../resolve.ts';

/** What every such route needs. */
export type Asking = { ask: Ask; resolve: Resolve };

// oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
const pathPartPattern = /^[^/\u0000-\u001f]+$/;
export const pathPart = z
  .string()
  .min(1)
  .max(512)
  .regex(pathPartPattern, 'must not hold "/" or control characters');
export const modelPath = z.strictObject({ model: pathPart });
export const versionPath = z.strictObject({ model: pathPart, version: pathPart });

export type Events = readonly RecordedEvent<ModelEvent>[];

const versionAnswer = (state: ModelState, number: number) =>
  versionResource(state.versions.get(number)!, state.model!);

/** What a call ended by the way comes after its own events, and may be of others. */
const byTheWay: ReadonlySet<string> = new Set(['promotion.staled', 'alert.cleared']);

/**
 * The version that a lifecycle call is about. Its last event names it: by then `latest` or `default` may mean another.
 * A call that changed nothing left the name with whom it had.
 */
export function answeredVersion(ref: VersionRef) {
  return (state: ModelState, events: Events) => {
    const last = events.findLast(({ type }) => !byTheWay.has(type));
    const named = last !== undefined && 'number' in last.data ? last.data.number : null;
    return versionAnswer(state, named ?? findVersionOrTombstone(state, ref)!.facts.number);
  };
}

/** The version that is in production after a rollback. */
export function answeredProduction(state: ModelState, events: Events) {
  const promoted = events.findLast((event) => event.type === 'model.promoted');
  return versionAnswer(state, promoted?.data.number ?? state.model!.production.at(-1)!);
}

type Answer<Body> = (state: ModelState, events: Events) => Body;

/**
 * Sends a command to a model, and answers with what it left. Here and where commands are made, what is spread comes first: V8 then
 * copies it as one; else, and where a second is spread, field by field.
 */
export async function askModel<Body extends object>(
  ask: Ask,
  reply: FastifyReply,
  head: CommandHead,
  found: Found | Promise<Found>,
  status: 200 | 201,
  command: (common: Common) => ModelCommand,
  answer: Answer<Body>,
): Promise<FastifyReply> {
  const { stream, foundBy } = found instanceof Promise ? await found : found;
  const answered = await ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, Body>({
    ...head,
    kind: modelKind,
    stream,
    foundBy,
    status,
    command: (at) => command(commonOf(head, at)),
    answer,
  });
  return sendAnswer(reply, answered);
}

/** The same, to the model that the path names. */
export async function askModelOfPath<Body extends object>(
  { ask, resolve }: Asking,
  request: FastifyRequest<{ Params: { model: string }; Body: Said }>,
  reply: FastifyReply,
  status: 200 | 201,
  command: (common: Common) => ModelCommand,
  answer: Answer<Body>,
): Promise<FastifyReply> {
  const head = commandHead(request, request.body);
  const found = resolve.model(head, request.params.model);
  return await askModel(ask, reply, head, found, status, command, answer);
}
