// The load driver: sends requests when they are due, whether or not the server keeps up, and counts from the due time.
// Run in a process of its own: `node test/bench/driver.ts '<JSON of DriverConfig>'` prints the JSON of a DriverResult.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { z } from 'zod';
import { Connection, type ConnectionListener } from './connection.ts';
import { Histogram, type LatencySummary } from './histogram.ts';
import { randomFrom } from './random.ts';
import type { ResponseParser } from './response-parser.ts';
import { makeWorkload, workloadSchema, type Workload } from './workloads.ts';

// A port has 28,000 local addresses to come from; more than a tenth of them is no test of a service.
const connectionsMax = 2_000;
// A driver that is due more often than this is the limit itself.
const rateMax = 100_000;
// No run is longer than an hour, whatever it is asked.
const durationMsMax = 3_600_000;
// The server's listen queue has 511 places, so connections are opened in groups that it holds.
const connectsAtOnce = 250;
// A connection that failed is opened again, but a server that is gone is not asked more often than this.
const reconnectDelayMs = 100;
// How exact a timeout is: requests in flight are looked through this often.
const timeoutSweepMs = 50;
// What is due is sent within about this time; answers that come in between send it too.
const timerIntervalMs = 1;
const eventLoopSampleMs = 10;
// As much as one read takes at most.
const readBytesMax = 64 * 1024;
// What a server that refuses says is shown, but not all of it.
const samplesMax = 5;
const sampleCharactersMax = 400;

const configSchema = z.strictObject({
  port: z.int().min(1).max(65_535),
  headers: z.record(z.string(), z.string().regex(/^[\x20-\x7e]*$/)).default({}),
  workload: workloadSchema,
  /** `open`: at `ratePerSecond`, whatever the answers do. `closed`: each connection asks again once it is answered. */
  mode: z.enum(['open', 'closed']).default('open'),
  arrivals: z.enum(['even', 'poisson']).default('even'),
  ratePerSecond: z.number().positive().max(rateMax).default(1_000),
  connections: z.int().min(1).max(connectionsMax).default(1_000),
  durationMs: z.int().min(1).max(durationMsMax),
  /** Ends the run earlier, after so many requests. */
  requestsMax: z.int().positive().optional(),
  /** Counted from sending; a request that has waited so long counts as failed, with that latency. */
  timeoutMs: z.int().min(1).max(120_000).default(10_000),
  /** Due requests that may wait for a free connection; what comes on top is dropped and counted. */
  backlogMax: z.int().positive().max(10_000_000).default(100_000),
  /** The result tells how many requests took longer than each of these. */
  thresholdsMs: z.array(z.number().nonnegative()).max(10).default([]),
  seed: z.int().default(1),
});
export type DriverConfig = z.input<typeof configSchema>;
type Settings = z.output<typeof configSchema>;

/** What a run measured. `due = sent + dropped` and `sent = completed + failed`, always. */
export type DriverResult = {
  due: number;
  sent: number;
  completed: number;
  failed: number;
  /** Never sent: the backlog was full, or the run was over. */
  dropped: number;
  /** The most due requests that waited for a connection at once. */
  backlogHighest: number;
  /** Completed, by status: `{"201": 5}`. */
  statuses: Record<string, number>;
  /** Completed with `X-Stale: true`: answered at once from a view that was behind. */
  stale: number;
  /** Failed, by why. */
  failures: { timeout: number; transport: number; protocol: number };
  /** Connections lost while nothing was in flight on them, which is no failure. */
  idleClosed: number;
  /** The first answers that were no 2xx and the first failures, as they came. */
  samples: string[];
  elapsedMs: number;
  /** Completed per second of `elapsedMs`. */
  rateAchieved: number;
  /** From the due time to the answer's last byte, in ms; a failure counts with the time until it failed. */
  latencyMs: LatencySummary;
  latencyMsByKind: Record<string, LatencySummary>;
  above: { thresholdMs: number; count: number }[];
  /** For each second of the run: completed, and the longest latency. */
  seconds: { completed: number; maxMs: number }[];
  facts: Record<string, number>;
  driver: {
    /** CPU time of this process in µs a request, and as a share of one core. */
    cpuUsPerRequest: number;
    cpuShare: number;
    /** How late a due request was sent though a connection was free: the driver's own part of the latency. */
    latenessMs: LatencySummary;
    eventLoopDelayP99Ms: number;
  };
};

