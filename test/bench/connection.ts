// One keep-alive connection of the load driver, with at most one request in flight.
import { connect, type Socket } from 'node:net';
import { ResponseFault, ResponseParser } from './response-parser.ts';
import type { WorkloadRequest } from './workloads.ts';

// Only the own machine is ever loaded.
const host = '127.0.0.1';
const connectTimeoutMs = 5_000;
// Only what a refusal says is shown to a person.
const keepBodyFromStatus = 300;

/** What a connection tells; in each case it is free, and closed unless the answer says that it stays open. */
export interface ConnectionListener {
  /** `answer` is the connection's own and changes with the next one. */
  answered(connection: Connection, answer: ResponseParser): void;
  /** The connection ended, or what came on it was no answer. */
  lost(connection: Connection, why: 'transport' | 'protocol', message: string): void;
}

export class Connection {
  /** The request in flight. */
  request: WorkloadRequest | null = null;
  dueMs = 0;
  sentMs = 0;
  private socket: Socket | null = null;
  private parser = new ResponseParser(keepBodyFromStatus);
  private readonly port: number;
  private readonly readBuffer: Buffer;
  private readonly listener: ConnectionListener;

  /** Connections may share `readBuffer`: what one has read is parsed before another reads. */
  constructor(port: number, readBuffer: Buffer, listener: ConnectionListener) {
    this.port = port;
    this.readBuffer = readBuffer;
    this.listener = listener;
  }

  /** Resolves once connected and rejects if that fails; what happens later is told to the listener. */
  open(): Promise<void> {
    this.parser = new ResponseParser(keepBodyFromStatus);
    return new Promise((resolve, reject) => {
      const socket = connect({
        host,
        port: this.port,
        noDelay: true,
        onread: {
          buffer: this.readBuffer,
          callback: (length) => {
            if (this.socket === socket) this.read(length);
            return true;
          },
        },
      });
      const end = (message: string) => {
        socket.destroy();
        reject(new Error(`Port ${this.port}: ${message}`));
        if (this.socket === socket) this.lose('transport', message);
      };
      socket.setTimeout(connectTimeoutMs, () => end('no connection in time'));
      socket.once('connect', () => {
        socket.setTimeout(0);
        this.socket = socket;
        resolve();
      });
      socket.once('error', (error) => end(error.message));
      socket.once('close', () => end('closed by the server'));
    });
  }

  /** `message` is the whole request, head and body. */
  send(request: WorkloadRequest, message: string, dueMs: number, nowMs: number): void {
    this.request = request;
    this.dueMs = dueMs;
    this.sentMs = nowMs;
    this.socket!.write(message, 'utf8');
  }

  /** Closes it without telling the listener. */
  close(): void {
    this.socket?.destroy();
    this.socket = null;
  }

  private read(length: number): void {
    try {
      if (!this.parser.push(this.readBuffer.subarray(0, length))) return;
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error;
      this.lose('protocol', error.message);
      return;
    }
    if (this.request === null) {
      this.lose('protocol', 'an answer that nobody asked for');
      return;
    }
    if (!this.parser.keepAlive) this.close();
    this.listener.answered(this, this.parser);
  }

  private lose(why: 'transport' | 'protocol', message: string): void {
    this.close();
    this.listener.lost(this, why, message);
  }
}
