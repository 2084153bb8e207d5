// What the load driver asks for: each workload gives one request after the other and, by construction, expects no error.
import { z } from 'zod';
import { randomFrom } from './random.ts';

/** One request; `ended` is called once, when it was answered (with the status) or failed (with 0). */
export interface WorkloadRequest {
  /** What figures are kept apart by, such as `promote`. */
  readonly kind: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** JSON text, or null for a request without a body. */
  readonly body: string | null;
  ended(status: number): void;
}

export interface Workload {
  /** The next request to send; called when it is sent, so that it can build on every answer so far. */
  next(): WorkloadRequest;
  /** Facts that a later run needs, such as how many models there now are. */
  facts(): Record<string, number>;
}

// Names and labels are made of it: what the API takes in a path without escapes, and short enough to begin a digest.
const run = z.string().regex(/^[a-z][a-z0-9-]{0,15}$/);
const models = z.int().nonnegative().max(10_000_000);
/** Models of an earlier run that this one may read and write: their names are `<run>-0` to `<run>-<models - 1>`. */
const known = z.object({ run, models }).nullable().default(null);
const seed = z.int().default(1);

/** A workload and its options. `run` begins every name and label that it makes: give each run on a system its own. */
export const workloadSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('hello') }),
  z.strictObject({ name: z.literal('commands'), run, known, seed }),
  z.strictObject({ name: z.literal('working-day'), run, known, seed }),
  z.strictObject({
    name: z.literal('reads-while-writing'),
    run,
    known,
    seed,
    /** How many of all requests are commands, 0 to 1; the others are `GET` of a model. */
    writesShare: z.number().min(0).max(1),
  }),
  z.strictObject({ name: z.literal('listing'), seed }),
  z.strictObject({
    name: z.literal('insight'),
    seed,
    model: z.string().min(1),
    versions: z.int().min(2).max(1_000_000),
  }),
  z.strictObject({ name: z.literal('versions-of-one-model'), run, model: z.string().min(1) }),
  z.strictObject({ name: z.literal('registrations'), run }),
  /** Of the first version of each model `<run>-<n>`, from the n-th on. */
  z.strictObject({ name: z.literal('promotions'), run, from: models }),
]);
export type WorkloadOptions = z.input<typeof workloadSchema>;

export function makeWorkload(options: z.output<typeof workloadSchema>): Workload {
  switch (options.name) {
    case 'hello':
      return new Hello();
    case 'commands':
      return new Commands(options);
    case 'working-day':
      return new WorkingDay(options);
    case 'reads-while-writing':
      return new ReadsWhileWriting(options, options.writesShare);
    case 'listing':
      return new Listing(options.seed);
    case 'insight':
      return new Insight(options);
    case 'versions-of-one-model':
      return new VersionsOfOneModel(options.run, options.model);
    case 'registrations':
      return new Registrations(options.run);
    case 'promotions':
      return new Promotions(options.run, options.from);
  }
}

/** The body of a `RegisterModel` for the n-th model of a run. */
export function modelBody(name: string, n: number): string {
  return JSON.stringify({
    name,
    description: `Scores for ${name}, trained each night and compared with the version in production`,
    owner: `owner-${n % 200}`,
    team: `team-${n % teams}`,
    project: `project-${n % projects}`,
    framework: frameworks[n % frameworks.length],
    model_type: 'classifier',
    task: 'tabular-classification',
    tags: { cost_centre: `cc-${n % costCentres}`, tier: n % 10 === 0 ? 'critical' : 'standard' },
    metadata: { documentation: `https://docs.example/models/${name}`, refresh_hours: 24 },
  });
}

