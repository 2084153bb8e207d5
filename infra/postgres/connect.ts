// Connections to PostgreSQL: one pool a process, every wait bounded, acting as the role that cannot change history.
import { DatabaseError, Pool } from 'pg';
import type { ClientConfig } from 'pg';

/** How long to wait for a connection, of the pool or of the network, before a request is told to come back. */
const connectTimeoutMs = 1_500;
/** A query that takes longer is cut by the server; the client gives up a little later, should the server be gone. */
const statementTimeoutMs = 10_000;
const queryTimeoutMs = statementTimeoutMs + 1_000;
/** Reads that a client waits for take milliseconds; a connection that has gone silent must not keep it from an answer within 2 s. */
export const readDeadlineMs = 1_600;
const lockTimeoutMs = 5_000;
const idleInTransactionTimeoutMs = 15_000;
const keepAliveAfterMs = 10_000;

export type ConnectOptions = {
  url: string;
  /** Shown in `pg_stat_activity`. */
  name: string;
  /** The role to act as; null for the one that migrates. */
  role: 'modelog_service' | null;
  statementTimeoutMs?: number;
};

/** Settings of one connection, for a client or a pool. */
export function connection(options: ConnectOptions): ClientConfig {
  const statement = options.statementTimeoutMs ?? statementTimeoutMs;
  const settings = [
    `statement_timeout=${statement}`,
    `lock_timeout=${Math.min(lockTimeoutMs, statement)}`,
    `idle_in_transaction_session_timeout=${idleInTransactionTimeoutMs}`,
    'timezone=UTC',
    'jit=off',
    ...(options.role === null ? [] : [`role=${options.role}`]),
  ];
  return {
    connectionString: options.url,
    application_name: options.name,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: options.statementTimeoutMs === undefined ? queryTimeoutMs : statement + 1_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveAfterMs,
    options: settings.map((setting) => `-c ${setting}`).join(' '),
  };
}

/** A database's address as a person may read it. */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return 'as it is set';
  const shown = new URL(url);
  shown.password = '';
  shown.searchParams.delete('password');
  return shown.href;
}

/** Tells of idle connections that break, but for those of a pool that is being ended: its server may end just then. */
export function tellOfBroken(pool: Pool, onError: (error: Error) => void): void {
  pool.on('error', (error) => {
    if (!pool.ending) onError(error);
  });
}

/** A pool; an idle connection that breaks is told to `onError` and replaced. */
export function openPool(
  options: ConnectOptions & { size: number; onError: (error: Error) => void },
): Pool {
  const pool = new Pool({ ...connection(options), max: options.size, idleTimeoutMillis: 30_000 });
  tellOfBroken(pool, options.onError);
  return pool;
}

/** Whether the same statement may succeed later: connection lost, timeout, deadlock, full disk, server going down. */
export function isTransient(error: unknown): boolean {
  const code = sqlState(error);
  if (code === null) return true;
  const family = code.slice(0, 2);
  return (
    ['08', '53', '57', '58'].includes(family) ||
    ['40001', '40P01', '55P03', '25006', '25P03'].includes(code)
  );
}

/** Whether the database will refuse the same values again: a value's form (22), a constraint (23), a size (54). */
export const isOfTheValues = (error: unknown): boolean =>
  ['22', '23', '54'].includes(sqlState(error)?.slice(0, 2) ?? '');

/** Whether a statement that failed so may have been committed nevertheless: no definite word from the server came. */
export function isInDoubt(error: unknown): boolean {
  const code = sqlState(error);
  return code === null || code.startsWith('08') || code.startsWith('57P');
}

function sqlState(error: unknown): string | null {
  return error instanceof DatabaseError && error.code !== undefined ? error.code : null;
}
