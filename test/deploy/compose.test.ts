// docker-compose.yml, the image and the proxy fit the code: no Docker engine is asked, so each word in them is checked.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { allSettings, type Settings } from '#infra/settings.ts';

type Service = {
  build?: { context: string; dockerfile: string };
  command?: string[];
  depends_on?: Record<string, { condition: string }>;
  environment?: Record<string, string | number | null>;
  healthcheck?: { test: string[] };
  image?: string;
  ports?: string[];
  volumes?: (string | { source: string })[];
};
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> };

function read(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
}

function isInRepository(path: string): boolean {
  return existsSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)));
}

/** As Compose does: `${NAME:-default}` is its default, and a required variable has some value. */
function interpolated(text: string): string {
  return text.replaceAll(
    /\$\{\w+(?::([-?])([^}]*))?\}/g,
    (_match, operator: string, rest: string) => (operator === '-' ? rest : 'set'),
  );
}

const text = read('docker-compose.yml');
const compose = parse(interpolated(text), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const ours = services.filter(([, service]) => service.build !== undefined);
const dockerfile = read('infra/deploy/Dockerfile');
const packageJson = JSON.parse(read('package.json')) as {
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
  version: string;
};

// Where each service listens unless told otherwise.
const defaultPorts = { 'command-api': 8003, projector: 8004, retention: 8005 };

/** The names of the settings that a service reads. */
async function settingsOf(service: string): Promise<string[]> {
  const config = (await import(`../../services/${service}/config.ts`)) as { settings: Settings };
  return Object.keys(config.settings);
}

describe('docker-compose.yml', () => {
  const isValid = addFormats
    .default(new Ajv2020({ strict: false }))
    .compile(JSON.parse(read('infra/deploy/compose-spec.json')) as object);

  test('is what the Compose Specification allows', () => {
    isValid(compose);
    expect(isValid.errors).toBeNull();
  });

  test('would be refused with a misspelt word or a wrong type in it', () => {
    const planted = structuredClone(compose);
    Object.assign(planted.services['projector']!, { helthcheck: {} });
    expect(isValid(planted)).toBe(false);
    expect(isValid({ ...compose, services: { projector: { ports: 8004 } } })).toBe(false);
  });

  test('runs the three services, each by a file that is there and that its npm script runs too', () => {
    expect(ours.map(([name]) => name)).toEqual(Object.keys(defaultPorts));
    for (const [name, { command }] of ours) {
      expect(command?.at(-1)).toBe(`services/${name}/main.ts`);
      expect(packageJson.scripts[`start:${name}`]).toBe(command?.join(' '));
      expect(isInRepository(`services/${name}/main.ts`)).toBe(true);
    }
  });

  test('builds them from a Dockerfile that is there', () => {
    expect(ours).not.toHaveLength(0);
    for (const [, { build, image }] of ours) {
      expect(isInRepository(build!.dockerfile)).toBe(true);
      expect(image).toBe(`modelog:${packageJson.version}`);
    }
  });

  test('lets each service listen on its default port, outside of the container too', () => {
    for (const [name, { environment }] of ours) {
      expect(environment).toMatchObject({
        HOST: '0.0.0.0',
        PORT: defaultPorts[name as keyof typeof defaultPorts],
      });
    }
  });

  test.each(ours)('sets nothing that %s does not know', async (name, { environment }) => {
    const known = await settingsOf(name);
    expect(Object.keys(environment!).filter((variable) => !known.includes(variable))).toEqual([]);
  });

  test('does not start without its keys, and names each variable that it reads in .env.example', () => {
    const example = read('.env.example');
    const variables = [...text.matchAll(/\$\{(\w+)(:[-?])?/g)];
    expect(variables).not.toHaveLength(0);
    for (const [, name, operator] of variables) {
      expect(example).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
      expect(`${name}${operator}`).toBe(`${name}${/KEY|PASSWORD/.test(name!) ? ':?' : ':-'}`);
    }
  });

  test('waits only for services that it has and that tell their health', () => {
    const waits = services.flatMap(([, service]) => Object.entries(service.depends_on ?? {}));
    expect(waits).not.toHaveLength(0);
    for (const [awaited, { condition }] of waits) {
      expect(condition).toBe('service_healthy');
      expect(compose.services).toHaveProperty([awaited, 'healthcheck']);
    }
  });

  test('asks for health by programs and paths that are there', () => {
    const operations = read('infra/http/operations.ts');
    const silent = services.filter(([, { healthcheck }]) => healthcheck === undefined);
    expect(silent).toEqual([]);
    for (const [, { healthcheck }] of ours) {
      expect(healthcheck!.test).toEqual(['CMD', 'node', 'infra/deploy/check-ready.ts']);
    }
    expect(isInRepository('infra/deploy/check-ready.ts')).toBe(true);
    expect(read('infra/deploy/check-ready.ts')).toContain('/ready`');
    expect(operations).toContain(`get('/ready'`);
    const proxyUrl = new URL(compose.services['proxy']!.healthcheck!.test.at(-1)!);
    expect(proxyUrl.port).toBe('8003');
    expect(operations).toContain(`get('${proxyUrl.pathname}'`);
  });

  test('keeps data in volumes that it declares, and mounts files that are there', () => {
    const mounts = services.flatMap(([, service]) => service.volumes ?? []);
    const sources = mounts.map((mount) =>
      typeof mount === 'string' ? mount.split(':')[0]! : mount.source,
    );
    const volumes = sources.filter((source) => !source.startsWith('.'));
    expect(volumes.sort()).toEqual(Object.keys(compose.volumes).sort());
    const files = sources.filter((source) => source.startsWith('.'));
    expect(files).not.toHaveLength(0);
    expect(files.filter((file) => !isInRepository(file))).toEqual([]);
  });

  test('publishes ports on the loopback address alone', () => {
    const published = services.flatMap(([, service]) => service.ports ?? []);
    expect(published).toContain('127.0.0.1:8003:8003');
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});

describe('the proxy', () => {
  test('sends requests to services by their names and ports', () => {
    const targets = [...read('infra/deploy/Caddyfile').matchAll(/import service ([\w-]+):(\d+)/g)];
    const named = targets.map(([, name, port]) => [name, Number(port)]);
    expect(named).toEqual([
      ['command-api', defaultPorts['command-api']],
      ['command-api', defaultPorts['command-api']],
      ['command-api', defaultPorts['command-api']],
      ['retention', defaultPorts.retention],
      ['projector', defaultPorts.projector],
    ]);
  });
});

describe('the image', () => {
  test('has the Node that package.json pins', () => {
    const version = packageJson.dependencies['node'];
    expect(dockerfile).toMatch(new RegExp(`^FROM node:${version?.replaceAll('.', '\\.')}-`, 'm'));
  });

  test('copies what is there, with every layer that a service may import', () => {
    const copied = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, files]) =>
      files!.split(' '),
    );
    expect(copied).toEqual(expect.arrayContaining(['events', 'infra', 'services']));
    const allowed = read('infra/deploy/Dockerfile.dockerignore').split('\n');
    expect(copied.filter((file) => !isInRepository(file))).toEqual([]);
    expect(allowed).toEqual(expect.arrayContaining(copied.map((file) => `!${file}`)));
  });

  test('runs as nobody in particular, and tells its health', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(/^ {2}CMD \["node", "infra\/deploy\/check-ready\.ts"\]$/m);
    expect(dockerfile).toMatch(/^CMD \["node", "services\/command-api\/main\.ts"\]$/m);
  });

  test('exposes the services’ ports', () => {
    expect(dockerfile).toMatch(
      new RegExp(`^EXPOSE ${Object.values(defaultPorts).join(' ')}$`, 'm'),
    );
  });
});

test('.env.example names every setting', () => {
  const example = read('.env.example');
  const names = Object.keys(allSettings);
  expect(names).not.toHaveLength(0);
  for (const name of names) expect(example).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
});
