// A tenant and its keys: created once, keys issued once and revoked once; and who may do and issue what.
import { describe, expect, test } from 'vitest';
import { may, mayIssue, permissions, roles, rolesWith } from '#events/access.ts';
import type { Permission, Role } from '#events/access.ts';
import { AssertionFailed } from '#events/decider.ts';
import { tenantStream } from '#events/names.ts';
import type { TenantEvent } from '#events/tenant/events.ts';
import { bindingsOfSubjectMax, tenantDecider } from '#events/tenant/tenant.ts';
import type { Giver, TenantCommand } from '#events/tenant/tenant.ts';
import { modelWith, noon } from './history.ts';
import { recorded } from './scenario.ts';

const key = {
  key_id: '01940000-0000-7000-c000-000000000001',
  subject: 'zoë',
  subject_type: 'user',
  role: 'producer',
  description: null,
  expires_at: null,
} as const;
const ownKey = '01940000-0000-7000-c000-000000000002';
const hand = { subject: 'zoë', isRegistry: false, behind: [] };
const created: TenantEvent = {
  type: 'tenant.created',
  data: { tenant_id: 'default', name: 'default' },
};
const issued: TenantEvent = { type: 'api_key.issued', data: key };
const revoked: TenantEvent = {
  type: 'api_key.revoked',
  data: { key_id: key.key_id, subject: 'zoë', reason: 'lost' },
};

function afterwards(...history: TenantEvent[]) {
  const envelope = recorded(modelWith(0)[0]!, 1);
  const state = tenantDecider.initial();
  history.forEach((event, index) =>
    tenantDecider.evolve(state, {
      ...envelope,
      ...event,
      stream: tenantStream('default'),
      stream_version: index + 1,
      recorded_at: noon,
    }),
  );
  return state;
}
const decide = (history: TenantEvent[], command: TenantCommand) =>
  tenantDecider.decide(afterwards(...history), command);

describe('a tenant', () => {
  const create = {
    type: 'CreateTenant',
    tenant_id: 'default',
    name: 'default',
    first_key: null,
  } as const;
  test('is created', () => expect(decide([], create)).toEqual({ events: [created] }));
  test('once', () => expect(decide([created], create)).toEqual({ events: [] }));
});

