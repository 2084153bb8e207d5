// Which names of settings look like credentials. The registry shows what it keeps to everybody who may read, for ever.

/** Words that name a secret wherever they stand. */
const secretWords: ReadonlySet<string> = new Set(
  `password passwords passwd pwd passphrase passcode secret secrets credential credentials apikey apikeys
   authorization bearer cookie cookies jwt dsn accesskey secretkey privatekey`.split(/\s+/),
);
/** Words that make a secret of a `key` or a `token` beside them. */
const keyWords: ReadonlySet<string> = new Set(
  `api access private secret account shared subscription signing encryption ssh rsa master service auth deploy`.split(
    /\s+/,
  ),
);
const tokenWords: ReadonlySet<string> = new Set(
  `api access auth refresh session security personal csrf oauth id bot hf huggingface github gitlab slack aws sas`.split(
    /\s+/,
  ),
);
/** A token of text rather than one that opens a door: `max_tokens`, `eos_token`, `pad_token_id`. */
const textWords: ReadonlySet<string> = new Set(
  `max min limit count budget num number n per first last next new cost price length total eos bos pad unk sep cls
   mask stop start end begin special image prompt completion input output decoder forced suppress`.split(
    /\s+/,
  ),
);

/** `maxTokens`, `x-api-key` and `API_KEY` as lower-case words. */
const wordsOf = (key: string): string[] =>
  key
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2')
    .replaceAll(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');

/** Whether a key looks as if a credential stood behind it. */
export function looksLikeCredential(key: string): boolean {
  const words = wordsOf(key);
  const has = (set: ReadonlySet<string>): boolean => words.some((word) => set.has(word));
  if (has(secretWords)) return true;
  if (words.includes('connection') && words.includes('string')) return true;
  if ((words.includes('key') || words.includes('keys')) && has(keyWords)) return true;
  const isSingular = words.includes('token');
  if (!isSingular && !words.includes('tokens')) return false;
  return !has(textWords) && (isSingular || has(tokenWords));
}

/** The paths of all keys within that look like credentials, however deep; what stands behind them is not looked at. */
export function credentialPaths(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  const found: string[][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const here = [...path, key];
    if (!Array.isArray(value) && looksLikeCredential(key)) found.push(here);
    else found.push(...credentialPaths(inner, here));
  }
  return found;
}
