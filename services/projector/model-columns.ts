// The models of a tenant by what they are listed by, in columns: a list looks through a hundred thousand of them in a millisecond.
import type { Scope } from '#events/access.ts';
import { namesOf } from '#events/access.ts';
import { stages } from '#events/model/shapes.ts';
import { modelStream } from '#events/names.ts';
import { compareTexts } from './lists.ts';
import { tagAsked } from './listed-model.ts';
import type { ListedModel } from './listed-model.ts';
import type { ModelFilters } from './routes/model-filters.ts';
import { RowsByName } from './rows-by-name.ts';
import { noText, TextCodes } from './text-codes.ts';

/** Few, as each of many tenants has columns of its own. */
const firstRows = 16;
/** So few rows are sorted by name; more are found in the order of all names. */
const sortedMax = 1_000;
/** What memory it takes, as measured: the columns of a tenant, a model in them, and each tag that it has. */
const columnsBytes = 6_000;
const modelBytes = 290;
const tagBytes = 16;
/** Facts by which a model is listed if it has the very text. */
const textFacts = ['framework', 'team', 'project', 'model_type', 'task', 'category'] as const;
type TextFact = (typeof textFacts)[number];

/** Bits of `flags`: one a stage in which the model has a version, then these. */
const activeBit = 1 << stages.length;
/** It is there: neither deleted nor unknown. */
const listedBit = activeBit << 1;

const flagsOf = ({ is_active, is_deleted, stages: those }: ListedModel): number =>
  (is_deleted ? 0 : listedBit) |
  (is_active ? activeBit : 0) |
  those.reduce((bits, stage) => bits | (1 << stages.indexOf(stage)), 0);

/** Which flags of a row are looked at, and how they are in a model that is listed and in the stage and state that are asked for. */
function flagsAsked({ stage, is_active }: ModelFilters): { mask: number; wanted: number } {
  const needed = listedBit | (stage === undefined ? 0 : 1 << stages.indexOf(stage));
  return {
    mask: needed | (is_active === undefined ? 0 : activeBit),
    wanted: needed | (is_active === true ? activeBit : 0),
  };
}

/** No text that can be stored holds NUL, so a tag with its value is never another tag's key. */
const tagText = (key: string, value: string): string => `${key}\u0000${value}`;
const noTags: readonly number[] = [];
const noRows = new Uint32Array();

/** A row of the columns: a model's serial. */
export type Row = number;