describe('a key', () => {
  test('is issued', () =>
    expect(decide([created], { type: 'IssueApiKey', at: noon, by: null, ...key })).toEqual({
      events: [issued],
    }));

  test('once', () =>
    expect(decide([created, issued], { type: 'IssueApiKey', at: noon, by: null, ...key })).toEqual({
      events: [],
    }));

  test.each(['2026-01-01T00:00:00.000Z', noon])('that was over at %s is not', (expires_at) =>
    expect(
      decide([created], { type: 'IssueApiKey', at: noon, by: null, ...key, expires_at }),
    ).toEqual({ refusal: { code: 'time_in_past', field: 'expires_at', value: expires_at } }),
  );

  const revoke = {
    type: 'RevokeApiKey',
    at: noon,
    by: null,
    key_id: key.key_id,
    reason: 'lost',
  } as const;
  test('is revoked', () =>
    expect(decide([created, issued], revoke)).toEqual({ events: [revoked] }));

  test('once', () => expect(decide([created, issued, revoked], revoke)).toEqual({ events: [] }));

  test.each([
    ['admin', 'system_admin', 'admin'],
    ['admin', 'service', 'admin'],
    ['system_admin', 'service', null],
    ['system_admin', 'system_admin', null],
    ['admin', 'admin', null],
    ['admin', 'producer', null],
  ] as const)('by a key of the role %s, one of the role %s', (own, role, above) => {
    const by: Giver = {
      subject: 'ada',
      key_id: ownKey,
      own: [{ role: own, scope: 'tenant', granted_by: null }],
    };
    const standing: TenantEvent = { type: 'api_key.issued', data: { ...key, role } };
    expect(decide([created, standing], { ...revoke, by })).toEqual(
      above === null
        ? { events: [revoked] }
        : { refusal: { code: 'role_above_own', role, own_roles: [above] } },
    );
    // their own may be lost, whatever it gives
    expect(decide([created, standing], { ...revoke, by: { ...by, subject: 'zoë' } })).toEqual({
      events: [revoked],
    });
  });

  describe('of an admin, the only one of the tenant,', () => {
    const own: TenantEvent = { type: 'api_key.issued', data: { ...key, role: 'admin' } };
    const by: Giver = {
      subject: 'zoë',
      key_id: key.key_id,
      own: [{ role: 'admin', scope: 'tenant', granted_by: null }],
    };
    const refusal = { code: 'last_admin_key', key_id: key.key_id };
    const another = (said: object): TenantEvent => ({
      type: 'api_key.issued',
      data: { ...key, key_id: ownKey, role: 'admin', ...said },
    });

    test('is not revoked by itself', () => {
      for (const others of [
        [],
        [another({ role: 'producer' })],
        [another({ expires_at: noon })],
        [another({}), { ...revoked, data: { ...revoked.data, key_id: ownKey } }],
      ])
        expect(decide([created, own, ...others], { ...revoke, by })).toEqual({ refusal });
    });
    test('but by another, or where there is another', () => {
      const others = { ...by, subject: 'ada', key_id: null };
      expect(decide([created, own], { ...revoke, by: others })).toEqual({ events: [revoked] });
      for (const said of [{}, { expires_at: '2026-11-21T12:00:00.001Z' }])
        expect(decide([created, own, another(said)], { ...revoke, by })).toEqual({
          events: [revoked],
        });
    });
  });

  test('of a tenant that there is not is not issued', () =>
    expect(decide([], { type: 'IssueApiKey', at: noon, by: null, ...key })).toEqual({
      refusal: { code: 'tenant_not_found' },
    }));

  test('that nobody issued is not found', () =>
    expect(decide([created], revoke)).toEqual({
      refusal: { code: 'key_not_found', key_id: key.key_id },
    }));

  test('is remembered with who issued it and when it ended', () =>
    expect(afterwards(created, issued, revoked).keys.get(key.key_id)).toEqual({
      ...key,
      issued_at: noon,
      issued_by: 'zoë',
      hand,
      revoked_at: noon,
    }));

  test('cannot have been revoked before it was issued', () =>
    expect(() => afterwards(created, revoked)).toThrow(AssertionFailed));
});

test('the first key of a new tenant comes with it, and a tenant is not made twice', () => {
  const make = {
    type: 'CreateTenant',
    tenant_id: 'default',
    name: 'default',
    first_key: key,
  } as const;
  expect(decide([], make)).toEqual({ events: [created, issued] });
  expect(decide([created], make)).toEqual({ refusal: { code: 'tenant_exists', id: 'default' } });
});

