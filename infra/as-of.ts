// Answers as of then: the log is folded up to a position by the same functions as ever, and shown by the functions that show today.
import type { Principal } from '#events/access.ts';
import type { EventFilter, EventLog } from '#events/log.ts';
import { pageEventsMax } from '#events/log.ts';
import type { RecordedEvent } from '#events/envelope.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import { evolveModelState, initialModelState } from '#events/model/state.ts';
import type { ModelState } from '#events/model/state.ts';
import { isDigits, isUuid, modelStream } from '#events/names.ts';
import { upcast } from '#events/upcasters.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Clock } from '#infra/postgres/clock.ts';

/** A list over all models of then folds each of them, so it ends somewhere. */
const modelsMax = 20_000;
/** Streams that are folded beside each other. */
const foldsAtOnce = 8;

/** A position of the log, or a time (RFC 3339). */
export type Then = { position: number } | { time: string };

/** The last position that then holds, and the time of then. */
export type Moment = { position: number; at: string };

/** What was true of a model: what was ever folded has a model. */
export type ModelThen = ModelState & { model: NonNullable<ModelState['model']> };

type Caller = Pick<Principal, 'tenant' | 'sees'>;

/** How a stream is folded. */
type Fold<State> = {
  initial: () => State;
  evolve: (state: State, event: RecordedEvent) => State;
};

export type AsOf = {
  /**
   * What is meant by then. A time of the last seconds may still come to hold more, as an append takes its time before it
   * is seen; a position never does.
   * @throws Problem `time_in_future`; LogUnavailable
   */
  moment: (then: Then) => Promise<Moment>;
  /**
   * The model that had this name, id or serial then. Who may see it is judged by where it stands today.
   * @throws Problem `model_not_found`; LogUnavailable
   */
  model: (caller: Caller, model: string, position: number) => Promise<ModelThen>;
  /** What was true of a stream. @throws LogUnavailable */
  folded: <State extends { stream_version: number }>(
    stream: string,
    position: number,
    fold: Fold<State>,
  ) => Promise<State>;
  /** The model of a stream, or null where it was not there yet, or the caller may not see it. */
  stream: (caller: Caller, stream: string, position: number) => Promise<ModelThen | null>;
  /**
   * Every model of then, deleted ones too, in the order of their registration.
   * @throws Problem `as_of_too_wide`; LogUnavailable
   */
  models: (caller: Caller, position: number) => Promise<ModelThen[]>;
};

export function openAsOf(log: EventLog, clock: Pick<Clock, 'now'>): AsOf {
  async function folded<State extends { stream_version: number }>(
    stream: string,
    position: number,
    { initial, evolve }: Fold<State>,
  ): Promise<State> {
    let state = initial();
    for (;;) {
      const page = await log.readStream(stream, state.stream_version, pageEventsMax);
      for (const event of page) {
        if (event.position > position) return state;
        state = evolve(state, upcast(event));
      }
      if (page.length < pageEventsMax) return state;
    }
  }

  async function fold(stream: string, position: number): Promise<ModelThen | null> {
    const state = await folded(stream, position, modelFold);
    return state.model === null ? null : (state as ModelThen);
  }

  async function foldFor(
    { sees }: Caller,
    stream: string,
    position: number,
  ): Promise<ModelThen | null> {
    if (sees !== null && !(await log.isInScope(stream, sees))) return null;
    return await fold(stream, position);
  }

  async function streamOf(tenant: string, model: string, position: number): Promise<string | null> {
    if (isUuid(model)) return modelStream(tenant, model.toLowerCase());
    if (!isDigits(model)) return await log.findNamed(tenant, model, position);
    const serial = Number(model);
    return serial > serialMax
      ? null
      : ((await log.findSerial(tenant, 'model', serial))?.stream ?? null);
  }

  return {
    async moment(then) {
      if ('time' in then) {
        if (then.time > clock.now().toISOString())
          throw new Problem('time_in_future', { field: 'as_of', value: then.time });
        return { position: await log.positionAt(then.time), at: then.time };
      }
      const { position } = then;
      const [event] = position === 0 ? [] : await log.readAll(position - 1, 1);
      if (event === undefined && position > 0)
        throw new Problem('time_in_future', { field: 'as_of', value: position });
      return { position, at: event?.recorded_at ?? new Date(0).toISOString() };
    },

    async model(caller, model, position) {
      const stream = await streamOf(caller.tenant, model, position);
      const found = stream === null ? null : await foldFor(caller, stream, position);
      const isNamed = isUuid(model) || isDigits(model);
      // the last to be given a name may have lost it again
      if (
        found === null ||
        (!isNamed && (found.model.name !== model || found.model.state === 'deleted'))
      )
        throw new Problem('model_not_found', { model });
      return found;
    },

    folded,
    stream: foldFor,

    async models({ tenant, sees }, position) {
      const registered: EventFilter = {
        tenant,
        types: ['model.registered'],
        modelsOnly: true,
        ...(sees !== null && { scopes: sees }),
      };
      const streams: string[] = [];
      for (let after = 0; ;) {
        const page = await log.readAll(after, pageEventsMax, registered);
        streams.push(
          ...page.filter((event) => event.position <= position).map(({ stream }) => stream),
        );
        if (streams.length > modelsMax) throw new Problem('as_of_too_wide', { most: modelsMax });
        const last = page.at(-1);
        if (last === undefined || last.position >= position) break;
        after = last.position;
      }
      const models: (ModelThen | null)[] = [];
      for (let first = 0; first < streams.length; first += foldsAtOnce)
        models.push(
          ...(await Promise.all(
            streams.slice(first, first + foldsAtOnce).map((stream) => fold(stream, position)),
          )),
        );
      return models.filter((model) => model !== null);
    },
  };
}

/** Serials are 32-bit in the log. */
const serialMax = 2_147_483_647;

const modelFold: Fold<ModelState> = {
  initial: initialModelState,
  evolve: (state, event) => evolveModelState(state, event as RecordedModelEvent),
};
