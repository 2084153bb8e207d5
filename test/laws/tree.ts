// The repository's own files, as the laws read them.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..');

/** `path` is relative to the repository, with `/`. */
export type SourceFile = { path: string; text: string };

/** What is installed, made or run here, and not written. */
const notWritten = new Set(['node_modules', 'data', 'dist', 'coverage']);

/** Every path that is written here, folders (which end in `/`) and files; names that begin with a dot are left out. */
export function writtenPaths(under = ''): string[] {
  return readdirSync(path.join(root, under), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || notWritten.has(entry.name)) return [];
    const here = `${under}${entry.name}`;
    return entry.isDirectory() ? [`${here}/`, ...writtenPaths(`${here}/`)] : [here];
  });
}

/** Files with these endings, with their text. */
export const sourceFiles = (...endings: string[]): SourceFile[] =>
  writtenPaths()
    .filter((file) => endings.some((ending) => file.endsWith(ending)))
    .map((file) => ({ path: file, text: readFileSync(path.join(root, file), 'utf8') }));
