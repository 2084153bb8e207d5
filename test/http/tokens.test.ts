// Access tokens and tokens of an issuer: what is taken, what is not, and when they end.
import { generateKeyPairSync, hash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openOidc } from '#infra/auth/oidc.ts';
import { openTokens } from '#infra/auth/tokens.ts';
import { fetchJson, isInward } from '#infra/http/outgoing.ts';
import { eventually } from '#test/eventually.ts';
import { openApi, openApis } from './api.ts';
import type { Api } from './api.ts';
import { decide, done, keysOf } from './releases.ts';

const secretKey = 'a secret key of a test, long enough to be one';
const audience = 'modelog-of-a-test';

/** An issuer that shows its keys, and counts how often it is asked. */
async function openIssuer() {
  const pairs = new Map<string, KeyObject>();
  let shownKeys: object[] = [];
  let asked = 0;
  const server: Server = createServer((request, response) => {
    asked++;
    const { port } = server.address() as AddressInfo;
    const issuer = `http://127.0.0.1:${port}`;
    if (request.url === '/redirect') return response.writeHead(302, { location: issuer }).end();
    if (request.url === '/large') return response.end(JSON.stringify('x'.repeat(2_000)));
    response.end(
      JSON.stringify(
        request.url === '/keys' ? { keys: shownKeys } : { issuer, jwks_uri: `${issuer}/keys` },
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function addKey(kid: string, isShown = true): Promise<object> {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    pairs.set(kid, privateKey);
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' };
    if (isShown) shownKeys = [...shownKeys, jwk];
    return jwk;
  }
  return {
    issuer,
    asked: () => asked,
    addKey,
    close: () => new Promise((resolve) => server.close(resolve)),
    sign: (claims: object, over: { kid?: string; alg?: string; expires?: string | number } = {}) =>
      new SignJWT({ sub: 'ana', ...claims })
        .setProtectedHeader({ alg: over.alg ?? 'RS256', kid: over.kid ?? 'one' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(over.expires ?? '5m')
        .sign(pairs.get(over.kid ?? 'one')!),
    privateKey: (kid: string) => pairs.get(kid)!,
  };
}

let issuer: Awaited<ReturnType<typeof openIssuer>>;
let publicJwk: object;
let opened: Awaited<ReturnType<typeof openApis>>;
let api: Api;
let other: Api;

beforeAll(async () => {
  issuer = await openIssuer();
  publicJwk = await issuer.addKey('one');
  opened = await openApis(2, {
    tokens: openTokens(secretKey, 30),
    oidc: openOidc({
      issuer: issuer.issuer,
      audience,
      subjectClaim: 'sub',
      tenantClaim: 'org.tenant',
      rolesClaim: 'realm_access.roles',
      teamsClaim: undefined,
      allowPrivate: true,
    }),
  });
  [api, other] = opened.apis as [Api, Api];
});
afterAll(async () => {
  await opened.close();
  await issuer.close();
});

const issue = async (subject: string, role: string) =>
  (await api.post('/api-keys', { subject, role })).body as unknown as {
    id: string;
    secret: string;
  };
const tokenOf = async (key: string) =>
  (await api.post('/tokens', undefined, { key })).body as unknown as {
    access_token: string;
    expires_in: number;
  };
const statusWith = async (key: string): Promise<number> =>
  (await api.get('/events?limit=1', { key })).status;

describe('an access token', () => {
  test('is made of a key, has its role, and says who it was', async () => {
    const { id, secret } = await issue('tim', 'producer');
    const { access_token: key, expires_in } = await tokenOf(secret);
    // whole seconds of thirty minutes, less those that the answer took
    expect(expires_in).toBeGreaterThan(1_700);
    expect(expires_in).toBeLessThanOrEqual(1_800);
    expect((await api.post('/models', { name: 'by token' }, { key })).status).toBe(201);
    expect((await api.get('/api-keys', { key })).status).toBe(403);
    const { body } = await api.get('/events?type=model.registered&limit=1000');
    const [event] = (body['items'] as unknown as { actor: object }[]).slice(-1);
    expect(event!.actor).toMatchObject({ subject: 'tim', auth_method: 'token', key_id: id });
  });

  test('is not made of a token', async () => {
    const { access_token: key } = await tokenOf((await issue('tom', 'viewer')).secret);
    expect(await api.post('/tokens', undefined, { key })).toMatchObject({
      status: 403,
      body: { code: 'api_key_needed' },
    });
  });

  test('dies with its key within a second, in every process', async () => {
    const { id, secret } = await issue('tea', 'viewer');
    const { access_token: key } = await tokenOf(secret);
    for (const process of [api, other])
      expect((await process.get('/events?limit=1', { key })).status).toBe(200);
    await api.delete(`/api-keys/${id}`);
    for (const process of [api, other])
      await eventually(async () => (await process.get('/events?limit=1', { key })).status === 401, {
        timeoutMs: 1_000,
      });
  });

  test('is taken only as it was signed', async () => {
    const { id, secret } = await issue('max', 'viewer');
    const { access_token: good } = await tokenOf(secret);
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const forged = (claims: object, secretText = secretKey, typ = 'at+jwt') =>
      new SignJWT({
        key_id: id,
        iss: 'modelog',
        aud: 'modelog',
        exp: Math.floor(Date.now() / 1_000) + 300,
        ...claims,
      })
        .setProtectedHeader({ alg: 'HS256', typ })
        .sign(new TextEncoder().encode(secretText));
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const bad = [
      `${header}.${payload}.`,
      `${header}.${payload}.${signature.slice(0, -2)}AA`,
      `${encoded({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
      `${encoded({ alg: 'none' })}.${payload}.${signature}`,
      `${encoded({ alg: 'HS256', typ: 'at+jwt', crit: ['x'], x: 1 })}.${payload}.${signature}`,
      await forged({}, 'another secret that is long enough to be one'),
      await forged({ aud: 'another' }),
      await forged({ iss: 'another' }),
      await forged({ exp: 1 }),
      await forged({ key_id: undefined }),
      await forged({ key_id: 7 }),
      await forged({}, secretKey, 'JWT'),
      new UnsecuredJWT({ key_id: id })
        .setIssuer('modelog')
        .setAudience('modelog')
        .setExpirationTime('5m')
        .encode(),
    ];
    expect(await statusWith(await forged({}))).toBe(200);
    for (const token of bad) expect(await statusWith(token), token).toBe(401);
  });

  test('with no secret key is a clear refusal', async () => {
    const without = await openApis(1);
    try {
      expect(await without.apis[0]!.post('/tokens', undefined)).toMatchObject({
        status: 501,
        body: { code: 'tokens_not_set_up' },
      });
      const { access_token: key } = await tokenOf((await issue('ida', 'viewer')).secret);
      expect((await without.apis[0]!.get('/events', { key })).status).toBe(401);
    } finally {
      await without.close();
    }
  });
});

describe("an issuer's token", () => {
  const claims = (...roles: string[]) => ({
    org: { tenant: 'default' },
    realm_access: { roles },
  });

  test('has the roles of its claims, and those that are bound to its subject', async () => {
    const producer = await issuer.sign(claims('producer', 'unheard-of', 'system_admin'));
    expect((await api.post('/models', { name: 'of ana' }, { key: producer })).status).toBe(201);
    expect((await api.get('/tenants', { key: producer })).status).toBe(403);
    const nothing = await issuer.sign({ ...claims(), sub: 'bob' });
    expect(await statusWith(nothing)).toBe(403);
    await api.put('/role-bindings', { subject: 'bob', role: 'viewer', scope: 'tenant' });
    await eventually(async () => (await statusWith(nothing)) === 200, { timeoutMs: 1_000 });
    const { body } = await api.get('/events?type=model.registered&limit=1000');
    const [event] = (body['items'] as unknown as { actor: object }[]).slice(-1);
    expect(event!.actor).toMatchObject({ subject: 'ana', auth_method: 'oidc', key_id: null });
  });

  test.each(['team', 'tenant'])(
    'whose one role is of a %s approves and breaks glass by it',
    async (where) => {
      const ofTeams = await openApi(opened.databaseUrl, {
        tokens: null,
        oidc: openOidc({
          issuer: issuer.issuer,
          audience,
          subjectClaim: 'sub',
          tenantClaim: undefined,
          rolesClaim: 'roles',
          teamsClaim: 'teams',
          allowPrivate: true,
        }),
      });
      await using ends = new AsyncDisposableStack();
      ends.defer(() => ofTeams.close());
      /** By the claims of their token, or by a binding alone. */
      const holding = async (role: string): Promise<string> => {
        const sub = `${role} of a ${where}`;
        if (where === 'team') return await issuer.sign({ sub, roles: role, teams: ['risk'] });
        await done(api.put('/role-bindings', { subject: sub, role, scope: 'tenant' }));
        return await issuer.sign({ sub });
      };
      const name = `of-one-${where}`;
      const { bea } = await keysOf(api, { bea: 'producer' });
      const { body } = await done(api.post('/models', { name, team: 'risk' }, { key: bea }));
      const path = `/models/${name}/versions`;
      const content_digest = { sha256: '1'.repeat(64) };
      await done(api.post(path, { content_digest }, { key: bea }));
      const approvals = { required: 1, role: 'approver', expires_after_hours: 24 };
      await done(api.put(`/policies/model:${String(body['id'])}`, { approvals }));
      const asked = { to_stage: 'production' };
      const request = await done(api.post(`${path}/1/promotion-requests`, asked, { key: bea }));
      const approver = await holding('approver');
      const decided = await decide(ofTeams, approver, String(request.body['id']), 'approve');
      expect(decided).toMatchObject({ status: 200 });
      await done(api.post(path, { content_digest: { sha256: '2'.repeat(64) } }, { key: bea }));
      const glass = { ...asked, break_glass: true, reason: 'now' };
      const key = await holding('admin');
      expect(await ofTeams.post(`${path}/2/promote`, glass, { key })).toMatchObject({
        status: 200,
        body: { stage: 'production' },
      });
    },
  );

  test('is refused without a tenant that there is, or in the name of the registry itself', async () => {
    for (const over of [
      { org: { tenant: 'nowhere' } },
      { org: {} },
      { org: { tenant: 'Not A Slug' } },
      { sub: 'modelog:admin' },
      { sub: '' },
      { sub: 7 },
    ])
      expect(await statusWith(await issuer.sign({ ...claims('admin'), ...over }))).toBe(401);
  });

  test('is refused when it is forged, of somebody else, or over', async () => {
    const own = { ...claims('admin'), sub: 'eve' };
    const good = await issuer.sign(own);
    expect(await statusWith(good)).toBe(200);
    const [, payload, signature] = good.split('.') as [string, string, string];
    const pem = JSON.stringify(publicJwk);
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = (over: { iss?: string; aud?: string; kid?: string; header?: object }) =>
      new SignJWT(own)
        .setProtectedHeader({ alg: 'RS256', kid: over.kid ?? 'one', ...over.header })
        .setIssuer(over.iss ?? issuer.issuer)
        .setAudience(over.aud ?? audience)
        .setExpirationTime('5m')
        .sign(issuer.privateKey('one'));
    const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const bad: string[] = [
      `${encoded({ alg: 'none', kid: 'one' })}.${payload}.`,
      `${encoded({ alg: 'NONE', kid: 'one' })}.${payload}.${signature}`,
      // RS/HS confusion: the public key as the secret of an HMAC
      await new SignJWT(own)
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .setIssuer(issuer.issuer)
        .setAudience(audience)
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode(pem)),
      await signed({ aud: 'another' }),
      await signed({ iss: 'http://127.0.0.1:1' }),
      await issuer.sign(own, { expires: Math.floor(Date.now() / 1_000) - 60 }),
      await new SignJWT(own)
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .setIssuer(issuer.issuer)
        .setAudience(audience)
        .sign(issuer.privateKey('one')),
      // keys that the token brings along, or says where to find
      await new SignJWT(own)
        .setProtectedHeader({
          alg: 'RS256',
          kid: 'one',
          jwk: await exportJWK(attacker.publicKey),
          jku: `${issuer.issuer}/keys`,
        })
        .setIssuer(issuer.issuer)
        .setAudience(audience)
        .setExpirationTime('5m')
        .sign(attacker.privateKey),
    ];
    for (const kid of ['../../../../dev/null', "one' or '1'='1", '', 'two', '__proto__'])
      bad.push(
        await new SignJWT(own)
          .setProtectedHeader({ alg: 'RS256', kid })
          .setIssuer(issuer.issuer)
          .setAudience(audience)
          .setExpirationTime('5m')
          .sign(attacker.privateKey),
      );
    for (const token of bad) expect(await statusWith(token), token).toBe(401);
  });

  test('with an unknown key makes the issuer be asked, but not for every stranger', async () => {
    const fresh = openOidc({
      issuer: issuer.issuer,
      audience,
      subjectClaim: 'sub',
      tenantClaim: undefined,
      rolesClaim: 'roles',
      teamsClaim: 'teams',
      allowPrivate: true,
    });
    await issuer.addKey('rotated', false);
    const before = issuer.asked();
    for (let nth = 0; nth < 20; nth++)
      expect(await fresh.verify(await issuer.sign({}, { kid: 'rotated' }))).toBeNull();
    expect(issuer.asked() - before).toBe(2);
    const good = await fresh.verify(await issuer.sign({ roles: 'viewer', teams: ['a', 'b'] }));
    expect(good).toMatchObject({
      tenant: 'default',
      own: [
        { role: 'viewer', scope: 'team:a' },
        { role: 'viewer', scope: 'team:b' },
      ],
    });
  });
});

describe('an outgoing request', () => {
  const ask = (url: string, allowPrivate = false) =>
    fetchJson(url, { allowPrivate, timeoutMs: 2_000, bytesMax: 1_000 });

  test.each([
    'https://127.0.0.1/',
    'https://localhost/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://0x7f000001/',
    'https://2130706433/',
    'http://example.com/',
    'file:///etc/passwd',
    'https://user:password@example.com/',
    'nonsense',
  ])('to %s is not sent', async (url) => {
    await expect(ask(url)).rejects.toThrow(/private|only https|credentials|not a URL/);
  });

  test('follows no redirect, and reads no answer without an end', async () => {
    await expect(ask(`${issuer.issuer}/redirect`, true)).rejects.toThrow('answers 302');
    await expect(ask(`${issuer.issuer}/large`, true)).rejects.toThrow('more than 1000 bytes');
  });

  test.each([
    ['10.1.2.3', true],
    ['172.31.0.1', true],
    ['192.168.0.1', true],
    ['100.64.0.1', true],
    ['fe80::1', true],
    ['fd00::1', true],
    ['::ffff:8.8.8.8', true],
    ['8.8.8.8', false],
    ['2606:4700::1111', false],
    ['no address', true],
  ])('knows whether %s is inward', (address, inward) => expect(isInward(address)).toBe(inward));
});

test('no token stands in any log line or row', async () => {
  const { access_token: key } = await tokenOf((await issue('quiet', 'viewer')).secret);
  await api.post('/models', { name: 'no' }, { key });
  await api.get('/nowhere', { key });
  const { rows } = await api.pool.query<{ row: string }>(
    'select e::text as row from log.events e union all select a::text from log.audit_records a',
  );
  const texts = [...api.logLines, ...rows.map(({ row }) => row)];
  for (const hidden of [key, hash('sha256', key, 'hex'), secretKey])
    expect(texts.filter((text) => text.includes(hidden))).toEqual([]);
});
