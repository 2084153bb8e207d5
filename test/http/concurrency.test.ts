// Many clients at once, by two processes with memories of their own: as good as one.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkLog } from '#test/checker/log.ts';
import { openApis } from './api.ts';
import type { Answer, Api } from './api.ts';

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
let other: Api;
beforeAll(async () => {
  opened = await openApis(2);
  [api, other] = opened.apis as [Api, Api];
});
afterAll(() => opened.close());

const statuses = (answers: Answer[]) => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};
const failures = () =>
  [...api.logLines, ...other.logLines].filter((line) =>
    /a command failed|request failed/.test(line),
  );

describe('twenty register one name at once', () => {
  test('and one has it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, nth) =>
        [api, other][nth % 2]!.post('/models', { name: 'race' }),
      ),
    );
    expect(statuses(answers)).toEqual({ 201: 1, 409: 19 });
    for (const { body, status } of answers)
      expect(body).toMatchObject(
        status === 201 ? { name: 'race' } : { code: 'name_taken', name: 'race' },
      );
  });
});

describe('what one process has written, the other', () => {
  test('knows before it refuses', async () => {
    await api.post('/models', { name: 'seen' });
    await api.post('/models/seen/versions', { label: 'v1' });
    // the other has the stream in memory from here on
    expect(
      (await other.post('/models/seen/versions/v2/promote', { to_stage: 'staging' })).status,
    ).toBe(404);
    await api.post('/models/seen/versions', { label: 'v2' });
    expect(
      await other.post('/models/seen/versions/v2/promote', { to_stage: 'staging' }),
    ).toMatchObject({
      status: 200,
      body: { number: 2, stage: 'staging' },
    });
    await api.post('/models/seen/versions/v2/archive', {});
    expect(
      await other.post('/models/seen/versions/v2/promote', { to_stage: 'staging' }),
    ).toMatchObject({
      status: 409,
      body: { code: 'illegal_transition', from: 'archived' },
    });
  });

  test('knows before it says that it is so already', async () => {
    await api.post('/models', { name: 'so' });
    await api.post('/models/so/versions', {});
    const up = { to_stage: 'staging' };
    await other.post('/models/so/versions/1/promote', up);
    await api.post('/models/so/versions/1/demote', {});
    expect(await other.post('/models/so/versions/1/promote', up)).toMatchObject({
      status: 200,
      body: { stage: 'staging', stream_version: 6 },
    });
  });

  test('knows before it says that there is no such deployment, model or version', async () => {
    expect((await other.patch('/models/late', {})).status).toBe(404);
    await api.post('/models', { name: 'late' });
    expect((await other.patch('/models/late', {})).status).toBe(200);
    expect((await other.post('/models/late/versions/1/test', {})).status).toBe(404);
    await api.post('/models/late/versions', {});
    expect((await other.post('/models/late/versions/1/test', {})).status).toBe(200);
    const made = await api.post('/models/late/versions/1/deployments', { environment: 'eu' });
    const { id } = made.body as unknown as { id: string };
    expect((await other.post(`/deployments/${id}/status`, { status: 'deploying' })).status).toBe(
      200,
    );
  });
});

describe('two processes write to one model as fast as they can', () => {
  const clients = 8;
  const stepsEach = 12;

  test('each step is taken once or told to come again, and the log is whole', async () => {
    await api.post('/models', { name: 'hot' });
    const answers: Answer[] = [];
    async function hammer(client: number): Promise<void> {
      const process = [api, other][client % 2]!;
      for (let step = 0; step < stepsEach; step++) {
        answers.push(await process.post('/models/hot/versions', { label: `c${client}-${step}` }));
        answers.push(await process.patch('/models/hot', { owner: `zoë ${client} ${step}` }));
        answers.push(await process.patch('/models/hot', {}));
        answers.push(
          await process.post('/models/hot/versions/latest/promote', { to_stage: 'production' }),
        );
      }
    }
    await Promise.all(Array.from({ length: clients }, (_, client) => hammer(client)));
    expect(answers).toHaveLength(clients * stepsEach * 4);
    for (const { status, body } of answers)
      expect([200, 201, 409], JSON.stringify(body)).toContain(status);
    const codes = new Set(
      answers.filter(({ status }) => status === 409).map(({ body }) => body.code),
    );
    // `latest` may be deprecated by who came between, never anything else
    expect(
      [...codes].filter((code) => code !== 'conflict' && code !== 'illegal_transition'),
    ).toEqual([]);
    expect(failures()).toEqual([]);

    const made = answers.filter(
      ({ status, body }) => status === 201 && body['number'] !== undefined,
    );
    const numbers = made
      .map(({ body }) => Number(body['number']))
      .toSorted((one, two) => one - two);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    const { body } = await api.patch('/models/hot', {});
    expect(body).toMatchObject({ version_count: numbers.length, latest_version: numbers.length });
  });

  test('in one process nobody is told to come again', async () => {
    await api.post('/models', { name: 'warm' });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, nth) =>
        nth % 4 === 0
          ? api.patch('/models/warm', {})
          : api.post('/models/warm/versions', { label: `v${nth}.0` }),
      ),
    );
    expect(statuses(answers)).toEqual({ 200: 25, 201: 75 });
    const stated = answers.map(
      ({ body }) => (body as unknown as { stream_version: number }).stream_version,
    );
    expect(Math.max(...stated)).toBe(77);
  });

  test('while somebody lists the keys that others issue, every key is issued', async () => {
    const issuing = Array.from({ length: 40 }, (_, nth) =>
      api.post('/api-keys', { subject: `s${nth}`, role: 'viewer' }),
    );
    const listing = Array.from({ length: 40 }, () => api.get('/api-keys'));
    expect(statuses(await Promise.all(issuing))).toEqual({ 201: 40 });
    expect(statuses(await Promise.all(listing))).toEqual({ 200: 40 });
    expect(failures()).toEqual([]);
  });
});

test('after all of it the log is whole', async () =>
  expect(await checkLog(opened.databaseUrl, [])).toEqual([]));
