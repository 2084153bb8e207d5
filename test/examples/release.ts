// A whole release told in the terminal: asked for, stopped by a gate, agreed to by two others, promoted, tried, taken back.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs, styleText } from 'node:util';

const usage = `npm run example:release [-- --url URL]

Plays a release under the preset strict against a running registry [http://127.0.0.1:8003], each step as a person does it.
Environment: MODELOG_ADMIN_KEY, else DATA_DIR/admin-key [./data/admin-key].
`;
const requestTimeoutMs = 10_000;
type Body = Record<string, unknown>;

/** The story cannot go on; the message says what to do. */
class Stopped extends Error {}

async function adminKey(): Promise<string> {
  const { MODELOG_ADMIN_KEY: key, DATA_DIR: folder = './data' } = process.env;
  const file = path.join(folder, 'admin-key');
  const kept = key === undefined ? await readFile(file, 'utf8').catch(() => null) : key;
  if (kept === null)
    throw new Stopped(
      `No admin key in ${file}: start a registry by npm start, or set MODELOG_ADMIN_KEY`,
    );
  return kept.trim();
}

async function play(url: string): Promise<void> {
  const admin = await adminKey();
  const say = (color: 'bold' | 'green' | 'red' | 'dim', text: string): void =>
    console.log(styleText(color, text));

  /** Somebody asks; what is refused is told with what a person needs next. */
  async function ask(
    who: string,
    key: string,
    method: string,
    to: string,
    body: object | null,
    told: string,
  ): Promise<Body> {
    const response = await fetch(`${url}/api/v1${to}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: body === null ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(requestTimeoutMs),
    }).catch((cause: unknown) => {
      throw new Stopped(
        `No registry answers at ${url}. Start one by npm start, or say where it listens: --url http://127.0.0.1:PORT`,
        { cause },
      );
    });
    const answer = (await response.json()) as Body;
    console.log(`\n${styleText('bold', who)} ${told}`);
    if (response.ok) {
      const shown = ['stage', 'state', 'missing_approvals', 'status', 'strategy', 'traffic_percent']
        .flatMap((field) =>
          answer[field] === undefined ? [] : [`${field} ${JSON.stringify(answer[field])}`],
        )
        .join(', ');
      say('green', `  ✓ ${shown}`);
    } else {
      const { type: _type, status: _status, title, code, ...facts } = answer;
      say('red', `  ✗ ${String(code)}: ${String(title)}`);
      say('dim', `    ${JSON.stringify(facts)}`);
    }
    return answer;
  }

  const run = Date.now().toString(36);
  const model = `churn-${run}`;
  const keys = new Map<string, string>();
  for (const [name, role] of [
    ['ana', 'producer'],
    ['bea', 'producer'],
    ['mo', 'approver'],
    ['eve', 'approver'],
    ['dan', 'deployer'],
  ] as const) {
    const body = { subject: `${name}-${run}`, role };
    const issued = await ask(
      'the admin',
      admin,
      'POST',
      '/api-keys',
      body,
      `gives ${name} a key as ${role}`,
    );
    keys.set(name, String(issued['secret']));
  }
  const as = (who: string, method: string, to: string, body: object | null, told: string) =>
    ask(who, keys.get(who)!, method, to, body, told);
  const version = `/models/${model}/versions`;
  const register = (label: string, digit: string, accuracy: number) =>
    as(
      'ana',
      'POST',
      version,
      {
        label,
        content_digest: { sha256: digit.repeat(64) },
        artifact_uri: `s3://models/${model}/${label}`,
        release_notes: `Learns from November, ${label}.`,
        signature: { inputs: {}, outputs: {} },
        lineage: { data_versions: ['2026-11'] },
        evaluated_at: new Date().toISOString(),
        metrics: { accuracy },
      },
      `registers ${label} with an accuracy of ${accuracy}`,
    );
  const fit = async (label: string): Promise<void> => {
    await as('mo', 'POST', `${version}/${label}/approve`, {}, `says that ${label} is fit`);
    await as(
      'dan',
      'POST',
      `${version}/${label}/promote`,
      { to_stage: 'staging' },
      `promotes ${label} to staging`,
    );
  };
  const request = (label: string) =>
    as(
      'bea',
      'POST',
      `${version}/${label}/promotion-requests`,
      { to_stage: 'production', reason: 'the November release' },
      `asks for ${label} in production`,
    );
  const agreed = async (label: string): Promise<void> => {
    const { id } = await request(label);
    for (const who of ['mo', 'eve'])
      await as(
        who,
        'POST',
        `/promotion-requests/${String(id)}/decision`,
        { decision: 'approve' },
        `approves ${label}`,
      );
  };

  const { id } = await as(
    'ana',
    'POST',
    '/models',
    { name: model },
    `registers the model ${model}`,
  );
  const gate = { gate: 'metric', name: 'accuracy', operator: '>=', threshold: 0.9 };
  await ask(
    'the admin',
    admin,
    'PUT',
    `/policies/model:${String(id)}`,
    { preset: 'strict', gates: [gate] },
    'asks strictly: two approvals, and an accuracy of 0.9',
  );
  await register('v1', '1', 0.85);
  await fit('v1');
  await request('v1');
  await register('v2', '2', 0.94);
  await fit('v2');
  await as(
    'dan',
    'POST',
    `${version}/v2/promote`,
    { to_stage: 'production' },
    'tries to promote v2 without asking anybody',
  );
  await agreed('v2');
  await register('v3', '3', 0.97);
  await fit('v3');
  await agreed('v3');
  const place = { environment: 'production', status: 'deployed' };
  await as(
    'dan',
    'POST',
    `${version}/v3/deployments`,
    { ...place, strategy: 'canary', traffic_percent: 10 },
    'tries v3 as a canary with a tenth of the traffic',
  );
  await as(
    'dan',
    'POST',
    `/models/${model}/rollback`,
    { reason: 'the canary answers too slowly' },
    'rolls back',
  );
  console.log();
}

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8003' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(usage);
else
  await play(values.url).catch((error: unknown) => {
    if (!(error instanceof Stopped)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  });
