// The table that a benchmark ends with, and its copy in docs/benchmarks.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from './scenario.ts';

const document = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

/** The rows of one scenario and how they were measured. */
export type Measured = { scenario: string; seconds: number; rows: readonly Row[] };

const heading =
  '| Scenario | What | Measured | Must | Aim | Verdict | Commit |\n|---|---|---|---|---|---|---|\n';

/** One line that tells what everything ran on. */
export function machine(): string {
  const processors = cpus();
  const gigabytes = Math.round(totalmem() / 1e9);
  return `${processors[0]?.model.trim() ?? 'unknown CPU'}, ${processors.length} cores, ${gigabytes} GB, Node ${process.version}, ${process.platform}`;
}

/** The commit that is measured, marked if files were changed since. */
export function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  // but for the page itself, which a run writes as it goes
  const files = ['--', '.', ':!docs/benchmarks.md'];
  const isChanged = git('status', '--porcelain', '--untracked-files=no', ...files) !== '';
  return git('rev-parse', '--short', 'HEAD') + (isChanged ? ' (changed)' : '');
}

export function table(measured: readonly Measured[]): string {
  return heading + lines(measured).join('');
}

/** Writes the rows into docs/benchmarks.md; rows of scenarios that did not run now, and the notes below the table, stay as they are. */
export function writeDocument(measured: readonly Measured[], command: string): void {
  mkdirSync(dirname(document), { recursive: true });
  writeFileSync(document, updatedDocument(readOrEmpty(), measured, command));
}

/** The text of the document with the new rows; a pure function of its old text, the machine aside. */
export function updatedDocument(
  before: string,
  measured: readonly Measured[],
  command: string,
): string {
  const ran = new Set(measured.map(({ scenario }) => scenario));
  const notesAt = before.indexOf('\n## ');
  const notes = notesAt === -1 ? '' : before.slice(notesAt);
  const kept = before
    .slice(0, notesAt === -1 ? undefined : notesAt)
    .split('\n')
    .filter((line) => /^\| [a-z-]+ \|/.test(line) && !ran.has(line.split(' | ')[0]!.slice(2)))
    .map((line) => `${line}\n`);
  return `# Benchmarks

What one machine did, by \`npm run bench\`; \`npm run bench -- --help\` lists the scenarios. Everything (system, PostgreSQL, Kafka
and the load driver) shares its cores. The driver is a process of its own; in an open loop requests become due at a fixed
rate whatever the answers do, over 1,000 keep-alive connections, and latency counts from the due time, so a pause of the
server shows in every request that was due in it. "Must" and "aim" are the project's own marks. Each system is new and gets
at most ten seconds of warm-up, which is not counted. Append to view is counted from the time that the log recorded to
the answer of a list that shows the model, asked every 3 ms with \`consistency=eventual\`; append to Kafka from the same time to a
kafkajs consumer in its own process.

Last run: \`${command}\` on ${machine()}.

${heading}${[...kept, ...lines(measured)].join('')}${notes}`;
}

function lines(measured: readonly Measured[]): string[] {
  const at = commit();
  return measured.flatMap(({ scenario, seconds, rows }) =>
    rows.map(
      (row) =>
        `| ${[
          scenario,
          `${row.what} (${seconds} s)`,
          row.measured,
          row.must,
          row.aim,
          row.verdict,
          at,
        ]
          .map((cell) => cell.replaceAll('|', '\\|'))
          .join(' | ')} |\n`,
    ),
  );
}

function readOrEmpty(): string {
  try {
    return readFileSync(document, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return '';
    throw cause;
  }
}
