// A tenant and its keys: what is true, what can be asked, and what follows.
import { assert } from '../decider.ts';
import type { Decider, Decision } from '../decider.ts';
import type { RecordedTenantEvent, TenantEvent, TenantEventData } from './events.ts';

/** What is known of a key beside its secret. */
export type ApiKey = TenantEventData<'api_key.issued'> & {
  issued_at: string;
  issued_by: string;
  revoked_at: string | null;
};

export type TenantState = { stream_version: number; created: boolean; keys: Map<string, ApiKey> };

export type TenantCommand =
  | { type: 'CreateTenant'; tenant_id: string; name: string }
  | ({ type: 'IssueApiKey' } & TenantEventData<'api_key.issued'>)
  | { type: 'RevokeApiKey'; key_id: string; reason: string | null };

export type TenantRefusal = { code: 'key_not_found'; key_id: string };

function decide(state: TenantState, command: TenantCommand): Decision<TenantEvent, TenantRefusal> {
  switch (command.type) {
    case 'CreateTenant': {
      const { tenant_id, name } = command;
      return {
        events: state.created ? [] : [{ type: 'tenant.created', data: { tenant_id, name } }],
      };
    }
    case 'IssueApiKey': {
      const { type: _, ...data } = command;
      return { events: state.keys.has(data.key_id) ? [] : [{ type: 'api_key.issued', data }] };
    }
    case 'RevokeApiKey': {
      const key = state.keys.get(command.key_id);
      if (key === undefined) return { refusal: { code: 'key_not_found', key_id: command.key_id } };
      if (key.revoked_at !== null) return { events: [] };
      const { key_id, subject } = key;
      return {
        events: [{ type: 'api_key.revoked', data: { key_id, subject, reason: command.reason } }],
      };
    }
  }
}

function evolve(state: TenantState, event: RecordedTenantEvent): TenantState {
  assert(
    event.stream_version === state.stream_version + 1,
    `${event.stream} is at ${state.stream_version}`,
  );
  switch (event.type) {
    case 'tenant.created':
      state.created = true;
      break;
    case 'api_key.issued':
      state.keys.set(event.data.key_id, {
        ...event.data,
        issued_at: event.recorded_at,
        issued_by: event.actor.subject,
        revoked_at: null,
      });
      break;
    case 'api_key.revoked': {
      const key = state.keys.get(event.data.key_id);
      assert(key !== undefined, `key ${event.data.key_id} is revoked before it was issued`);
      state.keys.set(event.data.key_id, { ...key, revoked_at: event.recorded_at });
      break;
    }
  }
  state.stream_version = event.stream_version;
  return state;
}

export const tenantDecider: Decider<TenantState, TenantCommand, TenantEvent, TenantRefusal> = {
  initial: () => ({ stream_version: 0, created: false, keys: new Map() }),
  decide,
  evolve,
  fork: (state) => ({ ...state, keys: new Map(state.keys) }),
};
