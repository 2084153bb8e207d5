// Numbers for texts that many rows have in common: a column of them is small, and is looked through fast.

/** What stands for null. */
export const noText = 0;

/** What memory a text takes beside its characters, as measured. */
const textBytes = 120;

/** Texts with their codes. A text keeps its code for as long as anything has it; then the code is given to another. */
export class TextCodes {
  readonly #codes = new Map<string, number>();
  readonly #texts: string[] = [''];
  readonly #uses: number[] = [0];
  readonly #free: number[] = [];
  #characters = 0;

  /** The code of a text that one more row has from here on. */
  take(text: string | null): number {
    if (text === null) return noText;
    const code = this.#codes.get(text) ?? this.#add(text);
    this.#uses[code]! += 1;
    return code;
  }

  /** One row less has the text of the code. */
  release(code: number): void {
    if (code === noText) return;
    this.#uses[code]! -= 1;
    if (this.#uses[code] !== 0) return;
    const text = this.#texts[code]!;
    this.#characters -= text.length;
    this.#codes.delete(text);
    this.#texts[code] = '';
    this.#free.push(code);
  }

  /** The code of a text, or undefined where no row has it. */
  find(text: string): number | undefined {
    return this.#codes.get(text);
  }

  /** Whether the code is the text's. */
  isOf(code: number | undefined, text: string | null): boolean {
    return code === noText ? text === null : code !== undefined && this.#texts[code] === text;
  }

  /** The text of a code that a row has. */
  text(code: number): string {
    return this.#texts[code]!;
  }

  /** About how much memory all this takes. */
  get bytes(): number {
    return this.#codes.size * textBytes + this.#characters;
  }

  #add(text: string): number {
    const code = this.#free.pop() ?? this.#texts.length;
    this.#characters += text.length;
    this.#codes.set(text, code);
    this.#texts[code] = text;
    this.#uses[code] = 0;
    return code;
  }
}
