// Models and versions as they are registered and described: names, labels, digests, and how a version is found.
import { describe, expect, test } from 'vitest';
import { findVersion, showVersionRef } from '#events/model/version-ref.ts';
import type { VersionRef } from '#events/model/commands.ts';
import {
  archived,
  defaultChanged,
  modelId,
  modelWith,
  noModelFacts,
  registered,
  updated,
  versionId,
  versioned,
} from './history.ts';
import { given, numbered } from './scenario.ts';
import type { Wanted } from './scenario.ts';
import { newVersion } from './wanted.ts';

const sha256 = 'a'.repeat(64);
const digest = { sha256, blake3: null, origin: 'declared' } as const;

describe('a model is registered', () => {
  const register = (said: Partial<Extract<Wanted, { type: 'RegisterModel' }>> = {}): Wanted => ({
    type: 'RegisterModel',
    model_id: modelId,
    name: 'churn',
    facts: noModelFacts,
    first_version: null,
    ...said,
  });

  test('with what is said of it', () =>
    given()
      .when(register({ facts: { ...noModelFacts, owner: 'zoë', tags: { team: 'growth' } } }))
      .follows(registered({ owner: 'zoë', tags: { team: 'growth' } })));

  test('with its first version', () =>
    given()
      .when(register({ first_version: newVersion(1, { facts: { label: 'v1.0.0' } }) }))
      .follows(registered(), versioned(1, { label: 'v1.0.0' }), defaultChanged(1, null)));

  test('not with a first version that cannot be', () =>
    given()
      .when(register({ first_version: newVersion(1, { facts: { label: '7' } }) }))
      .isRefused({ code: 'label_not_its_number', label: '7', number: 1 }));

  test('once', () =>
    given(registered()).when(register()).isRefused({ code: 'name_taken', name: 'churn' }));
});

describe('before there is a model', () => {
  const version = numbered(1);
  const at = { environment: 'eu-prod', region: null, endpoint_url: null };
  const because = { cause: 'manual', plan_id: null, rule: null } as const;
  const everyOther: Wanted[] = [
    { type: 'UpdateModel', patch: {} },
    { type: 'CreateVersion', version: newVersion(1) },
    { type: 'StartTesting', version },
    { type: 'Approve', version },
    { type: 'Reject', version },
    { type: 'Promote', version, to_stage: 'staging' },
    { type: 'Demote', version, to_stage: null },
    { type: 'Deprecate', version, sunset_at: null },
    { type: 'Archive', version, because },
    { type: 'Restore', version, to_stage: 'staging' },
    { type: 'SetDefault', version },
    {
      type: 'Deploy',
      version,
      deployment_id: 'd',
      ...at,
      strategy: 'all_at_once',
      traffic_percent: null,
      config: {},
      external_ref: null,
      status: 'requested',
    },
    {
      type: 'ReportDeployment',
      deployment_id: 'd',
      status: 'failed',
      endpoint_url: null,
      cause: 'reported',
    },
    { type: 'Undeploy', deployment_id: 'd' },
    { type: 'ShiftTraffic', deployment_id: 'd', traffic_percent: 10 },
    { type: 'RollbackDeployment', deployment_id: 'd', to: null, new_id: 'e' },
    {
      type: 'CreateBinding',
      version,
      binding_id: 'b',
      binding: {
        provider: 'openai',
        provider_model_id: 'm',
        status: 'active',
        config: {},
        endpoint_url: null,
        avg_latency_ms: null,
        success_rate: null,
        last_used_at: null,
      },
    },
    { type: 'UpdateBinding', binding_id: 'b', patch: {} },
    { type: 'RemoveBinding', binding_id: 'b' },
  ];

  test.each(everyOther)('$type is refused', (wanted) =>
    given().when(wanted).isRefused({ code: 'model_not_found' }),
  );

  test.each(everyOther.filter((wanted) => 'version' in wanted && wanted.type !== 'CreateVersion'))(
    '$type is refused where the version is not there',
    (wanted) =>
      given(registered()).when(wanted).isRefused({ code: 'version_not_found', version: '1' }),
  );
});

