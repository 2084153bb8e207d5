// A column's values of many rows as one parameter: the literal of an array, for which PostgreSQL needs a third of the time of JSON.

export type Element = string | number | boolean | null;

const special = /["\\]/;
const specials = /["\\]/g;

function elementOf(value: Element): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  return special.test(value) ? `"${value.replaceAll(specials, '\\$&')}"` : `"${value}"`;
}

/** null is NULL; a string stands for itself, whatever it holds. */
export function columnArray(values: readonly Element[]): string {
  let literal = '{';
  for (const value of values) literal += (literal === '{' ? '' : ',') + elementOf(value);
  return `${literal}}`;
}
