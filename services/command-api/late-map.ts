// A map of which each value is made of its text when it is first asked for. Whoever asks for all values makes them all.

export class LateMap<Key, Value> extends Map<Key, Value> {
  readonly #texts: Map<Key, string>;
  readonly #made: (text: string) => Value;

  /** Keys stand in the order of `texts`. */
  constructor(texts: Map<Key, string>, made: (text: string) => Value) {
    super();
    this.#texts = texts;
    this.#made = made;
    // holds the key's place until there is a value
    for (const key of texts.keys()) super.set(key, undefined as Value);
  }

  override get(key: Key): Value | undefined {
    this.#make(key);
    return super.get(key);
  }

  override set(key: Key, value: Value): this {
    this.#texts.delete(key);
    return super.set(key, value);
  }

  override delete(key: Key): boolean {
    this.#texts.delete(key);
    return super.delete(key);
  }

  override clear(): void {
    this.#texts.clear();
    super.clear();
  }

  override values(): MapIterator<Value> {
    this.#makeAll();
    return super.values();
  }

  override entries(): MapIterator<[Key, Value]> {
    this.#makeAll();
    return super.entries();
  }

  override [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries();
  }

  override forEach(call: (value: Value, key: Key, map: Map<Key, Value>) => void): void {
    this.#makeAll();
    super.forEach(call);
  }

  #make(key: Key): void {
    const text = this.#texts.get(key);
    if (text !== undefined) this.set(key, this.#made(text));
  }

  #makeAll(): void {
    for (const key of this.#texts.keys()) this.#make(key);
  }
}
