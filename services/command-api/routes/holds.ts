// Writes on holds: what keeps a version whatever retention or anybody says, until it is released or its time is over.
import { z } from 'zod';
import { holdResource, releasedHoldResource } from '#events/model/resource.ts';
import type { ModelState } from '#events/model/state.ts';
import { versionRefOf } from '#events/model/version-ref.ts';
import { newId } from '#infra/ids.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { prose, reasonBody, time } from '../fields.ts';
import { commandHead } from '../request.ts';
import { askModel, askModelOfPath, versionPath } from './model-asking.ts';
import type { Asking, Events } from './model-asking.ts';
import { noQuery } from './query.ts';

const holdBody = z.strictObject({
  reason: prose,
  /** Absent or null: until it is released. */
  until: time.nullish(),
});
const holdPath = z.strictObject({ id: z.uuid().toLowerCase() });
const tags = ['retention'];

/** The hold that was placed; a repeated request has made another id, so its own event tells which one counts. */
function placedHold(state: ModelState, events: Events) {
  const { hold_id, number } = events.find((event) => event.type === 'hold.placed')!.data;
  const version = state.versions.get(number)!;
  const hold = version.holds.find((one) => one.hold_id === hold_id)!;
  return holdResource(hold, version, state.model!);
}

const releasedHold = (state: ModelState, events: Events) =>
  releasedHoldResource(
    events.find((event) => event.type === 'hold.released')!,
    state.model!,
  );

export function holdRoutes(server: HttpServer, asking: Asking): void {
  const { ask, resolve } = asking;

  server.post(
    '/models/:model/versions/:version/holds',
    {
      config: { permission: 'version:archive' },
      schema: {
        summary: 'Keep a version from being archived, deleted or purged, with a reason',
        tags,
        params: versionPath,
        body: holdBody,
        querystring: noQuery,
      },
    },
    (request, reply) => {
      const { body, params } = request;
      const hold_id = newId();
      return askModelOfPath(
        asking,
        request,
        reply,
        201,
        (common) => ({
          type: 'PlaceHold',
          version: versionRefOf(params.version),
          hold_id,
          until: body.until ?? null,
          ...common,
        }),
        placedHold,
      );
    },
  );

  server.delete(
    '/holds/:id',
    {
      config: { permission: 'version:archive' },
      schema: {
        summary: 'Release a hold',
        tags,
        params: holdPath,
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
        resolve.hold(head.tenant, id),
        200,
        (common) => ({ ...common, type: 'ReleaseHold', hold_id: id }),
        releasedHold,
      );
    },
  );
}
