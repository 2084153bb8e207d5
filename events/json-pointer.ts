// Where something stands in a JSON value, as RFC 6901 writes it.

const escaped = (key: PropertyKey): string =>
  String(key).replaceAll('~', '~0').replaceAll('/', '~1');

export const jsonPointer = (path: readonly PropertyKey[]): string =>
  path.map((key) => `/${escaped(key)}`).join('');
