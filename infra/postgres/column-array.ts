// A column's values of many rows as one parameter: the literal of an array, for which PostgreSQL needs a third of the time of JSON.

export type Element = string | number | boolean | null;

/** What JSON writes of a text in a way that a literal does not: all that it escapes but quotes and backslashes. */
const escapedInJsonAlone = /\\[^"\\]/;
const special = /["\\]/g;

const quoted = (value: Element): string =>
  typeof value === 'string' ? `"${value.replaceAll(special, '\\$&')}"` : String(value);

/** null is NULL; a string stands for itself, whatever it holds. */
export function columnArray(values: readonly Element[]): string {
  const json = JSON.stringify(values);
  const elements = escapedInJsonAlone.test(json)
    ? values.map(quoted).join(',')
    : json.slice('['.length, -']'.length);
  return `{${elements}}`;
}
