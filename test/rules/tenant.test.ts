// A tenant and its keys: created once, keys issued once and revoked once; and who may do and issue what.
import { describe, expect, test } from 'vitest';
import { may, mayIssue, permissions, roles, rolesWith } from '#events/access.ts';
import type { Permission, Role } from '#events/access.ts';
import { AssertionFailed } from '#events/decider.ts';
import { tenantStream } from '#events/names.ts';
import type { TenantEvent } from '#events/tenant/events.ts';
import { tenantDecider } from '#events/tenant/tenant.ts';
import type { TenantCommand } from '#events/tenant/tenant.ts';
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
  const create = { type: 'CreateTenant', tenant_id: 'default', name: 'default' } as const;
  test('is created', () => expect(decide([], create)).toEqual({ events: [created] }));
  test('once', () => expect(decide([created], create)).toEqual({ events: [] }));
});

describe('a key', () => {
  test('is issued', () =>
    expect(decide([created], { type: 'IssueApiKey', ...key })).toEqual({ events: [issued] }));

  test('once', () =>
    expect(decide([created, issued], { type: 'IssueApiKey', ...key })).toEqual({ events: [] }));

  const revoke = { type: 'RevokeApiKey', key_id: key.key_id, reason: 'lost' } as const;
  test('is revoked', () =>
    expect(decide([created, issued], revoke)).toEqual({ events: [revoked] }));

  test('once', () => expect(decide([created, issued, revoked], revoke)).toEqual({ events: [] }));

  test('that nobody issued is not found', () =>
    expect(decide([created], revoke)).toEqual({
      refusal: { code: 'key_not_found', key_id: key.key_id },
    }));

  test('is remembered with who issued it and when it ended', () =>
    expect(afterwards(created, issued, revoked).keys.get(key.key_id)).toEqual({
      ...key,
      issued_at: noon,
      issued_by: 'zoë',
      revoked_at: noon,
    }));

  test('cannot have been revoked before it was issued', () =>
    expect(() => afterwards(created, revoked)).toThrow(AssertionFailed));
});

test('a copy of a tenant is apart from it', () => {
  const state = afterwards(created);
  const copy = tenantDecider.fork(state);
  copy.keys.set('other', { ...key, issued_at: noon, issued_by: 'zoë', revoked_at: null });
  copy.stream_version = 7;
  expect(state).toEqual(afterwards(created));
});

describe('what a role may do', () => {
  const granted: Record<Permission, readonly Role[]> = {
    'registry:read': roles,
    'model:write': ['producer', 'admin', 'service'],
    'version:write': ['producer', 'admin', 'service'],
    'version:assess': ['approver', 'admin'],
    'stage:change': ['deployer', 'approver', 'admin'],
    'version:archive': ['approver', 'admin', 'service'],
    'deployment:write': ['deployer', 'admin'],
    'key:manage': ['admin'],
    'training:report': ['producer', 'admin', 'service'],
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
    expect(roles.filter((role) => mayIssue(role, 'service'))).toEqual([]));

  test('an admin issues every other', () =>
    expect(roles.filter((role) => mayIssue('admin', role))).toEqual(
      roles.filter((role) => role !== 'service'),
    ));

  test('nobody issues a key that may do more than their own', () => {
    const tooMuch = roles.flatMap((own) =>
      roles
        .filter((other) => mayIssue(own, other))
        .flatMap((other) =>
          permissions
            .filter((permission) => may(other, permission) && !may(own, permission))
            .map((permission) => `${own} gives ${permission} to ${other}`),
        ),
    );
    expect(tooMuch).toEqual([]);
    expect(mayIssue('producer', 'viewer')).toBe(true);
    expect(mayIssue('deployer', 'approver')).toBe(false);
    expect(mayIssue('producer', 'admin')).toBe(false);
  });
});
