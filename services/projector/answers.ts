// Answers kept in memory: what was read once is answered again without the database, for as long as the projection vouches for it.
import { LRUCache } from 'lru-cache';
import { maySee } from '#events/access.ts';
import type { Principal } from '#events/access.ts';
import { modelResource, versionCountOf } from '#events/model/resource.ts';
import type { Model } from '#events/model/model-row.ts';
import { modelStream } from '#events/names.ts';
import { listedModel } from './listed-model.ts';
import type { ListedModel } from './listed-model.ts';

/** Models by what they are answered with: some fifteen thousand. */
const modelCharactersMax = 24_000_000;
/** Answers about their versions: fewer ask for the same again. */
const answersCharactersMax = 8_000_000;
/** What a kept thing weighs beside its text. */
const keptOverhead = 400;
/** An answer larger than this is one of few that ask for so much. */
const answerCharactersMax = 1_000_000;
/** Streams whose last change is remembered, so that what was read before it is not kept after it. */
const changesMax = 20_000;

/** A model as it is answered, and what answers about its versions need of it. Plain data: it is told across threads. */
export type ShownModel = ListedModel & {
  stream: string;
  version_count: number;
  /** What `GET` of it answers. */
  json: string;
};

export const shownModel = (model: Model): ShownModel => ({
  ...listedModel(model),
  stream: modelStream(model.tenant, model.model_id),
  version_count: versionCountOf(model),
  json: JSON.stringify(modelResource(model)),
});

/** For whom something is looked up. */
export type Caller = Pick<Principal, 'tenant' | 'sees' | 'audience'>;

/** The one place where a key of kept or shared answers is made: nobody is answered with what was made for who sees other things. */
export const keyOf = ({ audience }: Pick<Caller, 'audience'>, question: string): string =>
  `${audience} ${question}`;

/** How a model is asked for. Who may see it is looked at each time, as that may change with the model. */
const referenceOf = (tenant: string, model: string | number): string => `${tenant} ${model}`;

/** All that a model is found by; what has been deleted is for the database to find. */
const referencesOf = ({ tenant, model_id, serial, name, is_deleted }: ShownModel): string[] =>
  is_deleted ? [] : [name, model_id, serial].map((by) => referenceOf(tenant, by));

/** A model in memory; another one takes its place with every change. */
export type KeptModel = { readonly shown: ShownModel };

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
  /** The model that a caller means by a name, id or serial and may see, if it is in memory. */
  recall: (caller: Caller, model: string) => KeptModel | undefined;
  /** A model by its stream, whoever has asked; for a row of a list, which counts as no use of each of its models. */
  ofStream: (stream: string) => KeptModel | undefined;
  /** To be called before what is to be kept is read. */
  reading: () => number;
  /** Keeps a model that was read since `reading`, unless it has changed meanwhile. */
  keep: (read: number, model: ShownModel) => KeptModel;
  /** Another answer about a model, as long as nothing of the model changes. */
  recallAnswer: (caller: Caller, model: KeptModel, question: string) => string | undefined;
  keepAnswer: (caller: Caller, model: KeptModel, question: string, json: string) => void;
};

export function openAnswers(): Answers {
  const found = new Map<string, string>();
  const models = new LRUCache<string, KeptModel>({
    maxSize: modelCharactersMax,
    sizeCalculation: ({ shown }) => shown.json.length + keptOverhead,
    noDisposeOnSet: true,
    dispose: ({ shown }) => loseReferences(shown),
  });
  const answers = new LRUCache<string, KeptAnswer>({
    maxSize: answersCharactersMax,
    maxEntrySize: answerCharactersMax,
    sizeCalculation: ({ json, of }) => json.length + of.json.length + keptOverhead,
  });
  /** When each stream last changed, the longest ago first, in a count of all changes. */
  const changes = new Map<string, number>();
  let count = 0;
  /** Whatever began to be read before this may have missed a change. */
  let horizon = 0;
  let through: number | null = null;

  function loseReferences(shown: ShownModel): void {
    for (const reference of referencesOf(shown))
      if (found.get(reference) === shown.stream) found.delete(reference);
  }

  function put(shown: ShownModel): KeptModel {
    const kept = { shown };
    const before = models.peek(shown.stream)?.shown;
    models.set(shown.stream, kept);
    // nearly every change leaves a model the name that it had
    if (before?.name === shown.name && before.is_deleted === shown.is_deleted) return kept;
    if (before !== undefined) loseReferences(before);
    for (const reference of referencesOf(shown)) found.set(reference, shown.stream);
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
      const stream = found.get(referenceOf(caller.tenant, model));
      const kept = stream === undefined ? undefined : models.get(stream);
      return kept !== undefined && maySee(caller, kept.shown) ? kept : undefined;
    },
    ofStream: (stream) => models.peek(stream),
    reading: () => count,
    keep: (read, shown) => {
      if (read < horizon || (changes.get(shown.stream) ?? 0) > read) return { shown };
      const kept = models.get(shown.stream);
      return kept !== undefined && kept.shown.stream_version >= shown.stream_version
        ? kept
        : put(shown);
    },
    recallAnswer: (caller, { shown }, question) => {
      const answer = answers.get(keyOf(caller, question));
      return answer?.of === shown ? answer.json : undefined;
    },
    keepAnswer: (caller, { shown }, question, json) =>
      void answers.set(keyOf(caller, question), { of: shown, json }),
  };
}