/** Runs one load from its first request to its last answer. Throws if the server cannot be reached at the start. */
export async function runLoad(config: DriverConfig): Promise<DriverResult> {
  const settings = configSchema.parse(config);
  const load = new Load(settings, makeWorkload(settings.workload));
  try {
    await load.connect();
    return await load.run();
  } finally {
    load.close();
  }
}

/** One run: deals what is due to the connections and counts what becomes of it. */
class Load implements ConnectionListener {
  private readonly settings: Settings;
  private readonly workload: Workload;
  private readonly random: () => number;
  private readonly fixedHeaders: string;
  private readonly connections: Connection[] = [];
  private readonly free: Connection[] = [];
  private readonly backlog: DueTimes;
  private readonly reconnects = new Set<NodeJS.Timeout>();

  private startMs = 0;
  private endMs = 0;
  /** After the start: a sum of gaps on top of a clock's time would miss the end by its rounding. */
  private nextDueAfterMs = 0;
  private lastEndedMs = 0;
  private closed = false;
  private readonly over = Promise.withResolvers<void>();

  private due = 0;
  private sent = 0;
  private completed = 0;
  private dropped = 0;
  private idleClosed = 0;
  private stale = 0;
  private readonly failures = { timeout: 0, transport: 0, protocol: 0 };
  private readonly statuses: Record<string, number> = {};
  private readonly samples: string[] = [];
  private readonly latency = new Histogram();
  private readonly latencyByKind = new Map<string, Histogram>();
  private readonly lateness = new Histogram();
  private readonly above: number[];
  private readonly seconds: { completed: number; maxMs: number }[] = [];

  constructor(settings: Settings, workload: Workload) {
    this.settings = settings;
    this.workload = workload;
    this.random = randomFrom(settings.seed);
    this.fixedHeaders = Object.entries({ host: `127.0.0.1:${settings.port}`, ...settings.headers })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
    this.backlog = new DueTimes(settings.backlogMax);
    this.above = settings.thresholdsMs.map(() => 0);
    const readBuffer = Buffer.allocUnsafe(readBytesMax);
    for (let n = 0; n < settings.connections; n++)
      this.connections.push(new Connection(settings.port, readBuffer, this));
  }

  /** Opens every connection before anything is due. */
  async connect(): Promise<void> {
    for (let first = 0; first < this.connections.length; first += connectsAtOnce) {
      const group = this.connections.slice(first, first + connectsAtOnce);
      await Promise.all(group.map((connection) => connection.open()));
    }
    this.free.push(...this.connections);
  }

  async run(): Promise<DriverResult> {
    const eventLoopDelay = monitorEventLoopDelay({ resolution: eventLoopSampleMs });
    eventLoopDelay.enable();
    const cpuBefore = process.cpuUsage();
    this.startMs = performance.now();
    this.lastEndedMs = this.startMs;
    this.endMs = this.startMs + this.settings.durationMs;
    this.nextDueAfterMs = 0;
    const timer = setInterval(() => this.sendDue(performance.now()), timerIntervalMs);
    const sweep = setInterval(() => this.sweep(performance.now()), timeoutSweepMs);
    try {
      this.sendDue(this.startMs);
      await this.over.promise;
    } finally {
      clearInterval(timer);
      clearInterval(sweep);
      eventLoopDelay.disable();
    }
    const cpu = process.cpuUsage(cpuBefore);
    return this.result(cpu.user + cpu.system, eventLoopDelay.percentile(99) / 1e6);
  }

  close(): void {
    this.closed = true;
    for (const timer of this.reconnects) clearTimeout(timer);
    this.reconnects.clear();
    for (const connection of this.connections) connection.close();
  }

