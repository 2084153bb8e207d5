// A map of which each value is made when it is first asked for, of where it is kept. Whoever asks for all values makes them all.

export class LateMap<Key, Place extends {}, Value> extends Map<Key, Value> {
  readonly #places: Map<Key, Place>;
  readonly #made: (place: Place) => Value;

  /** Keys stand in the order of `places`. */
  constructor(places: Map<Key, Place>, made: (place: Place) => Value) {
    super();
    this.#places = places;
    this.#made = made;
    // holds the key's turn until there is a value
    for (const key of places.keys()) super.set(key, undefined as Value);
  }

  override get(key: Key): Value | undefined {
    this.#make(key);
    return super.get(key);
  }

  /** The value, where it has been made. */
  made(key: Key): Value | undefined {
    return super.get(key);
  }

  override set(key: Key, value: Value): this {
    this.#places.delete(key);
    return super.set(key, value);
  }

  override delete(key: Key): boolean {
    this.#places.delete(key);
    return super.delete(key);
  }

  override clear(): void {
    this.#places.clear();
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
    const place = this.#places.get(key);
    if (place !== undefined) this.set(key, this.#made(place));
  }

  #makeAll(): void {
    for (const key of this.#places.keys()) this.#make(key);
  }
}
