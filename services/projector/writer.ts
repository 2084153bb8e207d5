// The one connection that writes views: statements and transactions in turn, and a new one when it breaks.
import { Client, DatabaseError } from 'pg';
import type { ClientConfig, QueryConfig, QueryResult, QueryResultRow } from 'pg';
import { connection } from '#infra/postgres/connect.ts';
import type { ConnectOptions } from '#infra/postgres/connect.ts';

/** What statements are sent to: a transaction, a connection or a pool. */
export type Transaction = {
  query: <Row extends QueryResultRow>(
    statement: string | QueryConfig,
    values?: unknown[],
  ) => Promise<QueryResult<Row>>;
};

/**
 * A connection to the views. Plans are made while the tables are still empty, where a scan looks cheap; but every lookup
 * has an index.
 */
export function viewsConnection(
  options: Omit<ConnectOptions, 'role'>,
  settings = '',
): ClientConfig {
  const config = connection({ ...options, role: 'modelog_service' });
  return { ...config, options: `${config.options} -c enable_seqscan=off ${settings}` };
}

export type Writer = {
  /** A statement outside any transaction; within one it would wait for its own end. */
  query: Transaction['query'];
  /** Runs the body in a transaction: committed when it resolves, rolled back when it rejects. */
  transaction: <Result>(body: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  close: () => Promise<void>;
};

/**
 * Opens in the background, at the first use. A lost commit takes its checkpoint with it, so commits need not wait for
 * the disk.
 */
export function openWriter(options: {
  url: string;
  name: string;
  onError: (error: Error) => void;
  statementTimeoutMs?: number;
}): Writer {
  let connecting: Promise<Client> | null = null;
  /** The open connection; null once it is broken. */
  let current: Client | null = null;

  async function connect(): Promise<Client> {
    const { url, name, statementTimeoutMs } = options;
    const timeout = statementTimeoutMs === undefined ? {} : { statementTimeoutMs };
    const config = viewsConnection(
      { url, name, ...timeout },
      '-c synchronous_commit=off -c enable_hashjoin=off -c enable_mergejoin=off',
    );
    // Statements of a transaction that need no answers of each other are sent at once, and answered in turn.
    const client = new Client({ ...config, pipeline: true });
    client.on('error', (error) => {
      drop(client);
      options.onError(error);
    });
    await client.connect();
    current = client;
    return client;
  }

  function client(): Promise<Client> {
    connecting ??= connect().catch((error: unknown) => {
      connecting = null;
      throw error;
    });
    return connecting;
  }

  function drop(broken: Client): void {
    if (current !== broken) return;
    current = null;
    connecting = null;
    // How it ends is of no interest any more.
    broken.end().catch(() => undefined);
  }

  /** A statement that fails without a word from the server leaves the connection in an unknown state. */
  const guarded = (connected: Client): Transaction => ({
    query: async <Row extends QueryResultRow>(
      statement: string | QueryConfig,
      values?: unknown[],
    ) => {
      try {
        return await connected.query<Row>(statement, values);
      } catch (error) {
        if (!(error instanceof DatabaseError)) drop(connected);
        throw error;
      }
    },
  });

  /** One at a time: a statement of somebody else must not become part of a transaction. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = last.then(work, work);
    last = result.catch(() => undefined);
    return result;
  }

  async function transaction<Result>(
    body: (transaction: Transaction) => Promise<Result>,
  ): Promise<Result> {
    const connected = await client();
    const guardedTransaction = guarded(connected);
    await guardedTransaction.query('begin');
    try {
      const result = await body(guardedTransaction);
      await guardedTransaction.query('commit');
      return result;
    } catch (error) {
      // Without a rollback the next transaction would begin inside this one.
      if (current === connected)
        await guardedTransaction.query('rollback').catch(() => drop(connected));
      throw error;
    }
  }

  return {
    query: (statement, values) =>
      inTurn(async () => guarded(await client()).query(statement, values)),
    transaction: (body) => inTurn(() => transaction(body)),
    close: async () => {
      const open = await connecting?.catch(() => null);
      connecting = null;
      await open?.end();
    },
  };
}
