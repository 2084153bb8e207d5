// A hold over HTTP: placed with a reason, shown by its version, in everybody's way until it is released.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveRegistry } from './served.ts';
import type { Answer, ServedRegistry } from './served.ts';

let registry: ServedRegistry;
beforeAll(async () => {
  registry = await serveRegistry();
});
afterAll(() => registry.stop());

type Body = Record<string, unknown>;
const bodyOf = ({ body }: Answer): Body => body;

let names = 0;
/** The path of the first of two versions. */
async function aVersion(): Promise<string> {
  const name = `held-${++names}`;
  await registry.post('/models', { name });
  await registry.post(`/models/${name}/versions`, { label: 'v1' });
  await registry.post(`/models/${name}/versions`, { label: 'v2' });
  return `/models/${name}/versions/v1`;
}

const nowhere = '01940000-0000-7000-8000-000000000000';

test('is in the way of who would archive or delete, until it is released', async () => {
  const version = await aVersion();
  const placed = await registry.post(`${version}/holds`, { reason: 'audit' });
  expect(placed).toMatchObject({
    status: 201,
    body: {
      reason: 'audit',
      until: null,
      number: 1,
      label: 'v1',
      version: 'v1',
      placed_by: 'modelog:admin',
    },
  });
  const { id, position, stream_version } = bodyOf(placed);
  const held = bodyOf(await registry.get(version));
  expect(held).toMatchObject({
    holds: [{ id, reason: 'audit', until: null }],
    position,
    stream_version,
  });
  const blocking = [{ kind: 'hold', hold_id: id, reason: 'audit' }];
  for (const refused of [
    await registry.post(`${version}/archive`, {}),
    await registry.call('DELETE', version),
    await registry.call('DELETE', version.slice(0, -'/versions/v1'.length)),
  ])
    expect(refused).toMatchObject({ status: 409, body: { code: 'in_use', blocking } });

  const released = await registry.call('DELETE', `/holds/${String(id)}`, { reason: 'over' });
  expect(released).toMatchObject({
    status: 200,
    body: {
      id,
      number: 1,
      reason: 'over',
      released_by: 'modelog:admin',
      stream_version: Number(stream_version) + 1,
    },
  });
  expect(bodyOf(await registry.get(version))).toMatchObject({ holds: [] });
  expect((await registry.post(`${version}/archive`, {})).status).toBe(200);
  expect(await registry.call('DELETE', `/holds/${String(id)}`)).toMatchObject({
    status: 404,
    body: { code: 'hold_not_found', hold_id: id },
  });
});

test('is written back with all that was read of its version', async () => {
  const version = await aVersion();
  await registry.post(`${version}/holds`, { reason: 'audit' });
  const { is_default: _, ...read } = bodyOf(await registry.get(version));
  expect(await registry.call('PUT', version, read)).toMatchObject({ status: 200, body: read });
});

test.each([
  [{}, 'invalid'],
  [{ reason: ' ' }, 'reason_required'],
  [{ reason: 'x', until: 'tomorrow' }, 'invalid'],
  [{ reason: 'x', until: '2020-01-01T01:00:00+01:00' }, 'time_in_past'],
])('is not placed by %j', async (body, code) => {
  const version = await aVersion();
  expect(await registry.post(`${version}/holds`, body)).toMatchObject({
    status: 422,
    body: { code },
  });
});

test('is not placed on what is not there, nor released where there is none', async () => {
  const version = await aVersion();
  expect((await registry.post(version.replace('v1', 'v7/holds'), { reason: 'x' })).status).toBe(
    404,
  );
  expect(await registry.call('DELETE', `/holds/${nowhere}`)).toMatchObject({
    status: 404,
    body: { code: 'hold_not_found', hold_id: nowhere },
  });
});