/** The body of a `CreateVersion` for the n-th version of a run; no other run makes the same digest. */
export function versionBody(model: string, label: string, run: string, n: number): string {
  const sha256 =
    Buffer.from(run).toString('hex').padEnd(32, '0') + n.toString(16).padStart(32, '0');
  return JSON.stringify({
    label,
    description: 'Nightly training',
    artifact_uri: `s3://models.example/${model}/${label}/model.onnx`,
    content_digest: { sha256 },
    size_bytes: 10_000_000 + (n % 1000) * 4096,
    format: 'onnx',
    framework: 'pytorch',
    metrics: { accuracy: 0.9 + (n % 100) / 1000, f1_score: 0.88 + (n % 90) / 1000 },
    hyperparameters: { learning_rate: 0.001, batch_size: 64, epochs: 20 },
    lineage: { data_versions: [`events-2026-11-${(n % 28) + 1}`], code_version: sha256.slice(-12) },
    tags: { pipeline: 'nightly' },
  });
}

const frameworks = ['pytorch', 'tensorflow', 'sklearn', 'xgboost'] as const;
const teams = 50;
const projects = 500;
const costCentres = 40;
const modelsPath = '/api/v1/models';
// Each list shows what one screen does.
const pageSize = 20;

class Hello implements Workload {
  readonly request: WorkloadRequest = {
    kind: 'hello',
    method: 'GET',
    path: '/',
    body: null,
    ended() {},
  };

  next(): WorkloadRequest {
    return this.request;
  }

  facts(): Record<string, number> {
    return {};
  }
}

class Get implements WorkloadRequest {
  readonly kind: string;
  readonly method = 'GET';
  readonly path: string;
  readonly body = null;

  constructor(kind: string, path: string) {
    this.kind = kind;
    this.path = path;
  }

  ended(): void {}
}

/** What the driver knows of a model: enough to ask only for what is legal. */
class Model {
  readonly name: string;
  /** Versions asked for by this run; each has its own label. */
  versions = 0;
  /** A version whose creation or promotion was answered, and where it stands; null when there is none to promote. */
  candidate: { label: string; stage: 'development' | 'staging' } | null = null;
  /** One promotion of a model at a time, as a person would do it. */
  promoting = false;

  constructor(name: string) {
    this.name = name;
  }
}

class Register implements WorkloadRequest {
  readonly kind = 'register';
  readonly method = 'POST';
  readonly path = modelsPath;
  readonly body: string;
  private readonly model: Model;
  private readonly models: Model[];

  constructor(model: Model, n: number, models: Model[]) {
    this.model = model;
    this.models = models;
    this.body = modelBody(model.name, n);
  }

  ended(status: number): void {
    if (isSuccess(status)) this.models.push(this.model);
  }
}

class CreateVersion implements WorkloadRequest {
  readonly kind = 'version';
  readonly method = 'POST';
  readonly path: string;
  readonly body: string;
  private readonly model: Model;
  private readonly label: string;

  constructor(model: Model, label: string, run: string, n: number) {
    this.model = model;
    this.label = label;
    this.path = `${modelsPath}/${model.name}/versions`;
    this.body = versionBody(model.name, label, run, n);
  }

  ended(status: number): void {
    if (isSuccess(status) && !this.model.promoting)
      this.model.candidate = { label: this.label, stage: 'development' };
  }
}

class Promote implements WorkloadRequest {
  readonly kind = 'promote';
  readonly method = 'POST';
  readonly path: string;
  readonly body: string;
  private readonly model: Model;
  private readonly label: string;
  private readonly toStage: 'staging' | 'production';

  constructor(
    model: Model,
    candidate: NonNullable<Model['candidate']>,
    toStage: 'staging' | 'production',
  ) {
    this.model = model;
    this.label = candidate.label;
    this.toStage = toStage;
    this.path = `${modelsPath}/${model.name}/versions/${candidate.label}/promote`;
    this.body = `{"to_stage":"${toStage}","reason":"Better than the last one in the nightly comparison"}`;
    model.promoting = true;
  }

  ended(status: number): void {
    this.model.promoting = false;
    this.model.candidate =
      isSuccess(status) && this.toStage === 'staging'
        ? { label: this.label, stage: 'staging' }
        : null;
  }
}

/**
 * Durable commands: 20 % register a model, 50 % add a version to a known one, 30 % promote a known version, first to
 * staging and then to production, where it displaces the one before. Names and labels are new, nothing is promoted
 * before its creation was answered, and never are two promotions of one model in flight: so every answer is a 2xx.
 */
