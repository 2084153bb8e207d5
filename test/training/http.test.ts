// Finished trainings told over HTTP.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { adminKey, startRegistry } from '#test/retention/registry.ts';
import type { Json, TestRegistry } from '#test/retention/registry.ts';
import { trainingActor } from '#services/command-api/training-completed.ts';
import { churnTraining, cloudEvent } from './events.ts';

let registry: TestRegistry;
let models = 0;
let name: string;
beforeAll(async () => {
  registry = await startRegistry();
  name = `model-${++models}`;
});
afterEach(() => {
  name = `model-${++models}`;
});
afterAll(() => registry.stop());

async function tell(
  body: unknown,
  headers: Record<string, string> = { 'content-type': 'application/cloudevents+json' },
  key = adminKey,
): Promise<{ status: number; answer: Json }> {
  const response = await fetch(`${registry.apiUrl}/api/v1/training-completed`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as Json };
}

/** The types of what is recorded of the model, in order. */
async function recorded(model = name): Promise<string[]> {
  const { rows } = await registry.pool.query<{ type: string }>(
    `select e.type from log.events e join log.claims c using (stream) where c.claim = $1 order by e.position`,
    [`model-name:default:${model}`],
  );
  return rows.map(({ type }) => type);
}

const training = (data: object = {}) => ({ ...churnTraining, model_name: name, ...data });

describe('a finished training', () => {
  it('registers a model that nobody knew, with its first version, in one append', async () => {
    const { status, answer } = await tell(cloudEvent(training()));
    expect(status).toBe(201);
    expect(answer).toMatchObject({
      model_name: name,
      number: 1,
      stage: 'development',
      readiness: 'training',
      is_default: true,
      framework: 'xgboost',
      accuracy: 0.91,
      metrics_by_split: { test: { accuracy: 0.91, f1_score: 0.88 } },
      artifact_uri: 's3://models/churn/1',
      content_digest: { sha256: 'a'.repeat(64), blake3: null, origin: 'declared' },
      hyperparameters: { depth: 6, rate: 0.1 },
      lineage: {
        data_versions: ['customers@2026-10'],
        code_version: '4f2a9c1',
        parent_versions: [],
        experiment_id: null,
        run_id: 'run-17',
      },
      declared_by: '/pipelines/nightly',
    });
    expect(await recorded()).toEqual(['model.registered', 'model.versioned', 'default.changed']);
  });

  it('adds a version to a model that is known', async () => {
    await registry.ask('/models', { name });
    const { status, answer } = await tell(cloudEvent(training({ label: '1.4.0' })));
    expect([status, answer['number'], answer['label']]).toEqual([201, 1, '1.4.0']);
    const next = await tell(cloudEvent(training({ content_digest: null })));
    expect(next.answer['number']).toBe(2);
  });

  it('that is told twice adds nothing, and is answered the same', async () => {
    const event = cloudEvent(training());
    const first = await tell(event);
    const { model_name, ...rest } = event.data as ReturnType<typeof training>;
    const again = await tell({ ...event, data: { ...rest, label: null, model_name } });
    expect(again).toEqual(first);
    expect(await recorded()).toHaveLength(3);
  });

  it('with an id that came with other data is refused', async () => {
    const event = cloudEvent(training());
    await tell(event);
    const other = await tell({ ...event, data: training({ label: 'other' }) });
    expect([other.status, other.answer['code']]).toEqual([422, 'key_reused']);
    const elsewhere = cloudEvent(training({ content_digest: null }), {
      id: event.id,
      source: '/pipelines/weekly',
    });
    expect((await tell(elsewhere)).answer['number']).toBe(2);
  });

  it('is not kept from its pipeline by a team that told its id first, with something else', async () => {
    const keyOf = async (said: object) => String((await registry.ask('/api-keys', said))['secret']);
    const pipeline = await keyOf({ subject: 'nightly', role: 'producer' });
    const ana = await keyOf({ subject: 'ana', role: 'member' });
    const binding = { subject: 'ana', role: 'producer', scope: 'team:risk' };
    await registry.ask('/role-bindings', binding, 'PUT');
    const ofTeam = `${name}-of-risk`;
    await registry.ask('/models', { name: ofTeam, team: 'risk' });
    const own = cloudEvent(training());
    const others = { ...own, data: training({ model_name: ofTeam, content_digest: null }) };
    const asJson = { 'content-type': 'application/cloudevents+json' };
    const first = await tell(others, asJson, ana);
    expect([first.status, first.answer['number']]).toEqual([201, 1]);
    expect(await tell(others, asJson, ana)).toEqual(first);
    const told = await tell(own, asJson, pipeline);
    expect([told.status, told.answer['number']]).toEqual([201, 1]);
    // whoever is believed in the whole tenant, and whichever way it comes, it is one
    expect(await tell(own)).toMatchObject({ answer: { id: told.answer['id'] } });
    expect(
      await registry.commandApi.submitTraining(
        { ...own, type: 'training.completed', tenant: 'default', data: training() },
        trainingActor(own.source),
      ),
    ).toMatchObject({ answer: { id: told.answer['id'] } });
  });

  it('and another first one of the same name, at once, both make a version', async () => {
    const events = [1, 2, 3, 4].map(() => cloudEvent(training({ content_digest: null })));
    const answers = await Promise.all(events.map((event) => tell(event)));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map(({ answer }) => answer['number']))).toEqual(new Set([1, 2, 3, 4]));
  });

  it('of bytes that the model has already is refused by naming the version', async () => {
    await tell(cloudEvent(training()));
    const { status, answer } = await tell(cloudEvent(training()));
    expect(status).toBe(409);
    expect(answer).toMatchObject({ code: 'version_exists', by: 'sha256', number: 1 });
  });

  it('may come in binary mode', async () => {
    const { status } = await tell(training(), {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'run-18',
      'ce-source': '/pipelines/nightly',
      'ce-type': 'training.completed',
    });
    expect(status).toBe(201);
  });
});

describe('what is refused', () => {
  it('is told with every fault and where it is', async () => {
    const data = { model_name: 'a/b', colour: 'red', artifact_uri: '/etc/passwd' };
    const { status, answer } = await tell(cloudEvent(data));
    expect([status, answer['code']]).toEqual([422, 'invalid']);
    const pointers = (answer['errors'] as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers.sort()).toEqual(['/data/artifact_uri', '/data/colour', '/data/model_name']);
  });

  it.each([
    ['no CloudEvent', () => training()],
    ['an event of another type', () => cloudEvent(training(), { type: 'training.started' })],
    ['an event without an id', () => cloudEvent(training(), { id: undefined })],
    ["an event for another tenant than the key's", () => cloudEvent(training(), { tenant: 'x' })],
    [
      'an event with text that cannot be stored',
      () => cloudEvent(training({ description: 'a\0b' })),
    ],
  ])('includes %s', async (_, event) => {
    const { status, answer } = await tell(event());
    expect([status, answer['code']]).toEqual([422, 'invalid']);
    expect(await recorded()).toEqual([]);
  });

  it('includes whoever may only read', async () => {
    const { secret } = await registry.ask('/api-keys', { subject: 'reader', role: 'viewer' });
    const { status } = await tell(cloudEvent(training()), undefined, secret as string);
    expect(status).toBe(403);
  });

  it('includes a body that is no JSON', async () => {
    expect((await tell('{"specversion":')).status).toBe(400);
  });
});