describe('a role', () => {
  const admin: Giver = {
    subject: 'ada',
    key_id: ownKey,
    own: [{ role: 'admin', scope: 'tenant', granted_by: null }],
  };
  const member: Giver = {
    subject: 'leo',
    key_id: ownKey,
    own: [{ role: 'member', scope: 'tenant', granted_by: null }],
  };
  const held = { subject: 'zoë', role: 'approver', scope: 'team:risk' } as const;
  const granted: TenantEvent = { type: 'role.granted', data: held };
  const revokedRole: TenantEvent = { type: 'role.revoked', data: { ...held, reason: 'left' } };
  const adminOfRisk: TenantEvent = {
    type: 'role.granted',
    data: { subject: 'leo', role: 'admin', scope: 'team:risk' },
  };
  const grant = { type: 'GrantRole', ...held, by: admin } as const;
  const revoke = { type: 'RevokeRole', ...held, reason: 'left', by: admin } as const;

  test('is granted in a scope', () =>
    expect(decide([created], grant)).toEqual({ events: [granted] }));
  test('once', () => expect(decide([created, granted], grant)).toEqual({ events: [] }));
  test('and again after it was revoked', () =>
    expect(decide([created, granted, revokedRole], grant)).toEqual({ events: [granted] }));
  test('is revoked', () =>
    expect(decide([created, granted], revoke)).toEqual({ events: [revokedRole] }));
  test('that nobody holds is not revoked', () =>
    expect(decide([created], revoke)).toEqual({
      refusal: { code: 'role_binding_not_found', ...held },
    }));
  test('is remembered with who granted it and when', () =>
    expect([...afterwards(created, granted).bindings.values()]).toEqual([
      { ...held, granted_at: noon, granted_by: 'zoë', hand },
    ]));
  test('cannot have been revoked before it was granted', () =>
    expect(() => afterwards(created, revokedRole)).toThrow(AssertionFailed));

  test('is granted by nobody to themselves, an admin neither', () =>
    expect(decide([created], { ...grant, subject: 'ada' })).toEqual({
      refusal: { code: 'granted_to_self', subject: 'ada' },
    }));
  test.each(['viewer', 'producer', 'deployer', 'approver', 'member'] as const)(
    'is granted by no %s',
    (role) => {
      const by: Giver = {
        subject: 'leo',
        key_id: ownKey,
        own: [{ role, scope: 'tenant', granted_by: null }],
      };
      const refusal = { code: 'forbidden', required_permission: 'role:manage', scope: 'team:risk' };
      expect(decide([created], { ...grant, by })).toEqual({ refusal });
      expect(decide([created, granted], { ...revoke, by })).toEqual({ refusal });
    },
  );
  test('is granted by the admin of a team in that team only', () => {
    expect(decide([created, adminOfRisk], { ...grant, by: member })).toEqual({ events: [granted] });
    for (const scope of ['tenant', 'team:fraud', 'project:risk'] as const)
      expect(decide([created, adminOfRisk], { ...grant, scope, by: member })).toEqual({
        refusal: { code: 'forbidden', required_permission: 'role:manage', scope },
      });
  });
  test('of an admin whose own was revoked gives nothing any more', () => {
    const gone: TenantEvent = {
      type: 'role.revoked',
      data: { subject: 'leo', role: 'admin', scope: 'team:risk', reason: null },
    };
    expect(decide([created, adminOfRisk, gone], { ...grant, by: member }).refusal?.code).toBe(
      'forbidden',
    );
  });
  test('is one of a bounded number', () => {
    const many = Array.from({ length: bindingsOfSubjectMax }, (_, index): TenantEvent => ({
      type: 'role.granted',
      data: { subject: 'zoë', role: 'viewer', scope: `team:t${index}` },
    }));
    expect(decide([created, ...many], grant)).toEqual({
      refusal: { code: 'too_many_bindings', subject: 'zoë', limit: bindingsOfSubjectMax },
    });
  });
  test('of the whole tenant is given by no key to who asks for it, but what their own key gives', () => {
    const adminOfAll: TenantEvent = {
      type: 'role.granted',
      data: { subject: 'leo', role: 'admin', scope: 'tenant' },
    };
    const refusal = { code: 'granted_to_self', subject: 'leo' };
    const forSelf = { ...key, type: 'IssueApiKey', at: noon, subject: 'leo', by: member } as const;
    expect(decide([created, adminOfAll], forSelf)).toEqual({ refusal });
    expect(decide([created, adminOfAll], { ...forSelf, role: 'member' }).refusal).toBeUndefined();
    // what a token says, it says for as long as it lasts
    const byToken: Giver = { ...admin, subject: 'leo', key_id: null };
    expect(decide([created], { ...forSelf, by: byToken })).toEqual({ refusal });
    const byKey: Giver = { ...admin, subject: 'leo' };
    expect(decide([created], { ...forSelf, role: 'admin', by: byKey }).refusal).toBeUndefined();
  });
  test('above the own is given by no key', () => {
    const by: Giver = {
      subject: 'leo',
      key_id: ownKey,
      own: [{ role: 'producer', scope: 'tenant', granted_by: null }],
    };
    expect(
      decide([created], { type: 'IssueApiKey', at: noon, by, ...key, role: 'approver' }),
    ).toEqual({
      refusal: { code: 'role_above_own', role: 'approver', own_roles: ['producer'] },
    });
    expect(
      decide([created], { type: 'IssueApiKey', at: noon, by: admin, ...key, role: 'system_admin' }),
    ).toEqual({
      refusal: { code: 'role_above_own', role: 'system_admin', own_roles: ['admin'] },
    });
    // held in a team only, it is none of the whole tenant
    expect(
      decide([created, adminOfRisk], { type: 'IssueApiKey', at: noon, by: member, ...key }).refusal
        ?.code,
    ).toBe('role_above_own');
  });
});