describe('a model is described anew', () => {
  const described = registered({
    owner: 'zoë',
    team: 'growth',
    tags: { tier: 'gold', region: 'eu' },
    metadata: { limits: { low: 1, high: 2 }, note: null },
  });
  const update = (patch: Extract<Wanted, { type: 'UpdateModel' }>['patch']): Wanted => ({
    type: 'UpdateModel',
    patch,
  });

  test('what changes is recorded with what it was', () =>
    given(described)
      .when(update({ owner: 'ana', team: 'growth' }))
      .follows(updated({ owner: 'ana' }, { owner: 'zoë' })));

  test('null clears, and what is not said stays', () =>
    given(described)
      .when(update({ owner: null, description: undefined }))
      .follows(updated({ owner: null }, { owner: 'zoë' })));

  test('tags and metadata merge by key, and null removes one', () =>
    given(described)
      .when(update({ tags: { tier: null, stage: 'beta' }, metadata: { note: 'kept' } }))
      .follows(
        updated(
          {
            tags: { region: 'eu', stage: 'beta' },
            metadata: { limits: { low: 1, high: 2 }, note: 'kept' },
          },
          {
            tags: { tier: 'gold', region: 'eu' },
            metadata: { limits: { low: 1, high: 2 }, note: null },
          },
        ),
      ));

  test('null for all tags removes them all', () =>
    given(described)
      .when(update({ tags: null, metadata: null }))
      .follows(
        updated(
          { tags: {}, metadata: {} },
          {
            tags: { tier: 'gold', region: 'eu' },
            metadata: { limits: { low: 1, high: 2 }, note: null },
          },
        ),
      ));

  test.each<[string, Extract<Wanted, { type: 'UpdateModel' }>['patch']]>([
    ['nothing', {}],
    ['what is so already', { owner: 'zoë', tags: { tier: 'gold' } }],
    ['the removal of what is not there', { tags: { colour: null }, description: null }],
    ['the same in another order', { metadata: { limits: { high: 2, low: 1 } } }],
  ])('%s changes nothing', (_, patch) => given(described).when(update(patch)).changesNothing());

  test('a key that JavaScript would take for more is a key like any other', () => {
    const patch = JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, string>;
    const { state } = given(registered());
    given(registered())
      .when(update({ tags: patch }))
      .follows(updated({ tags: patch }, { tags: {} }));
    expect(state.model!.tags).toEqual({});
  });
});

describe('a version is added', () => {
  test('with the next number, which is never given twice', () =>
    given(...modelWith(2), archived(2, 'development'))
      .when({ type: 'CreateVersion', version: newVersion(3, { readiness: 'testing' }) })
      .follows(versioned(3, { readiness: 'testing' })));

  test('with a label of digits only if they are its number', () => {
    given(...modelWith(1))
      .when({ type: 'CreateVersion', version: newVersion(2, { facts: { label: '2' } }) })
      .follows(versioned(2, { label: '2' }));
    given(...modelWith(1))
      .when({ type: 'CreateVersion', version: newVersion(2, { facts: { label: '02' } }) })
      .isRefused({ code: 'label_not_its_number', label: '02', number: 2 });
  });

  test('not with a label that the model has had', () =>
    given(registered(), versioned(1, { label: 'v1' }), archived(1, 'development'))
      .when({ type: 'CreateVersion', version: newVersion(2, { facts: { label: 'v1' } }) })
      .isRefused({
        code: 'version_exists',
        by: 'label',
        value: 'v1',
        number: 1,
        version_id: versionId(1),
      }));

  test('not with content that the model has', () =>
    given(registered(), versioned(1, { content_digest: digest }))
      .when({
        type: 'CreateVersion',
        version: newVersion(2, { facts: { content_digest: digest } }),
      })
      .isRefused({
        code: 'version_exists',
        by: 'sha256',
        value: sha256,
        number: 1,
        version_id: versionId(1),
      }));

  test('as often as wanted without a digest', () => {
    const blake = { sha256: null, blake3: 'b'.repeat(64), origin: 'declared' } as const;
    given(registered(), versioned(1, { content_digest: blake }), defaultChanged(1, null))
      .when({ type: 'CreateVersion', version: newVersion(2, { facts: { content_digest: blake } }) })
      .follows(versioned(2, { content_digest: blake }));
  });
});

describe('a version is found', () => {
  const { state } = given(
    registered(),
    versioned(1, { label: 'v1' }),
    versioned(2, { label: 'stable' }),
    versioned(3),
    defaultChanged(2, null),
    archived(3, 'development'),
  );
  test.each<[VersionRef, string, number | null]>([
    [{ by: 'number', number: 3 }, '3', 3],
    [{ by: 'number', number: 4 }, '4', null],
    [{ by: 'label', label: 'v1' }, 'v1', 1],
    [{ by: 'label', label: '1' }, '1', null],
    [{ by: 'text', text: 'stable' }, 'stable', 2],
    [{ by: 'text', text: '1' }, '1', 1],
    [{ by: 'text', text: versionId(3) }, versionId(3), 3],
    [{ by: 'text', text: 'nobody' }, 'nobody', null],
    [{ by: 'id', version_id: versionId(2) }, versionId(2), 2],
    [{ by: 'id', version_id: versionId(9) }, versionId(9), null],
    [{ by: 'default' }, 'default', 2],
    [{ by: 'latest' }, 'latest', 2],
  ])('%j, shown as %s, is %s', (ref, shown, number) => {
    expect(findVersion(state, ref)?.facts.number ?? null).toBe(number);
    expect(showVersionRef(ref)).toBe(shown);
  });

  test.each([{ by: 'default' }, { by: 'latest' }] as const)(
    '%j is nobody without versions',
    (ref) => expect(findVersion(given(registered()).state, ref)).toBeNull(),
  );
});
