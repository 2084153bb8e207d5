// What must exist before anybody can ask: the first tenant, the bootstrap admin key, and retention's service key.
import type { Pool } from 'pg';
import type { Role } from '#events/access.ts';
import type { Actor } from '#events/envelope.ts';
import { defaultTenant, tenantStream } from '#events/names.ts';
import type { TenantCommand, TenantRefusal, TenantState } from '#events/tenant/tenant.ts';
import type { TenantEvent } from '#events/tenant/events.ts';
import { newId } from '#infra/ids.ts';
import { secretHash } from '#infra/auth/keys.ts';
import { Problem } from '#infra/http/problems.ts';
import type { Ask } from './ask/ask.ts';
import { tenantKind } from './kinds.ts';
import type { Streams } from './streams.ts';

/** Who issues bootstrap keys; subjects of this prefix are never given to anybody by the API. */
export const ownSubjectPrefix = 'modelog:';
const bootstrapActor: Actor = {
  subject: `${ownSubjectPrefix}bootstrap`,
  type: 'system',
  auth_method: 'internal',
  key_id: null,
  declared_by: null,
};
/** Two processes that start at once take turns by the stream's version; more than a few turns is a bug. */
const turnsMax = 10;

type BootstrapKey = {
  secret: string;
  subject: string;
  subject_type: 'system' | 'service';
  role: Role;
};

/**
 * Makes the tenant and exactly these keys; asking twice changes nothing. A bootstrap key that is not the given one any
 * more is revoked.
 * @returns whether an admin has a key now, and whether a service key was revoked that a process may still run with
 */
export async function bootstrap(
  { ask, streams, pool }: { ask: Ask; streams: Streams; pool: Pool },
  secrets: { adminKey: string | undefined; serviceKey: string | undefined },
): Promise<{ hasAdmin: boolean; serviceKeyRevoked: boolean }> {
  const stream = tenantStream(defaultTenant);
  const keys: BootstrapKey[] = [];
  if (secrets.adminKey !== undefined)
    keys.push({
      secret: secrets.adminKey,
      subject: `${ownSubjectPrefix}admin`,
      subject_type: 'system',
      // whoever sets it holds the database too
      role: 'system_admin',
    });
  if (secrets.serviceKey !== undefined)
    keys.push({
      secret: secrets.serviceKey,
      subject: `${ownSubjectPrefix}retention`,
      subject_type: 'service',
      role: 'service',
    });

  /** One command on the state as it is; false if somebody else was faster. */
  async function submit(
    state: TenantState,
    command: (at: string) => TenantCommand,
    effects: Parameters<Ask['submit']>[0]['keys'],
  ): Promise<boolean> {
    try {
      await ask.submit<TenantState, TenantCommand, TenantEvent, TenantRefusal, null>({
        kind: tenantKind,
        stream,
        tenant: defaultTenant,
        actor: bootstrapActor,
        command,
        command_id: newId(),
        request_hash: null,
        status: 200,
        reason: null,
        dry_run: false,
        expected_version: state.stream_version,
        keys: effects ?? [],
        answer: () => null,
      });
      return true;
    } catch (error) {
      if (error instanceof Problem && error.code === 'precondition_failed') return false;
      throw error;
    }
  }

  let serviceKeyRevoked = false;
  /** The next step that is missing, done; null when nothing is missing. */
  async function step(): Promise<boolean | null> {
    const folded = await streams.load(tenantKind, stream);
    await streams.catchUp(tenantKind, folded);
    const { state } = folded;
    if (!state.created)
      return await submit(
        state,
        () => ({
          type: 'CreateTenant',
          tenant_id: defaultTenant,
          name: defaultTenant,
          first_key: null,
        }),
        [],
      );
    for (const { secret, ...key } of keys) {
      const sha256 = secretHash(secret);
      const { rows } = await pool.query<{ key_id: string; role: Role; revoked_at: Date | null }>(
        'select key_id, role, revoked_at from log.api_keys where sha256 = $1',
        [sha256],
      );
      const standing = rows.find((row) => row.revoked_at === null && row.role === key.role)?.key_id;
      for (const other of state.keys.values()) {
        if (other.subject !== key.subject || other.revoked_at !== null || other.key_id === standing)
          continue;
        const { key_id } = other;
        const isRevoked = await submit(
          state,
          (at) => ({
            type: 'RevokeApiKey',
            at,
            by: null,
            key_id,
            reason: 'another bootstrap key was given',
          }),
          [{ effect: 'revoke', key_id }],
        );
        serviceKeyRevoked ||= isRevoked && key.role === 'service';
        return isRevoked;
      }
      if (standing !== undefined) continue;
      const data = { key_id: newId(), ...key, description: 'made at start', expires_at: null };
      return await submit(state, (at) => ({ type: 'IssueApiKey', at, by: null, ...data }), [
        { effect: 'issue', sha256, tenant: defaultTenant, ...data },
      ]);
    }
    return null;
  }

  async function hasAdmin(): Promise<boolean> {
    const { rowCount } = await pool.query(
      `select from log.api_keys where role in ('admin', 'system_admin') and revoked_at is null limit 1`,
    );
    return rowCount === 1;
  }

  let turns = 0;
  while ((await step()) !== null)
    if (++turns > turnsMax * 2)
      throw new Error('the bootstrap keys could not be made: too many others try to');
  return { hasAdmin: await hasAdmin(), serviceKeyRevoked };
}
