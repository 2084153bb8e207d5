// Maps of a folded model. Most models have neither deployments nor bindings nor requests: all of those share one empty map, as their
// own took an eighth of the memory that folded models did.
import { AssertionFailed } from '../decider.ts';

const none = Object.defineProperty(new Map<never, never>(), 'set', {
  value: () => {
    throw new AssertionFailed('nothing is entered in the map that all empty ones are');
  },
});

/** A map without entries, to which only `entered` adds. */
export const noEntries = <Key, Value>(): Map<Key, Value> => none;

/** The map with one entry more, or another value for it: the same one, but where it was empty. */
export const entered = <Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value,
): Map<Key, Value> => (map === noEntries<Key, Value>() ? new Map() : map).set(key, value);

/** A map of the same entries, which changes apart from it. */
export const copied = <Key, Value>(map: Map<Key, Value>): Map<Key, Value> =>
  map === noEntries<Key, Value>() ? map : new Map(map);
