// Two people at once, each at a process with a memory of its own: one outcome, whole, whichever came first.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modelDecider } from '#events/model/decide.ts';
import type { RecordedModelEvent } from '#events/model/events.ts';
import { checkLog } from '#test/checker/log.ts';
import { openApis } from './api.ts';
import type { Answer, Api } from './api.ts';
import { eventsOf } from './history.ts';
import { decide, done, keysOf, modelOf, requestOf } from './releases.ts';

const rounds = Array.from({ length: 20 }, (_, round) => round);

let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
let other: Api;
let keys: Record<'bea' | 'eve' | 'max', string>;
beforeAll(async () => {
  opened = await openApis(2);
  [api, other] = opened.apis as [Api, Api];
  keys = await keysOf(api, { bea: 'producer', eve: 'approver', max: 'approver' });
});
afterAll(() => opened.close());

/** Both at once, every other round the second first; answers in the order of the arguments. */
async function atOnce(
  round: number,
  one: () => Promise<Answer>,
  two: () => Promise<Answer>,
): Promise<[Answer, Answer]> {
  if (round % 2 === 0) return await Promise.all([one(), two()]);
  const [second, first] = await Promise.all([two(), one()]);
  return [first, second];
}

/** The events of each command, in the order of the log: an append is one command's, and holds all that belongs together. */
function appendsOf(events: readonly RecordedModelEvent[]): string[][] {
  const appends = new Map<string, string[]>();
  for (const { command_id, type } of events)
    appends.set(command_id, [...(appends.get(command_id) ?? []), type]);
  const inOrder = [...appends.values()];
  expect(inOrder.flat()).toEqual(events.map(({ type }) => type));
  return inOrder;
}

const told = ({ status, body }: Answer): string => (status === 200 ? 'done' : String(body.code));

const promotionsOf = (events: readonly RecordedModelEvent[]) =>
  events.flatMap((event) => (event.type === 'model.promoted' ? [event] : []));

const foldOf = (events: readonly RecordedModelEvent[]) =>
  events.reduce((state, event) => modelDecider.evolve(state, event), modelDecider.initial());

describe('two approvers', () => {
  test('who both agree promote once, with the approvals of both', async () => {
    for (const round of rounds) {
      const name = `agreed-${round}`;
      const request = await requestOf(api, keys.bea, name, 2);
      const answers = await atOnce(
        round,
        () => decide(api, keys.eve, request, 'approve'),
        () => decide(other, keys.max, request, 'approve'),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      const appends = appendsOf(await eventsOf(api, name)).slice(-3);
      expect(appends).toEqual([['promotion.decided'], ['promotion.decided'], ['model.promoted']]);
      const promotions = promotionsOf(await eventsOf(other, name));
      expect(promotions).toHaveLength(1);
      const [promoted] = promotions;
      expect(promoted).toMatchObject({
        actor: { type: 'policy' },
        data: { mode: 'automated', to_stage: 'production', promotion_request_id: request },
      });
      const approvals = promoted!.data.approvals as { subject: string }[];
      expect(approvals.map(({ subject }) => subject).toSorted()).toEqual(['eve', 'max']);
    }
  });

  test('who disagree promote it or end it, and the later is told which', async () => {
    for (const round of rounds) {
      const name = `disputed-${round}`;
      const request = await requestOf(api, keys.bea, name, 2);
      await done(decide(api, keys.eve, request, 'approve'));
      // Eve rejects what she approved, while Max gives the approval that was missing
      const [rejection, approval] = await atOnce(
        round,
        () => decide(api, keys.eve, request, 'reject'),
        () => decide(other, keys.max, request, 'approve'),
      );
      const state = foldOf(await eventsOf(api, name));
      expect([
        { request: 'executed', stage: 'production', reject: 'promotion_ended', approve: 'done' },
        { request: 'rejected', stage: 'development', reject: 'done', approve: 'promotion_ended' },
        // the approval came before the rejection, and the policy's hand after it
        { request: 'rejected', stage: 'development', reject: 'done', approve: 'done' },
      ]).toContainEqual({
        request: state.promotionRequests.get(request)!.state,
        stage: state.versions.get(1)!.stage,
        reject: told(rejection),
        approve: told(approval),
      });
    }
  });
});

test('who promotes and who archives: one does, the other is told what is so now', async () => {
  for (const round of rounds) {
    const name = `wanted-${round}`;
    await modelOf(api, name, 2);
    const path = `/models/${name}/versions/2`;
    const [promotion, archiving] = await atOnce(
      round,
      () => api.post(`${path}/promote`, { to_stage: 'production' }),
      () => other.post(`${path}/archive`, {}),
    );
    const events = await eventsOf(api, name);
    expect(appendsOf(events)).toHaveLength(4);
    expect([
      { last: 'model.promoted', promote: 'done', archive: 'in_use' },
      { last: 'model.archived', promote: 'illegal_transition', archive: 'done' },
    ]).toContainEqual({
      last: events.at(-1)!.type,
      promote: told(promotion),
      archive: told(archiving),
    });
  }
});

test('who rolls back and who promotes: one after the other, each on what the first has left', async () => {
  for (const round of rounds) {
    const name = `turned-${round}`;
    await modelOf(api, name, 3);
    const promote = (asked: Api, number: number) =>
      asked.post(`/models/${name}/versions/${number}/promote`, { to_stage: 'production' });
    for (const number of [1, 2]) await done(promote(api, number));
    await done(
      api.post(`/models/${name}/versions/2/deployments`, { environment: 'eu', status: 'deployed' }),
    );
    const [back, forth] = await atOnce(
      round,
      () => api.post(`/models/${name}/rollback`, { reason: 'version 2 is slow' }),
      () => promote(other, 3),
    );
    expect([back.status, forth.status]).toEqual([200, 200]);
    const events = await eventsOf(other, name);
    const promoted = promotionsOf(events)
      .slice(-2)
      .map(({ data }) => data.number);
    expect(foldOf(events).model!.production).toEqual(promoted.slice(-1));
    expect([
      // back to 1, and 3 displaces it: the deployment of 2 went with the rollback
      {
        promoted: [1, 3],
        appends: [
          [
            'version.restored',
            'deployment.rolled_back',
            'deployment.requested',
            'default.changed',
            'model.archived',
            'model.promoted',
          ],
          ['version.superseded', 'model.promoted'],
        ],
      },
      // 3 displaces 2, which is deployed, and the rollback goes behind 3
      {
        promoted: [3, 2],
        appends: [
          ['version.superseded', 'model.promoted'],
          ['model.archived', 'model.promoted'],
        ],
      },
    ]).toContainEqual({ promoted, appends: appendsOf(events).slice(-2) });
  }
});

test('and the log is whole after all of them', async () => {
  expect(await checkLog(opened.databaseUrl, [])).toEqual([]);
});