  answered(connection: Connection, answer: ResponseParser): void {
    const nowMs = performance.now();
    const { status, keepAlive } = answer;
    this.completed += 1;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    if (answer.isStale) this.stale += 1;
    if (status < 200 || status >= 300) {
      const { kind, path } = connection.request!;
      this.sample(`${kind} ${path}: ${status} ${answer.body()}`);
    }
    this.ended(connection, status, nowMs);
    if (keepAlive) this.release(connection, nowMs);
    else this.reopen(connection);
    this.sendDue(nowMs);
  }

  lost(connection: Connection, why: 'transport' | 'protocol' | 'timeout', message: string): void {
    const request = connection.request;
    if (request === null && why === 'transport') this.idleClosed += 1;
    else {
      this.failures[why] += 1;
      this.sample(`${request?.kind ?? 'idle'} ${request?.path ?? ''}: ${why}: ${message}`);
    }
    if (request === null) this.free.splice(this.free.indexOf(connection), 1);
    else this.ended(connection, 0, performance.now());
    this.reopen(connection);
  }

  /** Sends what has become due, to the connection that has been free for the longest. */
  private sendDue(nowMs: number): void {
    if (this.settings.mode === 'closed') {
      while (this.sending(nowMs) && this.free.length > 0) {
        this.due += 1;
        this.send(this.free.shift()!, nowMs, nowMs);
      }
      return;
    }
    while (this.nextDueMs <= nowMs && this.sending(this.nextDueMs)) {
      const dueMs = this.nextDueMs;
      this.nextDueAfterMs += this.gapMs();
      this.due += 1;
      const connection = this.free.shift();
      if (connection !== undefined) {
        this.lateness.record((nowMs - dueMs) * 1000);
        this.send(connection, dueMs, nowMs);
      } else if (!this.backlog.push(dueMs)) this.dropped += 1;
    }
  }

  private get nextDueMs(): number {
    return this.startMs + this.nextDueAfterMs;
  }

  /** True while a request may become due at that time. */
  private sending(atMs: number): boolean {
    return atMs < this.endMs && this.due < (this.settings.requestsMax ?? Infinity);
  }

  private gapMs(): number {
    const evenMs = 1000 / this.settings.ratePerSecond;
    return this.settings.arrivals === 'even' ? evenMs : -Math.log(1 - this.random()) * evenMs;
  }

  private send(connection: Connection, dueMs: number, nowMs: number): void {
    const request = this.workload.next();
    const head = `${request.method} ${request.path} HTTP/1.1\r\n${this.fixedHeaders}`;
    const message =
      request.body === null
        ? `${head}\r\n`
        : `${head}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(request.body)}\r\n\r\n${request.body}`;
    this.sent += 1;
    connection.send(request, message, dueMs, nowMs);
  }

  private ended(connection: Connection, status: number, nowMs: number): void {
    const request = connection.request!;
    connection.request = null;
    this.lastEndedMs = nowMs;
    const latencyMs = nowMs - connection.dueMs;
    this.latency.record(latencyMs * 1000);
    let ofKind = this.latencyByKind.get(request.kind);
    if (ofKind === undefined) this.latencyByKind.set(request.kind, (ofKind = new Histogram()));
    ofKind.record(latencyMs * 1000);
    for (let n = 0; n < this.above.length; n++)
      if (latencyMs > this.settings.thresholdsMs[n]!) this.above[n]! += 1;
    const second = Math.floor((nowMs - this.startMs) / 1000);
    while (this.seconds.length <= second) this.seconds.push({ completed: 0, maxMs: 0 });
    const row = this.seconds[second]!;
    if (status > 0) row.completed += 1;
    row.maxMs = Math.max(row.maxMs, Math.round(latencyMs));
    request.ended(status);
  }

  private release(connection: Connection, nowMs: number): void {
    // what has waited beyond every timeout is never sent, so that a run ends however far the server is behind
    const isOver = nowMs > this.endMs + this.settings.timeoutMs;
    const dueMs = isOver ? undefined : this.backlog.shift();
    if (dueMs === undefined) this.free.push(connection);
    else this.send(connection, dueMs, nowMs);
  }

