// The service's log: JSON lines, or pretty ones for a person at a terminal. Secrets are redacted by path.
import { pino } from 'pino';
import type { Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from './log-levels.ts';

export type { Logger };

/** The one logger of a process; services get children of it. */
export function openLogger(level: LogLevel): Logger {
  const options = {
    level,
    redact: [
      'req.headers.authorization',
      'req.headers["x-api-key"]',
      '*.password',
      '*.connectionString',
      // pg hangs a broken connection on its error, whole, with the key that cancels its queries
      'err.client',
    ],
  };
  return process.stdout.isTTY
    ? pino(
        options,
        pretty({ colorize: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' }),
      )
    : pino(options);
}
