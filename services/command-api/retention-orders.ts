// Orders of retention, carried out append after append, each with a command id of its own: so an order that was cut off goes
// on where it stopped, and one that is given twice does nothing twice.
import { maySee } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import type { ModelCommand, ModelRefusal, Use, VersionRef } from '#events/model/commands.ts';
import { findVersion } from '#events/model/version-ref.ts';
import type { DueVersion } from '#events/model/due.ts';
import type { ModelEvent } from '#events/model/events.ts';
import type { Model } from '#events/model/model-row.ts';
import { archivedMax, judgeOrder } from '#events/model/retention.ts';
import type { ModelState } from '#events/model/state.ts';
import { usesOf } from '#events/model/uses.ts';
import { modelStream, nthId } from '#events/names.ts';
import { nothingKept } from '#events/policy/retention.ts';
import type { Retention } from '#events/policy/retention.ts';
import { Problem } from '#infra/http/problems.ts';
import type { ProblemCode } from '#infra/http/problems.ts';
import type { Ask } from './ask/ask.ts';
import type { Answered } from './ask/asked.ts';
import type { ForetoldEvent } from './ask/foretold.ts';
import { modelKind } from './kinds.ts';
import { commandIdOf, commonOf } from './request.ts';
import type { CommandHead } from './request.ts';
import type { Found } from './resolve.ts';
import { named } from './retention-judging.ts';
import type { Judging } from './retention-judging.ts';
import type { NamedVersion, RetentionPlan, RetentionPlans } from './retention-plans.ts';
import type { Streams } from './streams.ts';

/** Appended side by side: enough for them to share batches, too few to crowd the queue. */
const partsAtOnce = 8;

type Events = readonly RecordedEvent<ModelEvent>[];
type ArchivedVersion = NamedVersion &
  Pick<DueVersion, 'rule'> & { from_stage: string; cause: string };
type KeptVersion = NamedVersion & { because: string; uses: readonly Use[] };

/** What became of an order, as far as it got. */
type Done<Archived, Kept> = {
  retention_count: number | null;
  archived: Archived[];
  kept: Kept[];
  appends: number;
  /** False where the registry could not go on; the same order again does the rest. */
  is_complete: boolean;
  stopped_by: ProblemCode | null;
};
type OfModel = { model_id: string };
type OrderDone = Done<ArchivedVersion, KeptVersion> &
  OfModel & { name: string; position: number; stream_version: number };
type PlanDone = Done<ArchivedVersion & OfModel, KeptVersion & OfModel> & {
  plan_id: string;
};

const archivedBy = (state: ModelState, events: Events): ArchivedVersion[] =>
  events
    .flatMap(({ type, data }) =>
      type === 'model.archived'
        ? {
            ...named(state, data.number),
            from_stage: data.from_stage,
            cause: data.cause,
            rule: data.rule as DueVersion['rule'],
          }
        : [],
    )
    .toSorted((left, right) => left.number - right.number);

/** As many versions of a model as one append takes, from the so manieth that the plan names. */
type PlanPart = { model_id: string; first: number; versions: readonly NamedVersion[] };
type PartDone = {
  model_id: string;
  archived: ArchivedVersion[];
  kept: KeptVersion[];
  would_write: readonly ForetoldEvent[];
  /** Why the registry could not go on; null where it could. */
  stopped: Problem | null;
};

function partsOf({ models }: RetentionPlan): PlanPart[] {
  const parts: PlanPart[] = [];
  for (const { model_id, versions } of models)
    for (let first = 0; first < versions.length; first += archivedMax)
      parts.push({ model_id, first, versions: versions.slice(first, first + archivedMax) });
  return parts;
}

const isFull = (appended: Answered<Appended> | null): boolean =>
  appended?.answer.archived.length === archivedMax;

/** What the command says and what it is to be held to, beside what every command on a model has. */
type Wanted = Pick<
  Extract<ModelCommand, { type: 'ApplyRetention' }>,
  'plan_id' | 'retention_count' | 'numbers' | 'registry'
