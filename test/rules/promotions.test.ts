// Promotion requests: asked for, decided with four eyes, bound to bytes, evidence and policy, executed by the policy's hand.
import { describe, expect, test } from 'vitest';
import type { ModelEvent } from '#events/model/events.ts';
import { openPolicy, presets } from '#events/policy/policy.ts';
import { complete, modelOf, person, Story, strict, under } from './governed.ts';
import { approved, deprecated, promoted, rejected, testingStarted, versioned } from './history.ts';
import { numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';

const id = '01940000-0000-7000-c000-000000000001';
const asking = (said: object = {}): Wanted => ({
  type: 'RequestPromotion',
  version: numbered(1),
  promotion_request_id: id,
  to_stage: 'production',
  auto_execute: true,
  ...said,
});
const deciding = (decision: 'approve' | 'reject'): Wanted => ({
  type: 'DecidePromotion',
  promotion_request_id: id,
  decision,
});
const withdrawing: Wanted = { type: 'WithdrawPromotion', promotion_request_id: id };
const settling: Wanted = { type: 'SettlePromotion', promotion_request_id: id };
const policyHand = person('policy', { type: 'policy', role: 'service' });
const ana = person('ana', { role: 'producer' });
const bea = person('bea', { role: 'producer' });
const [eve, max] = [person('eve'), person('max')];

/** Ana registered it, Mo has said that it is fit, Bea asks for production under `strict`. */
const ready = (in_force = strict, facts: object = complete) =>
  new Story(in_force).happened([
    ...modelOf(facts),
    testingStarted(1, 'training'),
    approved(1, 'testing'),
    promoted(1, 'development', 'staging'),
  ]);
function requested(in_force = strict): Story {
  const story = ready(in_force);
  story.done(bea, asking());
  return story;
}
const request = (story: Story) => story.state.promotionRequests.get(id)!;
const updated = (changed: Record<string, string | number>): ModelEvent => ({
  type: 'version.updated',
  data: {
    model_id: 'm',
    version_id: 'v',
    number: 1,
    label: null,
    changed,
    previous: {},
  },
});

describe('a release with four eyes', () => {
  test('two others approve, and the policy promotes', () => {
    const story = requested();
    expect(story.done(eve, deciding('approve'))).toEqual(['promotion.decided']);
    expect(story.done(policyHand, settling)).toEqual([]);
    expect(story.done(max, deciding('approve'))).toEqual(['promotion.decided']);
    const { events } = story.decide(policyHand, settling);
    expect(events).toMatchObject([
      {
        type: 'model.promoted',
        data: {
          mode: 'automated',
          promotion_request_id: id,
          approvals: [
            { subject: 'eve', role: 'approver' },
            { subject: 'max', role: 'approver' },
          ],
          policy_ref: { scopes: ['tenant'], versions: [1] },
          content_digest: complete.content_digest,
        },
      },
    ]);
    story.happened(events!);
    expect(request(story).state).toBe('executed');
    expect(story.state.versions.get(1)!.stage).toBe('production');
  });

  test('one who approves twice is one', () => {
    const story = requested();
    story.done(eve, deciding('approve'));
    expect(story.done(eve, deciding('approve'))).toEqual([]);
    expect(story.done(policyHand, settling)).toEqual([]);
  });

  test('one rejection ends it, also by one who had approved', () => {
    const story = requested();
    story.done(eve, deciding('approve'));
    story.done(eve, deciding('reject'));
    expect(request(story).state).toBe('rejected');
    expect(story.refusal(max, deciding('approve'))).toEqual({
      code: 'promotion_ended',
      promotion_request_id: id,
      state: 'rejected',
    });
  });

  test('without auto_execute somebody promotes by hand, on the approvals', () => {
    const story = ready();
    story.done(bea, asking({ auto_execute: false }));
    const promote: Wanted = { type: 'Promote', version: numbered(1), to_stage: 'production' };
    story.done(eve, deciding('approve'));
    expect(story.refusal(bea, promote)).toMatchObject({
      code: 'approvals_missing',
      missing_approvals: 1,
      promotion_request_id: id,
    });
    story.done(max, deciding('approve'));
    expect(story.done(policyHand, settling)).toEqual([]);
    const { events } = story.decide(bea, promote);
    expect(events).toMatchObject([{ data: { mode: 'normal', promotion_request_id: id } }]);
  });

  test('where no approvals are asked for it is executed at once', () => {
    const story = ready(under({ ...presets.strict, approvals: { ...presets.open.approvals } }));
    story.done(bea, asking());
    expect(story.done(policyHand, settling)).toEqual(['model.promoted']);
  });
});

describe('an approval does not count', () => {
  const because = (story: Story, asker: ReturnType<typeof person>) =>
    story.refusal(asker, deciding('approve'));
  const refused = (reason: string) => ({
    code: 'not_independent',
    because: reason,
    number: 1,
    required_role: 'approver',
  });

  test.each([
    ['who requested', person('bea'), 'requested'],
    ['who registered', person('ana'), 'registered'],
    ['a service', person('bot', { type: 'service' }), 'service'],
    [
      'whose key the requester issued',
      person('eve', { granted_by: ['bea'] }),
      'acts_by_grant_of_requester',
    ],
    [
      'whose role the registrar gave',
      person('eve', { granted_by: ['ana'] }),
      'acts_by_grant_of_registrar',
    ],
  ] as const)('by %s', (_, asker, reason) =>
    expect(because(requested(), asker)).toEqual(refused(reason)),
  );

  test('by who last changed the evidence, or gave that person their key', () => {
    const story = ready().happened([updated({ release_notes: 'better' })], 'mo');
    story.done(bea, asking());
    expect(because(story, person('mo'))).toEqual(refused('changed_evidence'));
    expect(because(story, person('eve', { granted_by: ['mo'] }))).toEqual(
      refused('acts_by_grant_of_evidence_changer'),
    );
  });

  test('by who supplied a part of the evidence, whoever changed another part later', () => {
    const story = ready()
      .happened([updated({ eval_score: 0.9 })], 'mo', 'max')
      .happened([updated({ release_notes: 'better' })], 'ana');
    story.done(bea, asking());
    for (const supplier of ['mo', 'max'])
      expect(because(story, person(supplier))).toEqual(refused('changed_evidence'));
    expect(because(story, person('eve', { granted_by: ['mo'] }))).toEqual(
      refused('acts_by_grant_of_evidence_changer'),
    );
  });

  test('any less where somebody else has said that part anew', () => {
    const story = ready()
      .happened([updated({ eval_score: 0.9 })], 'mo')
      .happened([updated({ eval_score: 0.8 })], 'ana');
    story.done(bea, asking());
    expect(story.done(person('mo'), deciding('approve'))).toEqual(['promotion.decided']);
  });

  test('by somebody each of whose roles that would do came from one of these', () => {
    const byBea = { role: 'admin', granted_by: ['ada', 'bea'] } as const;
    const byAna = { role: 'approver', granted_by: ['ana'] } as const;
    const asker = person('eve', { ...byBea, other_roles: [byAna] });
    expect(because(requested(), asker)).toEqual(refused('acts_by_grant_of_requester'));
    const weaker = { role: 'producer', granted_by: ['ada'] } as const;
    expect(because(requested(), { ...asker, other_roles: [byAna, weaker] })).toEqual(
      refused('acts_by_grant_of_requester'),
    );
  });

  test('less for a stronger role that one of these gave beside it', () => {
    const own = { role: 'approver', granted_by: ['ada'] } as const;
    const asker = person('eve', { role: 'admin', granted_by: ['bea'], other_roles: [own] });
    const story = requested();
    expect(story.decide(asker, deciding('approve')).events).toMatchObject([
      { type: 'promotion.decided', data: { role: 'approver', granted_by: ['ada'] } },
    ]);
    for (const approver of [asker, max]) story.done(approver, deciding('approve'));
    expect(story.done(policyHand, settling)).toEqual(['model.promoted']);
  });

  test('by whom one of these declared to be; a declared name includes nobody', () => {
    const story = ready();
    story.done(person('bea', { declared_by: 'eve' }), asking());
    expect(because(story, eve)).toEqual(refused('requested'));
    expect(because(story, person('bea', { declared_by: 'max' }))).toEqual(refused('requested'));
  });

  test('by a role below the one that is asked for', () => {
    const story = requested(
      under({ ...presets.strict, approvals: { ...presets.strict.approvals, role: 'admin' } }),
    );
    expect(because(story, eve)).toEqual({
      code: 'forbidden',
      required_role: ['admin'],
      because: 'approval',
    });
    expect(story.done(person('ada', { role: 'admin' }), deciding('approve'))).toHaveLength(1);
  });

  test('is seen again at execution', () => {
    const story = requested();
    story.done(eve, deciding('approve'));
    // as if it had come by another way than a decision
    const bot = {
      ...request(story).decisions[0]!,
      actor: { ...request(story).decisions[0]!.actor },
    };
    bot.actor.subject = 'ana';
    story.state.promotionRequests.set(id, {
      ...request(story),
      decisions: [...request(story).decisions, bot],
    });
    expect(story.done(policyHand, settling)).toEqual([]);
  });
});

describe('a request is staled', () => {
  const because = (story: Story) => [request(story).state, request(story).stale_because];

  test.each<[string, ModelEvent['type'], Wanted, string]>([
    [
      'fitness taken back',
      'version.rejected',
      { type: 'Reject', version: numbered(1) },
      'evidence_changed',
    ],
    [
      'another stage',
      'version.demoted',
      { type: 'Demote', version: numbered(1), to_stage: 'development' },
      'stage_changed',
    ],
    [
      'a deprecation',
      'version.deprecated',
      { type: 'Deprecate', version: numbered(1), sunset_at: null },
      'stage_changed',
    ],
    [
      'another team',
      'model.updated',
      { type: 'UpdateModel', patch: { team: 'risk' } },
      'scope_changed',
    ],
  ])('by %s, in the same append', (_, type, wanted, cause) => {
    const story = requested();
    if (type === 'version.rejected') {
      story.happened([]);
      story.state.versions.set(1, { ...story.state.versions.get(1)!, readiness: 'testing' });
    }
    expect(story.done(person('ada', { role: 'admin' }), wanted)).toEqual([
      type,
      'promotion.staled',
    ]);
    expect(because(story)).toEqual(['staled', cause]);
  });

  test('not by what concerns another version', () => {
    const story = requested().happened([versioned(2)]);
    expect(story.done(eve, { type: 'Deprecate', version: numbered(2), sunset_at: null })).toEqual([
      'version.deprecated',
    ]);
    expect(request(story).state).toBe('open');
  });

  test('not by another end of what is deprecated already', () => {
    const story = ready().happened([deprecated(1, 'staging')]);
    story.done(bea, asking());
    const sunset_at = '2027-01-01T00:00:00.000Z';
    const moved: Wanted = { type: 'Deprecate', version: numbered(1), sunset_at };
    expect(story.done(eve, moved)).toEqual(['version.deprecated']);
    expect(request(story).state).toBe('open');
  });

  test('by another policy, at the next look', () => {
    const story = requested();
    story.done(eve, deciding('approve'));
    story.in_force = under({ ...presets.strict, gates: [] }, 2);
    expect(story.done(max, deciding('approve'))).toEqual(['promotion.staled']);
    expect(because(story)).toEqual(['staled', 'policy_changed']);
  });

  test('not by a policy that asks the same of promotions', () => {
    const story = requested();
    story.in_force = under({ ...presets.strict, protected_environments: ['eu'] }, 2);
    expect(story.done(eve, deciding('approve'))).toEqual(['promotion.decided']);
  });

  test('not by the first policy, where it asks of promotions what was asked without one', () => {
    const story = ready(openPolicy);
    story.done(bea, asking({ auto_execute: false }));
    expect(story.done(eve, deciding('approve'))).toEqual(['promotion.decided']);
    story.in_force = under({ retention: { newest_kept: 5 } });
    expect(story.done(policyHand, settling)).toEqual([]);
    expect(story.done(eve, deciding('approve'))).toEqual([]);
    story.in_force = under({ retention: { newest_kept: 5 }, allow_skip: false }, 2);
    expect(story.done(policyHand, settling)).toEqual(['promotion.staled']);
    expect(because(story)).toEqual(['staled', 'policy_changed']);
  });

  test('by evidence that came some other way, at the next look', () => {
    const story = requested().happened([updated({ eval_score: 0.1 })], 'mo');
    expect(story.done(policyHand, settling)).toEqual(['promotion.staled']);
    expect(because(story)).toEqual(['staled', 'evidence_changed']);
  });

  test('by a gate that fails at execution, which it names', () => {
    const story = requested();
    story.done(eve, deciding('approve'));
    story.done(max, deciding('approve'));
    story.state.promotionRequests.set(id, {
      ...request(story),
      expires_at: '2027-02-01T00:00:00.000Z',
    });
    story.at = '2027-01-01T00:00:00.000Z';
    expect(story.decide(policyHand, settling).events).toMatchObject([
      {
        type: 'promotion.staled',
        data: {
          because: 'gate_failed',
          gates: [{ gate: 'evaluated_within_days', outcome: 'failed' }],
        },
      },
    ]);
  });
});

describe('a request that somebody is to execute by hand', () => {
  const beating = under({
    ...presets.strict,
    gates: [
      {
        gate: 'beats_production',
        name: 'accuracy',
        split: null,
        better: 'higher',
        by_at_least: 0,
      },
    ],
  });
  const better = { metrics: [{ name: 'accuracy', split: null, value: 0.99 }] };
  const byHand = (): Story => {
    const story = ready(beating);
    story.done(bea, asking({ auto_execute: false }));
    return story;
  };
  const outdone = (story: Story) =>
    story.happened([versioned(2, better), promoted(2, 'development', 'production')]);

  test('is staled at the next look where a gate fails that was passed when it was agreed to', () => {
    const story = byHand();
    for (const asker of [eve, max]) story.done(asker, deciding('approve'));
    expect(story.done(policyHand, settling)).toEqual([]);
    outdone(story);
    const promote: Wanted = { type: 'Promote', version: numbered(1), to_stage: 'production' };
    expect(story.refusal(bea, promote)).toMatchObject({ code: 'gates_failed' });
    expect(story.decide(policyHand, settling).events).toMatchObject([
      {
        type: 'promotion.staled',
        data: { because: 'gate_failed', gates: [{ gate: 'beats_production', outcome: 'failed' }] },
      },
    ]);
    story.done(policyHand, settling);
    expect(story.refusal(bea, asking({ promotion_request_id: 'second' }))).toMatchObject({
      code: 'gates_failed',
    });
  });

  test('waits on as long as it is not agreed to, whatever its gates say', () =>
    expect(outdone(byHand()).done(policyHand, settling)).toEqual([]));
});

describe('a request', () => {
  test('is one a version and stage', () =>
    expect(requested().refusal(eve, asking({ promotion_request_id: 'other' }))).toEqual({
      code: 'promotion_open',
      promotion_request_id: id,
      to_stage: 'production',
    }));

  test('past its time counts as expired, whether or not that is written', () => {
    const story = requested();
    story.at = '2026-11-28T12:00:00.000Z';
    expect(request(story).expires_at).toBe(story.at);
    expect(story.done(eve, deciding('approve'))).toEqual(['promotion.expired']);
    expect(request(story).state).toBe('expired');
  });

  test.each(['staging', 'production'])('to %s is not made for an inactive model', (to_stage) => {
    const story = new Story(strict).happened([
      ...modelOf(complete),
      ...(to_stage === 'production' ? [promoted(1, 'development', 'staging')] : []),
      { type: 'model.deactivated', data: { model_id: 'm', reason: null } },
    ]);
    expect(story.refusal(bea, asking({ to_stage }))).toEqual({
      code: 'model_inactive',
      state: 'inactive',
    });
  });

  test('past its time is not withdrawn any more', () => {
    const story = requested();
    story.at = request(story).expires_at;
    for (const asker of [bea, person('ada', { role: 'admin' })])
      expect(story.refusal(asker, withdrawing)).toEqual({
        code: 'promotion_ended',
        promotion_request_id: id,
        state: 'expired',
      });
  });

  test('makes room for the next when its time is over', () => {
    const story = requested();
    story.at = '2026-11-29T12:00:00.000Z';
    const types = story.done(bea, asking({ promotion_request_id: 'second' }));
    expect(types).toEqual(['promotion.expired', 'promotion.requested']);
  });

  test('is withdrawn by who asked, or by an admin', () => {
    const story = requested();
    expect(story.refusal(ana, withdrawing)).toEqual({
      code: 'forbidden',
      required_role: ['admin'],
      because: 'not_the_requester',
    });
    expect(story.done(bea, withdrawing)).toEqual(['promotion.withdrawn']);
    expect(story.done(bea, withdrawing)).toEqual([]);
    expect(requested().done(person('ada', { role: 'admin' }), withdrawing)).toHaveLength(1);
  });

  test('is not made for a version whose gates fail, is not fit, or has no digest', () => {
    expect(ready(strict, { ...complete, signature: null }).refusal(bea, asking())).toMatchObject({
      code: 'gates_failed',
    });
    expect(ready(strict, {}).refusal(bea, asking())).toMatchObject({ code: 'digest_required' });
    const unfit = new Story(strict).happened([
      ...modelOf(complete),
      rejected(1, 'training'),
      promoted(1, 'development', 'staging'),
    ]);
    expect(unfit.refusal(bea, asking())).toMatchObject({ code: 'not_ready' });
  });

  test('may be for what comes back from deprecation', () => {
    const story = ready().happened([deprecated(1, 'staging')]);
    expect(story.done(bea, asking())).toEqual(['promotion.requested']);
  });

  test('nobody made is not found', () =>
    expect(ready().refusal(eve, deciding('approve'))).toEqual({
      code: 'promotion_not_found',
      promotion_request_id: id,
    }));
});
