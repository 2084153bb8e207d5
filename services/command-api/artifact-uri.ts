// Which artifact URIs may be recorded. The registry never opens one; a consumer might, so traps are refused here.

const uriCharactersMax = 2_048;
/** Encodings inside encodings are followed this deep; deeper is not a name of a file. */
const decodingsMax = 5;

/** Why an artifact URI is refused, or null: local paths, `..` in any encoding, fragments, queries, user info. */
export function artifactUriFault(uri: string): string | null {
  if (uri.length > uriCharactersMax) return `must have at most ${uriCharactersMax} characters`;
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]*(?:\/.*)?$/i.test(uri))
    return 'must be a URI with a scheme and an authority, as s3://bucket/path; local paths are refused';
  if (/^file:/i.test(uri)) return 'must not be a local file';
  const afterScheme = uri.slice(uri.indexOf('://') + 3);
  const slash = afterScheme.indexOf('/');
  const authority = slash === -1 ? afterScheme : afterScheme.slice(0, slash);
  if (authority === '') return 'must name a bucket or host';
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
  if (/[\u0000-\u0020\u007f\\]/.test(uri))
    return 'must not hold spaces, control characters or backslashes';
  if (/[?#]/.test(uri)) return 'must not have a query or a fragment';
  if (authority.includes('@')) return 'must not hold user info';
  let decoded = uri;
  for (let round = 0; round < decodingsMax; round++) {
    if (/(?:^|[/\\])\.\.(?:[/\\]|$)/.test(decoded)) return 'must not hold ".." segments';
    // oxlint-disable-next-line no-control-regex -- control characters are exactly what is refused
    if (/[\u0000-\u001f\u007f]/.test(decoded)) return 'must not hold encoded control characters';
    let next: string;
    try {
      next = decodeURIComponent(decoded);
    } catch {
      return 'must be percent-encoded correctly';
    }
    if (next === decoded) return null;
    decoded = next;
  }
  return 'must not be encoded again and again';
}
