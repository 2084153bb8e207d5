// Shows that the workloads ask only for what is legal, in whatever order the answers come, so that any error is the server's.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  makeWorkload,
  workloadSchema,
  type WorkloadOptions,
  type WorkloadRequest,
} from './workloads.ts';

/** The least registry that knows what is illegal; it takes effect when a request is sent and when it is answered. */
class StrictRegistry {
  readonly illegal: string[] = [];
  private readonly models = new Map<string, Map<string, string>>();
  private readonly promoting = new Set<string>();
  private readonly digests = new Set<string>();

  know(model: string): void {
    this.models.set(model, new Map());
  }

  private judge(legal: boolean, request: WorkloadRequest): void {
    if (!legal) this.illegal.push(`${request.kind} ${request.path}`);
  }

  /** Checks a request as it is sent, and returns what its answer changes. */
  receive(request: WorkloadRequest): () => void {
    const [, , , , model, , label] = request.path.split('?')[0]!.split('/');
    const body = request.body === null ? {} : (JSON.parse(request.body) as Record<string, unknown>);
    switch (request.kind) {
      case 'register': {
        const name = String(body['name']);
        this.judge(!this.models.has(name), request);
        return () => this.know(name);
      }
      case 'version': {
        const versions = this.models.get(model!)!;
        const key = `${model} ${JSON.stringify(body['content_digest'])}`;
        this.judge(!versions.has(String(body['label'])) && !this.digests.has(key), request);
        this.digests.add(key);
        versions.set(String(body['label']), 'asked for');
        return () => versions.set(String(body['label']), 'development');
      }
      case 'promote': {
        const versions = this.models.get(model!)!;
        const to = String(body['to_stage']);
        const from = to === 'production' ? 'staging' : 'development';
        this.judge(!this.promoting.has(model!) && versions.get(label!) === from, request);
        this.promoting.add(model!);
        return () => {
          this.promoting.delete(model!);
          versions.set(label!, to);
        };
      }
      case 'get-model':
      case 'list-versions':
        this.judge(this.models.has(model!), request);
        return () => {};
      case 'list-models':
        return () => {};
      default:
        throw new Error(`a request of an unknown kind: ${request.kind}`);
    }
  }
}

const known = { run: 'earlier', models: 20 };
const workloads: WorkloadOptions[] = [
  { name: 'commands', run: 'one' },
  { name: 'commands', run: 'two', known },
  { name: 'working-day', run: 'three', known },
  { name: 'reads-while-writing', run: 'four', known, writesShare: 0.4 },
  { name: 'versions-of-one-model', run: 'five', model: 'earlier-0' },
];

test.each(workloads)('$name (run $run) asks only for what is legal', (options) => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 600, maxLength: 600 }), fc.nat(), (order, seed) => {
      const workload = makeWorkload(
        workloadSchema.parse({
          ...options,
          ...(options.name !== 'versions-of-one-model' && { seed }),
        }),
      );
      const registry = new StrictRegistry();
      for (let n = 0; n < known.models; n++) registry.know(`${known.run}-${n}`);
      const inFlight: { request: WorkloadRequest; answer: () => void }[] = [];
      for (const choice of order) {
        const request = workload.next();
        inFlight.push({ request, answer: registry.receive(request) });
        // Ten in flight, answered in any order.
        if (inFlight.length < 10) continue;
        const [next] = inFlight.splice(choice % inFlight.length, 1);
        next!.answer();
        next!.request.ended(201);
      }
      expect(registry.illegal).toEqual([]);
    }),
    { numRuns: 20 },
  );
});

test('commands are 20 % registrations, about half versions, and promotions up to production', () => {
  const workload = makeWorkload(workloadSchema.parse({ name: 'commands', run: 'mix' }));
  const counts: Record<string, number> = {};
  for (let n = 0; n < 20_000; n++) {
    const request = workload.next();
    const kind = request.body?.includes('"production"') ? 'production' : request.kind;
    counts[kind] = (counts[kind] ?? 0) + 1;
    request.ended(200);
  }
  expect(counts['register']).toBeGreaterThan(3_500);
  expect(counts['version']).toBeGreaterThan(9_000);
  expect((counts['promote'] ?? 0) + (counts['production'] ?? 0)).toBeGreaterThan(4_000);
  expect(counts['production']).toBeGreaterThan(500);
});

test('a promotion that failed is not built upon', () => {
  const workload = makeWorkload(workloadSchema.parse({ name: 'commands', run: 'failing' }));
  for (let n = 0; n < 5_000; n++) {
    const request = workload.next();
    expect(request.body?.includes('"production"') ?? false).toBe(false);
    request.ended(request.kind === 'promote' ? 503 : 201);
  }
});

test('promotions take each waiting version once, from the one that is said on', () => {
  const workload = makeWorkload(
    workloadSchema.parse({ name: 'promotions', run: 'strict', from: 7 }),
  );
  const requests = [workload.next(), workload.next()];
  expect(requests.map(({ path }) => path)).toEqual([
    '/api/v1/models/strict-7/versions/1/promote',
    '/api/v1/models/strict-8/versions/1/promote',
  ]);
  expect(requests[0]!.body).toContain('"to_stage":"production"');
});