>;
/** What one append did; `left` of a plan are the versions that were to go, and stay. */
type Appended = { model: Model; archived: ArchivedVersion[]; left: KeptVersion[] };

export function openRetentionOrders(deps: {
  ask: Ask;
  streams: Streams;
  plans: RetentionPlans;
  judging: Judging;
  now: () => Date;
}) {
  const { ask, streams, plans, judging, now } = deps;

  function leftBy(state: ModelState, events: Events, wanted: Wanted, retention: Retention) {
    const at = now();
    const applied = events.find((event) => event.type === 'retention.applied');
    const because = new Map<number, string>(
      (applied?.data.kept ?? judgeOrder(state, wanted, retention, at).keep).map((version) => [
        version.number,
        version.because,
      ]),
    );
    const archived = new Set(applied?.data.archived);
    for (const number of wanted.numbers ?? []) {
      const version = state.versions.get(number)!;
      if (version.deleted_at !== null) because.set(number, 'deleted');
      else if (version.stage === 'archived') because.set(number, 'archived');
    }
    return (wanted.numbers ?? [...because.keys()])
      .filter((number) => !archived.has(number))
      .map((number): KeptVersion => {
        const why = because.get(number) ?? 'not_due';
        const uses = usesOf(state, state.versions.get(number)!, at.toISOString());
        return { ...named(state, number), because: why, uses: why === 'in_use' ? uses : [] };
      });
  }

  async function append(
    head: CommandHead,
    found: Found,
    ids: Pick<CommandHead, 'command_id' | 'request_hash' | 'expected_version'>,
    wanted: Wanted,
  ): Promise<Answered<Appended>> {
    const { state } = await streams.load(modelKind, found.stream);
    const retention =
      state.model === null ? wanted.registry : await judging.retentionOf(state.model, wanted);
    return await ask.submit<ModelState, ModelCommand, ModelEvent, ModelRefusal, Appended>({
      kind: modelKind,
      ...found,
      ...head,
      ...ids,
      status: 200,
      command: (at) => ({ ...commonOf(head, at), type: 'ApplyRetention', ...wanted }),
      answer: (after, events) => ({
        model: after.model!,
        archived: archivedBy(after, events),
        left: leftBy(after, events, wanted, retention),
      }),
    });
  }

  /** Everything beyond the newest that nothing protects goes now. */
  async function byCount(
    head: CommandHead,
    found: Found,
    retention_count: number,
  ): Promise<Answered<OrderDone>> {
    const wanted = { plan_id: null, retention_count, numbers: null, registry: nothingKept };
    const archived: ArchivedVersion[] = [];
    let last: Answered<Appended> | null = null;
    let stopped_by: ProblemCode | null = null;
    let appends = 0;
    do {
      const ids = {
        request_hash: head.request_hash,
        command_id: nthId(head.command_id, appends),
        expected_version: last === null ? head.expected_version : null,
      };
      try {
        last = await append(head, found, ids, wanted);
        archived.push(...last.answer.archived);
        appends += last.answer.archived.length > 0 ? 1 : 0;
      } catch (error) {
        if (last === null || !(error instanceof Problem)) throw error;
        stopped_by = error.code;
      }
      // a full append says that there may be more; a dry run leaves nothing to go on from
    } while (stopped_by === null && !head.dry_run && isFull(last));
    const { model, left } = last.answer;
    return {
      ...last,
      answer: {
        model_id: model.model_id,
        name: model.name,
        retention_count,
        archived,
        kept: left,
        appends,
        is_complete: stopped_by === null && !isFull(last),
        stopped_by,
        position: model.position,
        stream_version: model.stream_version,
      },
    };
  }

  async function isSeen({ sees }: Principal, stream: string): Promise<boolean> {
    const { state } = await streams.load(modelKind, stream);
    return state.model !== null && maySee({ sees }, state.model);
  }

  /** One append of a plan: of these versions go those of which it still holds. Null where who orders may not see the model. */
  async function carryOut(
    head: CommandHead,
    { model_id, first, versions }: PlanPart,
    { plan_id, retention_count }: Pick<Wanted, 'plan_id' | 'retention_count'>,
  ): Promise<PartDone | null> {
    const numbers = versions.map(({ number }) => number);
    const registry = judging.registryFor({ retention_count });
    const key = `${plan_id}/${model_id}/${first}`;
    const ids = {
      command_id: commandIdOf('retention', head.tenant, head.principal.subject, key),
      request_hash: key,
    };
    const found = { stream: modelStream(head.tenant, model_id) };
    try {
      const { answer, would_write } = await append(
        head,
        found,
        // a dry run leaves no record under the plan
        { ...(head.dry_run ? head : ids), expected_version: null },
        { plan_id, retention_count, numbers, registry },
      );
      const { archived, left } = answer;
      return { model_id, archived, kept: left, would_write: would_write ?? [], stopped: null };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === 'model_not_found' && !(await isSeen(head.principal, found.stream)))
        return null;
      const isGone = error.code === 'model_not_found' || error.code === 'forbidden';
      const kept = versions.map((version) => ({ ...version, because: error.code, uses: [] }));
      return {
        model_id,
        archived: [],
        kept: isGone ? kept : [],
        would_write: [],
        stopped: isGone ? null : error,
      };
    }
  }

  /** What a plan says goes, as far as that still holds; what has changed since stays, and is told with why. */
  async function byPlan(
    head: CommandHead,
    plan_id: string,
  ): Promise<Pick<Answered<PlanDone>, 'answer' | 'would_write'>> {
    const plan = await plans.find(head.tenant, plan_id, now());
    const { retention_count } = plan;
    const parts = partsOf(plan);
    const done: PartDone[] = [];
    let stopped: Problem | null = null;
    for (let begun = 0; begun < parts.length && stopped === null; begun += partsAtOnce) {
      const some = parts.slice(begun, begun + partsAtOnce);
      const results = await Promise.all(
        some.map((part) => carryOut(head, part, { plan_id, retention_count })),
      );
      const seen = results.filter((part) => part !== null);
      done.push(...seen);
      stopped = seen.find((part) => part.stopped !== null)?.stopped ?? null;
    }
    if (parts.length > 0 && done.length === 0) throw new Problem('plan_not_found', { plan_id });
    // where nothing was done there is nothing to tell but why
    if (stopped !== null && done.every((part) => part.stopped !== null)) throw stopped;
    const answer: PlanDone = {
      plan_id,
      retention_count,
      archived: done.flatMap(({ model_id, archived }) =>
        archived.map((version) => ({ model_id, ...version })),
      ),
      kept: done.flatMap(({ model_id, kept }) => kept.map((version) => ({ model_id, ...version }))),
      appends: done.filter(({ archived }) => archived.length > 0).length,
      is_complete: stopped === null,
      stopped_by: stopped?.code ?? null,
    };
    return {
      answer,
      would_write: head.dry_run ? done.flatMap(({ would_write }) => would_write) : null,
    };
  }

  return { byCount, byPlan };
}

/** What is answered where one version was archived by name: in the same words as of an order. */
export const oneArchived =
  (ref: VersionRef) =>
  (state: ModelState, events: Events): OrderDone => {
    const { model_id, name, position, stream_version } = state.model!;
    const archived = archivedBy(state, events);
    const { number } = findVersion(state, ref)!.facts;
    const already = { ...named(state, number), because: 'archived', uses: [] };
    return {
      model_id,
      name,
      retention_count: null,
      archived,
      kept: archived.length > 0 ? [] : [already],
      appends: archived.length,
      is_complete: true,
      stopped_by: null,
      position,
      stream_version,
    };
  };

export type RetentionOrders = ReturnType<typeof openRetentionOrders>;
