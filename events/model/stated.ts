// Fields that cannot be changed, as a caller says them: who reads a resource, changes a field and writes it back sends
// everything else as it was.
import { sameJson } from './same-json.ts';

/** Fields as the caller sent them; they must say what is so. */
export type Stated = Readonly<Record<string, unknown>>;

/**
 * The stated fields that are otherwise.
 * @param stored the resource as it is answered
 * @param ids fields that hold an id or a label, with the number that may stand for it, as a number or as text
 */
export function otherThanStored(
  stated: Stated,
  stored: object,
  ids: Readonly<Record<string, number>>,
): string[] {
  const shown = new Map<string, unknown>(Object.entries(stored));
  return Object.entries(stated)
    .filter(([field, value]) => {
      const number = ids[field];
      const isNumber = number !== undefined && (value === number || value === String(number));
      return !isNumber && !sameJson(shown.get(field), value);
    })
    .map(([field]) => field);
}
