// The one connection that writes views: transactions on it, one at a time, and a new one when it breaks.
import { Client, DatabaseError } from 'pg';
import type { QueryConfig, QueryResult, QueryResultRow } from 'pg';
import { connection } from '#infra/postgres/connect.ts';

/** What statements are sent to: a transaction, a connection or a pool. */
export type Transaction = {
  query: <Row extends QueryResultRow>(
    statement: string | QueryConfig,
    values?: unknown[],
  ) => Promise<QueryResult<Row>>;
};

export type Writer = {
  /** A statement outside any transaction. */
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
    const { statementTimeoutMs } = options;
    const config = connection({
      url: options.url,
      name: options.name,
      role: 'modelog_service',
      ...(statementTimeoutMs === undefined ? {} : { statementTimeoutMs }),
    });
    // Plans are made while the tables are still empty, where a scan looks cheap; every lookup here has an index.
    config.options += ' -c synchronous_commit=off -c enable_seqscan=off';
    const client = new Client(config);
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

  return {
    query: async (statement, values) => guarded(await client()).query(statement, values),
    transaction: async (body) => {
      const connected = await client();
      const transaction = guarded(connected);
      await transaction.query('begin');
      try {
        const result = await body(transaction);
        await transaction.query('commit');
        return result;
      } catch (error) {
        // Without a rollback the next transaction would begin inside this one.
        if (current === connected) await transaction.query('rollback').catch(() => drop(connected));
        throw error;
      }
    },
    close: async () => {
      const open = await connecting?.catch(() => null);
      connecting = null;
      await open?.end();
    },
  };
}