class Commands implements Workload {
  private readonly run: string;
  private readonly random: () => number;
  private readonly models: Model[] = [];
  private registers = 0;
  private versions = 0;

  constructor(options: {
    run: string;
    known: { run: string; models: number } | null;
    seed: number;
  }) {
    this.run = options.run;
    this.random = randomFrom(options.seed);
    for (let n = 0; n < (options.known?.models ?? 0); n++)
      this.models.push(new Model(`${options.known!.run}-${n}`));
  }

  next(): WorkloadRequest {
    const chance = this.random();
    if (chance < 0.2 || this.models.length === 0) {
      const n = this.registers++;
      return new Register(new Model(`${this.run}-${n}`), n, this.models);
    }
    return (chance < 0.5 ? this.promotion() : null) ?? this.version();
  }

  /** A known model; work gathers on the latest ones: half of it on a quarter of them. */
  pick(): Model | undefined {
    const chance = this.random();
    return this.models[this.models.length - 1 - Math.floor(chance * chance * this.models.length)];
  }

  facts(): Record<string, number> {
    return { registered: this.registers, models: this.models.length };
  }

  private version(): WorkloadRequest {
    const model = this.pick()!;
    model.versions += 1;
    this.versions += 1;
    return new CreateVersion(model, `1.${model.versions}.0-${this.run}`, this.run, this.versions);
  }

  private promotion(): WorkloadRequest | null {
    // Most recent models have a version to promote; after a few that have none a new version is as good.
    const triesMax = 8;
    for (let attempt = 0; attempt < triesMax; attempt++) {
      const model = this.pick()!;
      if (model.candidate === null || model.promoting) continue;
      const toStage = model.candidate.stage === 'development' ? 'staging' : 'production';
      return new Promote(model, model.candidate, toStage);
    }
    return null;
  }
}

/** A registry on a working day: 45 % models by name, 15 % lists of versions, 20 % lists of models, 20 % commands. */
class WorkingDay implements Workload {
  private readonly commands: Commands;
  private readonly random: () => number;

  constructor(options: ConstructorParameters<typeof Commands>[0]) {
    this.commands = new Commands(options);
    this.random = randomFrom(options.seed + 1);
  }

  next(): WorkloadRequest {
    const chance = this.random();
    if (chance < 0.2) return this.commands.next();
    if (chance < 0.4) return new Get('list-models', `${modelsPath}?${this.filter()}`);
    const model = this.commands.pick();
    if (model === undefined) return this.commands.next();
    return chance < 0.55
      ? new Get('list-versions', `${modelsPath}/${model.name}/versions?page_size=${pageSize}`)
      : new Get('get-model', `${modelsPath}/${model.name}`);
  }

  facts(): Record<string, number> {
    return this.commands.facts();
  }

  private filter(): string {
    const page = `page_size=${pageSize}`;
    const team = `team=team-${this.below(teams)}`;
    switch (this.below(4)) {
      case 0:
        return `framework=${frameworks[this.below(frameworks.length)]}&${page}`;
      case 1:
        return `${team}&${page}`;
      case 2:
        return `stage=production&${team}&${page}`;
      default:
        return `project=project-${this.below(projects)}&${page}`;
    }
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }
}

/** `GET` of a model by its name among commands, which change the very models that are read. */
class ReadsWhileWriting implements Workload {
  private readonly commands: Commands;
  private readonly random: () => number;
  private readonly writesShare: number;

  constructor(options: ConstructorParameters<typeof Commands>[0], writesShare: number) {
    this.commands = new Commands(options);
    this.random = randomFrom(options.seed + 1);
    this.writesShare = writesShare;
  }

  next(): WorkloadRequest {
    const model = this.random() < this.writesShare ? undefined : this.commands.pick();
    return model === undefined
      ? this.commands.next()
      : new Get('get-model', `${modelsPath}/${model.name}`);
  }

