// Plans of retention: what an order would do and why, version by version, with what keeps those that stay.
import { mayAt, maySee } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import { judgeOrder } from '#events/model/retention.ts';
import type { LeftVersion, OrderScope } from '#events/model/retention.ts';
import { newId } from '#infra/ids.ts';
import { forbidden } from '#infra/http/forbidden.ts';
import { Problem } from '#infra/http/problems.ts';
import { modelKind } from './kinds.ts';
import type { CommandHead } from './request.ts';
import { named } from './retention-judging.ts';
import type { Judging } from './retention-judging.ts';
import type { RetentionPlan, RetentionPlans } from './retention-plans.ts';
import type { Streams } from './streams.ts';

/** Models that one plan looks at; the next page goes on behind them. */
const plannedModelsMax = 1_000;
/** Versions that one plan shows; it ends with the model that goes past them. */
const plannedVersionsMax = 5_000;
/** Folded side by side: enough to hide the way to the database, too few to crowd its pool. */
const modelsAtOnce = 4;

export function openRetentionPlanning(deps: {
  streams: Streams;
  plans: RetentionPlans;
  judging: Judging;
  now: () => Date;
}) {
  const { streams, plans, judging, now } = deps;

  /** What an order would do to a model now. */
  async function judged(stream: string, version: number, order: OrderScope, by: Principal) {
    const { state } = await streams.foldTo(modelKind, stream, version);
    const { model } = state;
    if (model === null || model.state === 'deleted' || !maySee(by, model)) return null;
    const { archive, keep } = judgeOrder(
      state,
      order,
      await judging.retentionOf(model, order),
      now(),
    );
    return {
      model,
      archive: archive.map(({ number, due_at, cause, rule }) => ({
        ...named(state, number),
        stage: state.versions.get(number)!.stage,
        cause,
        rule,
        due_at,
      })),
      kept: keep.map(({ number, because, until, uses }: LeftVersion) => ({
        ...named(state, number),
        because,
        until,
        uses,
      })),
    };
  }
  type Judged = NonNullable<Awaited<ReturnType<typeof judged>>>;

  /**
   * What an order would do, and why: to one model, or to a page of all that the caller may archive versions of.
   * @throws Problem `model_not_found`, `forbidden`
   */
  async function plan(
    { principal: by, dry_run }: Pick<CommandHead, 'principal' | 'dry_run'>,
    asked: OrderScope & { stream: string | null; after: string; model: string | null },
  ) {
    const { retention_count, stream } = asked;
    // what a page is counted by and goes on behind is told, so there is nothing in it that the caller may not see
    const page =
      stream === null
        ? await plans.models(by.tenant, by.sees, asked.after, plannedModelsMax)
        : [{ stream, version: await versionOf(stream) }];
    const shown: Judged[] = [];
    let lookedAt = 0;
    let versions = 0;
    while (lookedAt < page.length && versions < plannedVersionsMax) {
      const some = page.slice(lookedAt, lookedAt + modelsAtOnce);
      const found = await Promise.all(
        some.map((one) => judged(one.stream, one.version, asked, by)),
      );
      lookedAt += some.length;
      if (stream !== null && found[0] === null)
        throw new Problem('model_not_found', asked.model === null ? {} : { model: asked.model });
      for (const one of found) {
        if (one === null) continue;
        const isAllowed = mayAt(by, 'version:archive', one.model);
        if (stream !== null && !isAllowed) throw forbidden('version:archive');
        // of a whole tenant only those models are shown of which something goes
        if (!isAllowed || (stream === null && one.archive.length === 0)) continue;
        versions += one.archive.length + one.kept.length;
        shown.push(one);
      }
    }
    const isLast = stream !== null || (lookedAt === page.length && lookedAt < plannedModelsMax);
    const made_at = now();
    const saved = dry_run
      ? { plan_id: null, expires_at: null }
      : await plans.save({
          plan_id: newId(),
          tenant: by.tenant,
          made_by: by.subject,
          made_at,
          plan: planned(retention_count, shown),
        });
    return {
      ...saved,
      made_at: made_at.toISOString(),
      retention_count,
      models_looked_at: lookedAt,
      archive_count: shown.reduce((sum, { archive }) => sum + archive.length, 0),
      models: shown.map(({ model, archive, kept: left }) => ({
        model_id: model.model_id,
        name: model.name,
        stream_version: model.stream_version,
        archive,
        kept: left,
      })),
      next_page_token: isLast ? null : page[lookedAt - 1]!.stream.split(':').at(-1)!,
    };
  }

  const planned = (retention_count: number | null, shown: readonly Judged[]): RetentionPlan => ({
    retention_count,
    models: shown.map(({ model, archive }) => ({
      model_id: model.model_id,
      versions: archive
        .map(({ version_id, number, label, version }) => ({ version_id, number, label, version }))
        .toSorted((left, right) => left.number - right.number),
    })),
  });

  async function versionOf(stream: string): Promise<number> {
    const folded = await streams.load(modelKind, stream);
    await streams.catchUp(modelKind, folded);
    return folded.state.stream_version;
  }

  return plan;
}

export type PlanRetention = ReturnType<typeof openRetentionPlanning>;
