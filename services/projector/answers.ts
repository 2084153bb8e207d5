// Answers kept in memory: what was read once is answered again without the database, for as long as the projection vouches for it.
import { LRUCache } from 'lru-cache';
import { maySee } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import { modelResource } from '#events/model/resource.ts';
import type { Model } from '#events/model/model-row.ts';
import { modelStream } from '#events/names.ts';

/** Models by what they are answered with; the answers about their versions have as much again. */
const keptCharactersMax = 24_000_000;
/** What a kept thing weighs beside its text. */
const keptOverhead = 400;
/** An answer larger than this is one of few that ask for so much. */
const answerCharactersMax = 1_000_000;
/** A model has a name, an id and a serial; an id may be spelled in several ways. */
const foundByMax = 6;
/** Streams whose last change is remembered, so that what was read before it is not kept after it. */
const changesMax = 20_000;

/** A model as it is answered, and what answers about its versions need of it. Plain data: it is told across threads. */
export type ShownModel = {
  stream: string;
  model_id: string;
  name: string;
  state: Model['state'];
  team: string | null;
  project: string | null;
  last_number: number;
  stream_version: number;
  position: number;
  /** What `GET` of it answers. */
  json: string;
};

export function shownModel(model: Model): ShownModel {
  return {
    stream: modelStream(model.tenant, model.model_id),
    model_id: model.model_id,
    name: model.name,
    state: model.state,
    team: model.team,
    project: model.project,
    last_number: model.last_number,
    stream_version: model.stream_version,
    position: model.position,
    json: JSON.stringify(modelResource(model)),
  };
}

/** For whom something is looked up. */
export type Caller = Pick<Principal, 'tenant' | 'sees' | 'audience'>;

/** The one place where a key of kept or shared answers is made: nobody is answered with what was made for who sees other things. */
export const keyOf = ({ audience }: Pick<Caller, 'audience'>, question: string): string =>
  `${audience} ${question}`;

/** How a model was asked for. Who may see it is looked at each time, as that may change with the model. */
const nameOf = ({ tenant }: Caller, model: string): string => `${tenant} ${model}`;

/** A model in memory; another one takes its place with every change. */
export type KeptModel = {
  readonly shown: ShownModel;
  /** The keys that it was found by, and would be found by now. */
  readonly foundBy: string[];
};

type KeptAnswer = { of: ShownModel; json: string };

export type Answers = {
  /** This process alone writes the views from here on, and tells of every change; what others wrote is not known. */
  claimed: () => void;
  /** Models as they are after a batch that is committed. Told before `reached`. */
  changed: (models: readonly ShownModel[]) => void;
  /** Every change up to this position was told. */
  reached: (position: number) => void;
  /** Something else than the projection has changed what is answered. */
  forget: () => void;

  /** Whether all changes up to the position were told, so that what is kept is as fresh as a read that waited for it. */
  covers: (position: number) => boolean;
  /** The model that a caller means by a name, id or serial and may see; undefined where that is not known. */
  recall: (caller: Caller, model: string) => KeptModel | undefined;
  /** A model by its stream, whoever has asked; for a row of which the version is known. */
  ofStream: (stream: string) => KeptModel | undefined;
  /** To be called before what is to be kept is read. */
  reading: () => number;
  /** Keeps a model that was read since `reading`, unless it has changed meanwhile; `foundBy` is what it was asked by. */
  keep: (
    read: number,
    model: ShownModel,
    foundBy: { caller: Caller; model: string } | null,
  ) => KeptModel;
  /** Another answer about a model, as long as nothing of the model changes. */
  recallAnswer: (caller: Caller, model: KeptModel, question: string) => string | undefined;
  keepAnswer: (caller: Caller, model: KeptModel, question: string, json: string) => void;
};

export function openAnswers(): Answers {
  const found = new Map<string, string>();
  const models = new LRUCache<string, KeptModel>({
    maxSize: keptCharactersMax,
    sizeCalculation: ({ shown }) => shown.json.length + keptOverhead,
    noDisposeOnSet: true,
    dispose: ({ foundBy }, stream) => {
      for (const key of foundBy) if (found.get(key) === stream) found.delete(key);
    },
  });
  const answers = new LRUCache<string, KeptAnswer>({
    maxSize: keptCharactersMax,
    maxEntrySize: answerCharactersMax,
    sizeCalculation: ({ json, of }) => json.length + of.json.length + keptOverhead,
  });
  /** When each stream last changed, the longest ago first, in a count of all changes. */
  const changes = new Map<string, number>();
  let count = 0;
  /** Whatever began to be read before this may have missed a change. */
  let horizon = 0;
  let through: number | null = null;

  function put(shown: ShownModel): KeptModel {
    const { stream, name, state } = shown;
    const before = models.peek(stream)?.shown;
    // What is named otherwise now, or is not there any more, is for the database to find.
    if (before !== undefined && (before.name !== name || before.state !== state))
      models.delete(stream);
    const kept = { shown, foundBy: models.peek(stream)?.foundBy ?? [] };
    models.set(stream, kept);
    return kept;
  }

  function noteChange(stream: string): void {
    changes.delete(stream);
    changes.set(stream, ++count);
    if (changes.size <= changesMax) return;
    const [oldest, at] = changes.entries().next().value!;
    changes.delete(oldest);
    horizon = at;
  }

  function forget(): void {
    models.clear();
    found.clear();
    answers.clear();
    changes.clear();
    horizon = ++count;
  }

  return {
    claimed: () => {
      forget();
      through = 0;
    },
    changed: (changed) => {
      for (const shown of changed) {
        noteChange(shown.stream);
        put(shown);
      }
    },
    reached: (position) => {
      if (through !== null) through = Math.max(through, position);
    },
    forget,

    covers: (position) => through !== null && through >= position,
    recall: (caller, model) => {
      const stream = found.get(nameOf(caller, model));
      const kept = stream === undefined ? undefined : models.get(stream);
      return kept !== undefined && maySee(caller, kept.shown) ? kept : undefined;
    },
    ofStream: (stream) => models.get(stream),
    reading: () => count,
    keep: (read, shown, foundBy) => {
      const { stream } = shown;
      if (read < horizon || (changes.get(stream) ?? 0) > read) return { shown, foundBy: [] };
      let kept = models.get(stream);
      if (kept === undefined || kept.shown.stream_version < shown.stream_version) kept = put(shown);
      if (foundBy !== null) {
        const key = nameOf(foundBy.caller, foundBy.model);
        if (!kept.foundBy.includes(key)) {
          if (kept.foundBy.length >= foundByMax) return kept;
          kept.foundBy.push(key);
        }
        found.set(key, stream);
      }
      return kept;
    },
    recallAnswer: (caller, { shown }, question) => {
      const answer = answers.get(keyOf(caller, question));
      return answer?.of === shown ? answer.json : undefined;
    },
    keepAnswer: (caller, { shown }, question, json) =>
      void answers.set(keyOf(caller, question), { of: shown, json }),
  };
}