  facts(): Record<string, number> {
    return this.commands.facts();
  }
}

/** Lists of models by each filter of `modelBody` alone and with others; of the stages one is rare. */
class Listing implements Workload {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  next(): WorkloadRequest {
    const filters: Record<string, string> = {
      framework: `framework=${frameworks[this.below(frameworks.length)]}`,
      team: `team=team-${this.below(teams)}`,
      tag: `tag=cost_centre:cc-${this.below(costCentres)}`,
      'tag-key': 'tag=tier',
      stage: `stage=${['development', 'staging', 'production'][this.below(3)]}`,
      'rare-stage': 'stage=archived',
      type: 'model_type=classifier',
      active: 'is_active=true',
      'by-name': 'sort=name',
      page: `page=${1 + this.below(100)}&size=${pageSize}`,
    };
    const kind = listings[this.below(listings.length)]!;
    const query = kind.map((name) => filters[name]).join('&');
    const size = kind.includes('page') ? '' : `&page_size=${pageSize}`;
    return new Get(`list ${kind.join('+')}`, `${modelsPath}?${query}${size}`);
  }

  facts(): Record<string, number> {
    return {};
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }
}

const listings: readonly (readonly string[])[] = [
  ['framework'],
  ['team'],
  ['tag'],
  ['tag-key'],
  ['stage'],
  ['type'],
  ['active'],
  ['framework', 'team'],
  ['framework', 'stage'],
  ['team', 'stage'],
  ['tag', 'framework'],
  ['tag', 'stage', 'team'],
  ['framework', 'by-name'],
  ['rare-stage'],
  ['team', 'page'],
  ['framework', 'stage', 'page'],
];

/** Comparisons of two to four versions of a model, and lineages of one. */
class Insight implements Workload {
  private readonly random: () => number;
  private readonly path: string;
  private readonly versions: number;

  constructor({ seed, model, versions }: { seed: number; model: string; versions: number }) {
    this.random = randomFrom(seed);
    this.path = `${modelsPath}/${model}`;
    this.versions = versions;
  }

  next(): WorkloadRequest {
    if (this.random() < 0.5) return new Get('lineage', `${this.path}/lineage/${this.number()}`);
    const numbers = new Set([this.number(), this.number(), this.number(), this.number()]);
    // one number four times would be refused
    const compared = numbers.size > 1 ? [...numbers] : [1, 2];
    return new Get('compare', `${this.path}/compare?versions=${compared.join()}&metric=f1_score`);
  }

  facts(): Record<string, number> {
    return {};
  }

  private number(): number {
    return 1 + Math.floor(this.random() * this.versions);
  }
}

/** One model that gets version after version, until its stream is long. */
class VersionsOfOneModel implements Workload {
  private readonly run: string;
  private readonly model: Model;

  constructor(run: string, model: string) {
    this.run = run;
    this.model = new Model(model);
  }

  next(): WorkloadRequest {
    const n = ++this.model.versions;
    return new CreateVersion(this.model, `1.${n}.0-${this.run}`, this.run, n);
  }

  facts(): Record<string, number> {
    return { versions: this.model.versions };
  }
}

/** New models and nothing else. */
class Registrations implements Workload {
  private readonly run: string;
  private readonly models: Model[] = [];
  private registers = 0;

  constructor(run: string) {
    this.run = run;
  }

  next(): WorkloadRequest {
    const n = this.registers++;
    return new Register(new Model(`${this.run}-${n}`), n, this.models);
  }

  facts(): Record<string, number> {
    return { registered: this.registers };
  }
}

/** Models whose first version waits in staging for its promotion to production, each once. */
class Promotions implements Workload {
  private readonly run: string;
  private following: number;

  constructor(run: string, from: number) {
    this.run = run;
    this.following = from;
  }

  next(): WorkloadRequest {
    const model = new Model(`${this.run}-${this.following++}`);
    return new Promote(model, { label: '1', stage: 'staging' }, 'production');
  }

  facts(): Record<string, number> {
    return { following: this.following };
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