  private reopen(connection: Connection): void {
    const timer = setTimeout(() => {
      this.reconnects.delete(timer);
      void this.openAgain(connection);
    }, reconnectDelayMs);
    this.reconnects.add(timer);
  }

  private async openAgain(connection: Connection): Promise<void> {
    try {
      await connection.open();
    } catch (error) {
      this.sample(String(error));
      if (!this.closed) this.reopen(connection);
      return;
    }
    if (this.closed) connection.close();
    else this.release(connection, performance.now());
  }

  /** Ends what took too long, and the run when nothing is left to wait for. */
  private sweep(nowMs: number): void {
    const { timeoutMs } = this.settings;
    let inFlight = 0;
    for (const connection of this.connections) {
      if (connection.request === null) continue;
      if (nowMs - connection.sentMs > timeoutMs) {
        connection.close();
        this.lost(connection, 'timeout', `no answer within ${timeoutMs} ms`);
      } else inFlight += 1;
    }
    const nextMs = this.settings.mode === 'open' ? this.nextDueMs : nowMs;
    if (this.sending(nextMs)) return;
    if (inFlight === 0 && (this.backlog.length === 0 || nowMs > this.endMs + timeoutMs)) {
      this.dropped += this.backlog.length;
      this.over.resolve();
    }
  }

  private sample(text: string): void {
    if (this.samples.length < samplesMax) this.samples.push(text.slice(0, sampleCharactersMax));
  }

  private result(cpuUs: number, eventLoopDelayP99Ms: number): DriverResult {
    const { failures } = this;
    const elapsedMs = Math.max(1, this.lastEndedMs - this.startMs);
    return {
      due: this.due,
      sent: this.sent,
      completed: this.completed,
      failed: this.sent - this.completed,
      dropped: this.dropped,
      backlogHighest: this.backlog.lengthHighest,
      statuses: this.statuses,
      stale: this.stale,
      failures,
      idleClosed: this.idleClosed,
      samples: this.samples,
      elapsedMs,
      rateAchieved: this.completed / (elapsedMs / 1000),
      latencyMs: this.latency.summaryMs(),
      latencyMsByKind: Object.fromEntries(
        [...this.latencyByKind].map(([kind, histogram]) => [kind, histogram.summaryMs()]),
      ),
      above: this.settings.thresholdsMs.map((thresholdMs, n) => ({
        thresholdMs,
        count: this.above[n]!,
      })),
      seconds: this.seconds,
      facts: this.workload.facts(),
      driver: {
        cpuUsPerRequest: cpuUs / Math.max(1, this.sent),
        cpuShare: cpuUs / 1000 / elapsedMs,
        latenessMs: this.lateness.summaryMs(),
        eventLoopDelayP99Ms,
      },
    };
  }
}

/** The due times of requests that wait for a connection, first in, first out, in a place of fixed size. */
class DueTimes {
  length = 0;
  lengthHighest = 0;
  private readonly times: Float64Array;
  private first = 0;

  constructor(lengthMax: number) {
    this.times = new Float64Array(lengthMax);
  }

  /** False if there is no room. */
  push(dueMs: number): boolean {
    if (this.length === this.times.length) return false;
    this.times[(this.first + this.length) % this.times.length] = dueMs;
    this.length += 1;
    this.lengthHighest = Math.max(this.lengthHighest, this.length);
    return true;
  }

  shift(): number | undefined {
    if (this.length === 0) return undefined;
    const dueMs = this.times[this.first];
    this.first = (this.first + 1) % this.times.length;
    this.length -= 1;
    return dueMs;
  }
}

if (import.meta.main) {
  const config = process.argv[2];
  if (config === undefined) throw new Error("usage: node test/bench/driver.ts '<JSON>'");
  const result = await runLoad(configSchema.parse(JSON.parse(config)));
  console.log(JSON.stringify(result));
}
