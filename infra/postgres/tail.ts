// Follows the log's head: one connection a process that hears of appends, and asks anyway in case a notice was missed.
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { connection } from './connect.ts';

/** A notice is only a hint, so the head is asked for this often too. */
const pollIntervalMs = 250;
/** A database that comes back is noticed within this time. */
const reconnectDelayMsMax = 1_000;
/** The head is one row; a connection that does not tell it in this time is given up. */
const statementTimeoutMs = 2_000;

export type HeadFollower = {
  /** The newest position heard of; 0 until the log has answered once. */
  position: () => number;
  /** Resolves with the head once it is beyond `position`; rejects when the signal is aborted. */
  beyond: (position: number, signal: AbortSignal) => Promise<number>;
  /** Calls back with each new head; returns how to end that. */
  subscribe: (listener: (position: number) => void) => () => void;
  close: () => Promise<void>;
};

/**
 * Connects in the background and stays connected. `onError` is told once an outage.
 * Who needs to know the head as it is now asks the log itself: this one is late by the way of a notice.
 */
export function followHead(options: {
  url: string;
  onError: (error: Error) => void;
}): HeadFollower {
  const closing = new AbortController();
  const listeners = new Set<(position: number) => void>();
  let head = 0;

  const hear = (position: number) => {
    if (position === head) return;
    head = position;
    for (const listener of listeners) listener(position);
  };

  async function followOnce(onAnswer: () => void): Promise<void> {
    const client = new Client(
      connection({
        url: options.url,
        name: 'modelog-tail',
        role: 'modelog_service',
        statementTimeoutMs,
      }),
    );
    const broken = new AbortController();
    client.on('error', (error) => broken.abort(error));
    // A notice may arrive after an answer that already knew more.
    client.on('notification', ({ payload }) => hear(Math.max(head, Number(payload))));
    try {
      await client.connect();
      await client.query('listen modelog_log');
      const signal = AbortSignal.any([closing.signal, broken.signal]);
      for (;;) {
        const { rows } = await client.query<{ position: string }>({
          name: 'head',
          text: 'select position from log.log_head',
        });
        // The answer may also be lower: then history was cut, and the truth is what stands there.
        hear(Number(rows[0]!.position));
        onAnswer();
        await delay(pollIntervalMs, undefined, { signal });
      }
    } catch (error) {
      throw broken.signal.aborted ? broken.signal.reason : error;
    } finally {
      const ended = client.end().catch(() => undefined);
      // A broken connection may never end; nobody waits for it.
      if (!broken.signal.aborted && closing.signal.aborted) await ended;
    }
  }

  async function follow(): Promise<void> {
    let attempt = 0;
    while (!closing.signal.aborted) {
      try {
        await followOnce(() => (attempt = 0));
      } catch (error) {
        if (closing.signal.aborted) return;
        if (attempt++ === 0) options.onError(error as Error);
        const pauseMs = Math.min(reconnectDelayMsMax, 50 * 2 ** attempt);
        await delay(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
      }
    }
  }

  const following = follow();
  return {
    position: () => head,
    beyond: (position, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        if (head > position) return resolve(head);
        const listener = (now: number) => {
          if (now <= position) return;
          stop();
          resolve(now);
        };
        const aborted = () => {
          stop();
          reject(signal.reason as Error);
        };
        const stop = () => {
          listeners.delete(listener);
          signal.removeEventListener('abort', aborted);
        };
        listeners.add(listener);
        signal.addEventListener('abort', aborted);
      }),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: async () => {
      closing.abort();
      await following;
    },
  };
}
