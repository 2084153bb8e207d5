// Models, their versions and their timelines as of then: the same filters as today's lists have, on rows in memory.
import type { FastifyReply } from 'fastify';
import type { Principal } from '#events/access.ts';
import type { Model } from '#events/model/model-row.ts';
import { modelInStageResource, modelResource, versionResource } from '#events/model/resource.ts';
import type { Stage } from '#events/model/shapes.ts';
import type { Version } from '#events/model/version-row.ts';
import { findVersion, findVersionOrTombstone, versionRefOf } from '#events/model/version-ref.ts';
import { Problem } from '#infra/http/problems.ts';
import type { ModelThen, Then } from '#infra/as-of.ts';
import { listedModel } from '../listed-model.ts';
import { pageOf } from '../lists.ts';
import type { Order, PageQuery } from '../lists.ts';
import { encodedPage, sendJson, sendResource } from './reading.ts';
import type { Reading } from './reading.ts';
import { matchesModel } from './model-filters.ts';
import type { ModelFilters } from './model-filters.ts';
import { matchesVersion } from './version-filters.ts';
import type { VersionFilters } from './version-filters.ts';

type AskedThen<Query> = Query & { as_of: Then };

/** What models are ordered by; the columns of the view have the same names. */
const valueOf = (model: Model, { column }: Order): string | number => {
  if (column === 'm.name') return model.name;
  return column === 'm.position' ? model.position : model.serial;
};

/** The version that came to a stage last. */
function lastInStage(versions: Iterable<Version>, stage: Stage): Version | null {
  let last: Version | null = null;
  for (const version of versions)
    if (
      version.stage === stage &&
      version.deleted_at === null &&
      (last === null || version.stage_changed_at >= last.stage_changed_at)
    )
      last = version;
  return last;
}

function demandVersion(state: ModelThen, named: string): Version {
  const ref = versionRefOf(named);
  const find = ref.by === 'id' ? findVersionOrTombstone : findVersion;
  const version = find(state, ref);
  if (version === null) throw new Problem('version_not_found', { version: named });
  return version;
}

export function openThen({ asOf, share }: Pick<Reading, 'asOf' | 'share'>) {
  /** Folds the model that is meant; the headers name the position that the answer holds. */
  async function modelThen(reply: FastifyReply, caller: Principal, model: string, then: Then) {
    const { position } = await asOf.moment(then);
    reply.header('x-position', position);
    return { position, state: await asOf.model(caller, model, position) };
  }

  return {
    /** @throws Problem `as_of_too_wide`, `time_in_future` */
    async models(
      reply: FastifyReply,
      caller: Principal,
      question: string,
      query: AskedThen<ModelFilters & PageQuery>,
      order: Order,
    ): Promise<FastifyReply> {
      const { position } = await asOf.moment(query.as_of);
      const json = await share(caller, question, async () => {
        const all = (await asOf.models(caller, position)).map(({ model }) => model);
        const found = all.filter(
          (model) => model.state !== 'deleted' && matchesModel(listedModel(model), query),
        );
        return encodedPage(
          pageOf(found, query, order, (model) => valueOf(model, order)),
          modelResource,
        );
      });
      return sendJson(reply.header('x-position', position), json);
    },

    /** @throws Problem `model_not_found`, `no_version_in_stage`, `time_in_future` */
    async model(
      reply: FastifyReply,
      caller: Principal,
      named: string,
      { as_of, stage }: AskedThen<{ stage?: Stage | undefined }>,
    ): Promise<FastifyReply> {
      const { state } = await modelThen(reply, caller, named, as_of);
      const { model, versions } = state;
      if (stage === undefined) return sendResource(reply, modelResource(model));
      const version = lastInStage(versions.values(), stage);
      if (version === null) throw new Problem('no_version_in_stage', { model: named, stage });
      return sendResource(reply, modelInStageResource(model, version));
    },

    /** @throws Problem `model_not_found`, `time_in_future` */
    async versions(
      reply: FastifyReply,
      caller: Principal,
      named: string,
      query: AskedThen<VersionFilters & PageQuery>,
      order: Order,
    ): Promise<FastifyReply> {
      const { state } = await modelThen(reply, caller, named, query.as_of);
      const { model, versions } = state;
      const found = [...versions.values()].filter(
        (version) => version.deleted_at === null && matchesVersion(version, query),
      );
      const page = pageOf(found, query, order, ({ facts }) => facts.number);
      return sendJson(
        reply,
        encodedPage(page, (version) => versionResource(version, model)),
      );
    },

    /** How far the model was: its id, and the version of its stream. @throws Problem `model_not_found`, `time_in_future` */
    place: async (reply: FastifyReply, caller: Principal, named: string, then: Then) =>
      (await modelThen(reply, caller, named, then)).state.model,

    /** @throws Problem `model_not_found`, `version_not_found`, `time_in_future` */
    async version(
      reply: FastifyReply,
      caller: Principal,
      params: { model: string; version: string },
      then: Then,
    ): Promise<FastifyReply> {
      const { state } = await modelThen(reply, caller, params.model, then);
      return sendResource(
        reply,
        versionResource(demandVersion(state, params.version), state.model),
      );
    },

    /** Several versions of one moment, and its position. @throws Problem `model_not_found`, `version_not_found`, `time_in_future` */
    async named(
      reply: FastifyReply,
      caller: Principal,
      params: { model: string; versions: readonly string[] },
      then: Then,
    ) {
      const { position, state } = await modelThen(reply, caller, params.model, then);
      const versions = params.versions.map((version) => demandVersion(state, version));
      return { place: state.model, versions, position };
    },
  };
}