/** Where a row is among ordered ones, or belongs. */
function placeIn(rows: readonly Row[], row: Row): number {
  let [low, high] = [0, rows.length];
  // a new model has the highest serial
  if (high === 0 || rows[high - 1]! < row) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]! < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class ModelColumns {
  readonly #codes = new TextCodes();
  /** Rows by fact and code, in their order. */
  readonly #rows = Object.fromEntries(textFacts.map((fact) => [fact, new Map()])) as Record<
    TextFact,
    Map<number, Row[]>
  >;
  #flags = new Uint8Array(firstRows);
  /** What was found last. */
  #found = new Uint32Array(firstRows);
  #versions = new Uint32Array(firstRows);
  #positions = new Float64Array(firstRows);
  #facts = Object.fromEntries(
    textFacts.map((fact) => [fact, new Uint32Array(firstRows)]),
  ) as Record<TextFact, Uint32Array<ArrayBuffer>>;
  readonly #names: string[] = [];
  readonly #byName = new RowsByName((row) => this.#names[row]!);
  readonly #streams: string[] = [];
  readonly #tags: (readonly number[])[] = [];
  #count = 0;
  #tagCount = 0;

  /** About how much memory all this takes. */
  get bytes(): number {
    const { bytes } = this.#codes;
    return columnsBytes + this.#count * modelBytes + this.#tagCount * tagBytes + bytes;
  }

  stream = (row: Row): string => this.#streams[row]!;
  name = (row: Row): string => this.#names[row]!;
  position = (row: Row): number => this.#positions[row]!;
  streamVersion = (row: Row): number => this.#versions[row]!;

  /** Puts a model as it is in the place of what it was; what is older than what is here changes nothing. */
  put(model: ListedModel): void {
    const { serial: row, stream_version } = model;
    if (row >= this.#flags.length) this.#grow(row);
    const known = this.#versions[row]!;
    if (known >= stream_version) return;
    if (known === 0) this.#count++;
    this.#flags[row] = flagsOf(model);
    this.#versions[row] = stream_version;
    this.#positions[row] = model.position;
    if (this.#names[row] !== model.name) {
      this.#names[row] = model.name;
      this.#byName.note(row, known === 0);
    }
    this.#streams[row] ??= modelStream(model.tenant, model.model_id);
    for (const fact of textFacts) this.#putFact(row, fact, model[fact]);
    this.#putTags(row, model.tags);
  }

  /**
   * Serials of the models that are asked for and may be seen, in their order: in memory of these columns, true until the next call.
   * @param sees null: the whole tenant
   */
  find(asked: ModelFilters, sees: readonly Scope[] | null): Uint32Array {
    let among: readonly Row[] | null = null;
    const facts: { column: Uint32Array; code: number }[] = [];
    for (const fact of textFacts) {
      const text = asked[fact];
      if (text === undefined) continue;
      const code = this.#codes.find(text);
      const rows = code === undefined ? undefined : this.#rows[fact].get(code);
      if (code === undefined || rows === undefined) return noRows;
      facts.push({ column: this.#facts[fact], code });
      // only those with the rarest are looked at
      if (among === null || rows.length < among.length) among = rows;
    }
    const { mask, wanted } = flagsAsked(asked);
    const isSeen = sees === null ? null : this.#seenBy(sees);
    const tag = asked.tag === undefined ? null : this.#codeOfTag(asked.tag);
    if (tag === undefined) return noRows;
    const flags = this.#flags;
    const found = this.#found;
    let count = 0;
    const end = among === null ? this.#names.length : among.length;
    for (let nth = 0; nth < end; nth++) {
      const row = among === null ? nth : among[nth]!;
      if ((flags[row]! & mask) !== wanted) continue;
      if (facts.length > 1 && !facts.every(({ column, code }) => column[row] === code)) continue;
      if (isSeen !== null && !isSeen(row)) continue;
      if (tag !== null && !this.#tags[row]!.includes(tag)) continue;
      found[count++] = row;
    }
    return found.subarray(0, count);
  }

  /** Rows that were found, in the order of their names. */
  orderByName(rows: Uint32Array): ArrayLike<Row> {
    if (rows.length <= sortedMax)
      return rows.toSorted((one, other) => compareTexts(this.name(one), this.name(other)));
    const isFound = new Uint8Array(this.#names.length);
    for (const row of rows) isFound[row] = 1;
    return this.#byName.inOrder().filter((row) => isFound[row] === 1);
  }

  #seenBy(sees: readonly Scope[]): (row: Row) => boolean {
    const codesOf = (names: readonly string[]): ReadonlySet<number | undefined> =>
      new Set(names.map((name) => this.#codes.find(name)));
    const teams = codesOf(namesOf(sees, 'team'));
    const projects = codesOf(namesOf(sees, 'project'));
    const { team, project } = this.#facts;
    return (row) => teams.has(team[row]) || projects.has(project[row]);
  }

  /** Undefined where no model has the tag. */
  #codeOfTag(asked: string): number | undefined {
    const { key, value } = tagAsked(asked);
    return this.#codes.find(value === null ? key : tagText(key, value));
  }

  #putFact(row: Row, fact: TextFact, text: string | null): void {
    const column = this.#facts[fact];
    const before = column[row]!;
    // most changes of a model leave it as it is listed
    if (this.#codes.isOf(before, text)) return;
    const code = this.#codes.take(text);
    this.#codes.release(before);
    column[row] = code;
    const rows = this.#rows[fact];
    const left = rows.get(before);
    left?.splice(placeIn(left, row), 1);
    if (left?.length === 0) rows.delete(before);
    if (code === noText) return;
    const joined = rows.get(code) ?? [];
    rows.set(code, joined);
    joined.splice(placeIn(joined, row), 0, row);
  }

  #putTags(row: Row, tags: ListedModel['tags']): void {
    const before = (this.#tags[row] ??= noTags);
    if (this.#areOf(before, tags)) return;
    const codes = this.#tagCodes(tags);
    for (const code of before) this.#codes.release(code);
    this.#tags[row] = codes;
    this.#tagCount += (codes.length - before.length) / 2;
  }

  /** Whether these are the codes of the tags, in their order: of each its key, and its key with its value. */
  #areOf(codes: readonly number[], tags: ListedModel['tags']): boolean {
    const keys = Object.keys(tags);
    return (
      codes.length === keys.length * 2 &&
      keys.every((key, nth) => {
        if (!this.#codes.isOf(codes[nth * 2], key)) return false;
        const pair = this.#codes.text(codes[nth * 2 + 1]!);
        return pair.length - key.length - 1 === tags[key]!.length && pair.endsWith(tags[key]!);
      })
    );
  }

  #tagCodes(tags: Readonly<Record<string, string>>): readonly number[] {
    const codes: number[] = [];
    for (const [key, value] of Object.entries(tags))
      codes.push(this.#codes.take(key), this.#codes.take(tagText(key, value)));
    return codes.length === 0 ? noTags : codes;
  }

  #grow(row: Row): void {
    const rows = 2 ** Math.ceil(Math.log2(row + 1));
    const grown = <Column extends Uint8Array | Uint32Array | Float64Array>(
      column: Column,
      larger: Column,
    ): Column => {
      larger.set(column);
      return larger;
    };
    this.#flags = grown(this.#flags, new Uint8Array(rows));
    this.#versions = grown(this.#versions, new Uint32Array(rows));
    this.#positions = grown(this.#positions, new Float64Array(rows));
    this.#found = new Uint32Array(rows);
    for (const fact of textFacts)
      this.#facts[fact] = grown(this.#facts[fact], new Uint32Array(rows));
  }
}
