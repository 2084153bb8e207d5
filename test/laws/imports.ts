// The law of imports: which file may know which, found by reading what each file names.
import path from 'node:path';
import type { SourceFile } from './tree.ts';

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?\s*['"](?<from>[^'"]+)['"]|\bimport\(\s*['"](?<dynamic>[^'"]+)['"]\s*\)/g;

/** What a file names: paths within the repository from its root, and packages as they are called. */
export function importsOf({ path: file, text }: SourceFile): string[] {
  return [...text.matchAll(importPattern)].map(({ groups }) => {
    const name = (groups!['from'] ?? groups!['dynamic'])!;
    if (name.startsWith('#')) return name.slice(1);
    return name.startsWith('.') ? path.posix.join(path.posix.dirname(file), name) : name;
  });
}

const layers = ['events', 'services', 'infra', 'clients', 'test'];
const isOfLayer = (name: string, layer: string): boolean => name.startsWith(`${layer}/`);
const isPackage = (name: string): boolean => !layers.some((layer) => isOfLayer(name, layer));
const serviceOf = (name: string): string | null =>
  /^services\/(?<service>[^/]+)\//.exec(name)?.groups?.['service'] ?? null;

/** Each rule tells why an import is wrong, or null. */
const rules: ((from: string, to: string) => string | null)[] = [
  (from, to) =>
    isOfLayer(from, 'events') && !isOfLayer(to, 'events') && to !== 'zod'
      ? 'events/ is pure: it imports zod and itself'
      : null,
  (from, to) =>
    isOfLayer(from, 'infra') && isOfLayer(to, 'services')
      ? 'infra/ serves the services and knows none of them'
      : null,
  (from, to) => {
    const [own, other] = [serviceOf(from), serviceOf(to)];
    if (own === null || other === null || own === other) return null;
    if (own === 'standalone' && /^services\/[^/]+\/(app|config)\.ts$/.test(to)) return null;
    return 'services never import each other, but standalone their app.ts and config.ts';
  },
  (from, to) =>
    isOfLayer(to, 'test') && !isOfLayer(from, 'test') ? 'nothing that runs knows the tests' : null,
  (from, to) =>
    to === 'kafkajs' && from !== 'infra/kafka/broker.ts' && !isOfLayer(from, 'test')
      ? 'one file of what runs knows kafkajs: infra/kafka/broker.ts'
      : null,
  (from, to) =>
    isOfLayer(from, 'clients') && !isOfLayer(to, 'clients') && !isPackage(to)
      ? 'clients know the published API only'
      : null,
];

/** The imports that are against the law, each as `from → to: why`. */
export function forbiddenImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap((to) =>
      rules.flatMap((rule) => {
        const why = rule(file.path, to);
        return why === null ? [] : [`${file.path} → ${to}: ${why}`];
      }),
    ),
  );
}

/** Everything that a folder's files come to know, by whatever way. */
export function knownTo(folder: string, files: readonly SourceFile[]): Set<string> {
  const named = new Map(files.map((file) => [file.path, importsOf(file)]));
  const known = new Set<string>();
  const ahead = files.filter((file) => file.path.startsWith(folder)).map((file) => file.path);
  for (let here = ahead.pop(); here !== undefined; here = ahead.pop())
    for (const next of named.get(here) ?? [])
      if (!known.has(next)) {
        known.add(next);
        ahead.push(next);
      }
  return known;
}

/** Files that only pass on what others say. */
export const barrels = (files: readonly SourceFile[]): string[] =>
  files
    .filter(({ path: file, text }) => {
      const statements = text
        .replace(/\/\*[\s\S]*?\*\//g, '')
        .replace(/\/\/.*$/gm, '')
        .split(';')
        .map((statement) => statement.trim())
        .filter((statement) => statement !== '');
      const passesOn = (statement: string): boolean => /^export\s[\s\S]*\sfrom\s/.test(statement);
      return (
        /(^|\/)index\.ts$/.test(file) ||
        statements.some((statement) => statement.startsWith('export *')) ||
        (statements.length > 0 && statements.every(passesOn))
      );
    })
    .map((file) => file.path);