test('a copy of a tenant is apart from it', () => {
  const state = afterwards(created);
  const copy = tenantDecider.fork(state);
  copy.keys.set('other', { ...key, issued_at: noon, issued_by: 'zoë', hand, revoked_at: null });
  copy.stream_version = 7;
  expect(state).toEqual(afterwards(created));
});

describe('what a role may do', () => {
  const granted: Record<Permission, readonly Role[]> = {
    'registry:read': roles.filter((role) => role !== 'member'),
    'model:write': ['producer', 'admin', 'system_admin', 'service'],
    'model:move': ['admin', 'system_admin'],
    'version:write': ['producer', 'admin', 'system_admin', 'service'],
    'version:assess': ['approver', 'admin', 'system_admin'],
    'stage:change': ['deployer', 'approver', 'admin', 'system_admin'],
    'promotion:request': ['producer', 'deployer', 'approver', 'admin', 'system_admin'],
    'promotion:decide': ['approver', 'admin', 'system_admin'],
    'policy:write': ['admin', 'system_admin'],
    'version:archive': ['approver', 'admin', 'system_admin', 'service'],
    'deployment:write': ['deployer', 'admin', 'system_admin', 'service'],
    'role:manage': ['admin', 'system_admin'],
    'key:manage': ['admin', 'system_admin'],
    'audit:read': ['admin', 'system_admin'],
    'tenant:manage': ['system_admin'],
    'training:report': ['producer', 'admin', 'system_admin', 'service'],
    'retention:attribute': ['service'],
  };

  test.each([...permissions])('%s', (permission) => {
    expect(rolesWith(permission)).toEqual(granted[permission]);
    for (const role of roles)
      expect(may(role, permission), role).toBe(granted[permission].includes(role));
  });
});

describe('who may issue which key', () => {
  test('nobody issues the key of a service', () =>
    expect(roles.filter((role) => mayIssue([role], 'service'))).toEqual([]));

  test('an admin issues every other of the tenant, and a system admin every other', () => {
    const ofTenant = roles.filter((role) => role !== 'service' && role !== 'system_admin');
    expect(roles.filter((role) => mayIssue(['admin'], role))).toEqual(ofTenant);
    expect(roles.filter((role) => mayIssue(['system_admin'], role))).toEqual([
      ...ofTenant,
      'system_admin',
    ]);
  });

  test('nobody issues a key that may do more than their own', () => {
    const tooMuch = roles.flatMap((own) =>
      roles
        .filter((other) => mayIssue([own], other))
        .flatMap((other) =>
          permissions
            .filter((permission) => may(other, permission) && !may(own, permission))
            .map((permission) => `${own} gives ${permission} to ${other}`),
        ),
    );
    expect(tooMuch).toEqual([]);
    expect(mayIssue(['producer'], 'viewer')).toBe(true);
    expect(mayIssue(['deployer'], 'approver')).toBe(false);
    expect(mayIssue(['producer'], 'admin')).toBe(false);
  });
});
