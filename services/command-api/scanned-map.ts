// A map that is not made before it has been asked for more than a few keys: until then they are looked for one by one.
// Ten thousand entries are looked through in less time than it takes to enter a hundred of them.

/** Who asks so often will ask on. */
const scansMax = 8;

/** A row without a key is no entry. No two rows share a key. */
export class ScannedMap<Row, Value> extends Map<string, Value> {
  #rows: readonly Row[] | null;
  readonly #keyOf: (row: Row) => string | null;
  readonly #valueOf: (row: Row) => Value;
  #scans = 0;

  constructor(
    rows: readonly Row[],
    keyOf: (row: Row) => string | null,
    valueOf: (row: Row) => Value,
  ) {
    super();
    this.#rows = rows;
    this.#keyOf = keyOf;
    this.#valueOf = valueOf;
  }

  override get(key: string): Value | undefined {
    const set = super.get(key);
    if (set !== undefined || this.#rows === null) return set;
    if (++this.#scans > scansMax) {
      this.#make();
      return super.get(key);
    }
    const row = this.#rows.find((one) => this.#keyOf(one) === key);
    return row === undefined ? undefined : this.#valueOf(row);
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  override delete(key: string): boolean {
    this.#make();
    return super.delete(key);
  }

  override clear(): void {
    this.#rows = null;
    super.clear();
  }

  override get size(): number {
    this.#make();
    return super.size;
  }

  override keys(): MapIterator<string> {
    this.#make();
    return super.keys();
  }

  override values(): MapIterator<Value> {
    this.#make();
    return super.values();
  }

  override entries(): MapIterator<[string, Value]> {
    this.#make();
    return super.entries();
  }

  override [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  override forEach(call: (value: Value, key: string, map: Map<string, Value>) => void): void {
    this.#make();
    super.forEach(call);
  }

  /** What was set meanwhile holds, in the place of its row where it has one. */
  #make(): void {
    const rows = this.#rows;
    if (rows === null) return;
    this.#rows = null;
    const set = [...super.entries()];
    super.clear();
    for (const row of rows) {
      const key = this.#keyOf(row);
      if (key !== null) super.set(key, this.#valueOf(row));
    }
    for (const [key, value] of set) super.set(key, value);
  }
}
