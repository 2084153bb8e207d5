// Rows in the order of their names, so that a list by name sorts nothing but what is new since the last one.
import { compareTexts } from './lists.ts';

type Row = number;

/** So many new ones are put in their places at once, also where nobody asks for the order. */
const lateMax = 2_000;

export class RowsByName {
  readonly #nameOf: (row: Row) => string;
  #rows: Row[] = [];
  /** Rows that are new or have another name by now. */
  readonly #late = new Set<Row>();
  /** Those of them that may stand in the wrong place. */
  readonly #renamed = new Set<Row>();

  constructor(nameOf: (row: Row) => string) {
    this.#nameOf = nameOf;
  }

  /** To be called when a row has got a name. */
  note(row: Row, isNew: boolean): void {
    this.#late.add(row);
    if (!isNew) this.#renamed.add(row);
    if (this.#late.size >= lateMax) this.#settle();
  }

  /** All rows, by the code points of their names. */
  inOrder(): readonly Row[] {
    if (this.#late.size > 0) this.#settle();
    return this.#rows;
  }

  #settle(): void {
    const rows =
      this.#renamed.size === 0 ? this.#rows : this.#rows.filter((row) => !this.#renamed.has(row));
    const late = [...this.#late].sort((one, other) =>
      compareTexts(this.#nameOf(one), this.#nameOf(other)),
    );
    const settled: Row[] = [];
    let next = 0;
    for (const row of late) {
      const place = this.#placeIn(rows, this.#nameOf(row), next);
      while (next < place) settled.push(rows[next++]!);
      settled.push(row);
    }
    while (next < rows.length) settled.push(rows[next++]!);
    this.#rows = settled;
    this.#late.clear();
    this.#renamed.clear();
  }

  /** Before the first row from `low` on whose name is not less. */
  #placeIn(rows: readonly Row[], name: string, low: number): number {
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareTexts(this.#nameOf(rows[middle]!), name) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
