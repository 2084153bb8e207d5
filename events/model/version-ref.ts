// How a version is named under its model, and which one that is.
import { isDigits, isUuid } from '../names.ts';
import { aliased } from './aliases.ts';
import type { VersionRef } from './commands.ts';
import type { ModelState } from './state.ts';
import type { Version } from './version-row.ts';

/** `{version}` in a path: a number, a label, an id, `default`, `latest` or `@alias`; digits are the number. */
export function versionRefOf(text: string): VersionRef {
  if (text === 'default' || text === 'latest') return { by: text };
  if (text.startsWith('@')) return { by: 'alias', alias: text.slice(1) };
  if (isDigits(text)) return { by: 'number', number: Number(text) };
  return isUuid(text) ? { by: 'id', version_id: text.toLowerCase() } : { by: 'label', label: text };
}

/** The version that a caller means, or null. `latest` is the newest that is not archived. */
export function findVersion(state: ModelState, ref: VersionRef): Version | null {
  const version = findVersionOrTombstone(state, ref);
  return version === null || version.deleted_at !== null ? null : version;
}

/** The same, also where it is deleted: its number, label and id never mean another. */
export function findVersionOrTombstone(state: ModelState, ref: VersionRef): Version | null {
  const byNumber = (number: number | null | undefined): Version | null =>
    state.versions.get(number ?? 0) ?? null;
  switch (ref.by) {
    case 'number':
      return byNumber(ref.number);
    case 'label':
      return byNumber(state.numberByLabel.get(ref.label));
    case 'text': {
      const { text } = ref;
      return byNumber(
        state.numberByLabel.get(text) ??
          (isDigits(text) ? Number(text) : state.numberByVersionId.get(text)),
      );
    }
    case 'id':
      return byNumber(state.numberByVersionId.get(ref.version_id));
    case 'alias':
      return byNumber(aliased(state, ref.alias));
    case 'default':
      return byNumber(state.model?.default_number);
    case 'latest': {
      for (let number = state.model?.last_number ?? 0; number > 0; number--) {
        const version = byNumber(number);
        if (version !== null && version.stage !== 'archived' && version.deleted_at === null)
          return version;
      }
      return null;
    }
  }
}

/** The reference as the caller wrote it, for a refusal. */
export function showVersionRef(ref: VersionRef): string {
  switch (ref.by) {
    case 'number':
      return String(ref.number);
    case 'label':
      return ref.label;
    case 'text':
      return ref.text;
    case 'id':
      return ref.version_id;
    case 'alias':
      return `@${ref.alias}`;
    case 'default':
    case 'latest':
      return ref.by;
  }
}
