// The folder map: a folder is a step or an outside thing, and none is a drawer.
import { describe, expect, test } from 'vitest';
import { writtenPaths } from './tree.ts';

/** Folder → what may lie in it as folders; a folder that is not named here is its owner's affair. */
const map: Record<string, readonly string[]> = {
  '': ['clients', 'docs', 'events', 'infra', 'services', 'test'],
  'services/': ['command-api', 'gateway', 'projector', 'retention', 'standalone'],
  'infra/': ['artifacts', 'auth', 'deploy', 'http', 'kafka', 'local', 'postgres', 'telemetry'],
  'events/': ['experiment', 'model', 'policy', 'tenant'],
  'docs/': ['decisions'],
};
const needed = [
  'docs/decisions/',
  'events/model/',
  'infra/http/',
  'infra/kafka/',
  'infra/postgres/',
  'services/command-api/',
  'services/projector/',
  'services/retention/',
  'services/standalone/',
  'test/golden/',
  'test/rules/',
];

/** Names that say nothing of what lies in them. */
const drawer = /(^|\/)(utils?|helpers?|common|lib|managers?)(\/|\.[a-z]+$)/;
const drawers = (paths: readonly string[]): string[] => paths.filter((path) => drawer.test(path));

const strays = (paths: readonly string[]): string[] =>
  paths.filter((path) => {
    if (!path.endsWith('/')) return false;
    const [, parent, name] = /^(.*\/|)([^/]+)\/$/.exec(path)!;
    const allowed = map[parent!];
    return allowed !== undefined && !allowed.includes(name!);
  });

const paths = writtenPaths();

test('the law sees the folders', () => {
  expect(paths.filter((path) => path.endsWith('/')).length).toBeGreaterThan(25);
  expect(needed.filter((folder) => !paths.includes(folder))).toEqual([]);
});

test('every folder has its place on the map', () => expect(strays(paths)).toEqual([]));

test('no folder or file is a drawer', () => expect(drawers(paths)).toEqual([]));

test('each service shows the same way in', () => {
  const services = map['services/']!.filter((name) => paths.includes(`services/${name}/`));
  const wanted = services.flatMap((name) => [
    `services/${name}/main.ts`,
    `services/${name}/config.ts`,
  ]);
  expect(services.length).toBeGreaterThanOrEqual(4);
  expect(wanted.filter((file) => !paths.includes(file))).toEqual([]);
});

describe('a violation is found', () => {
  test.each(['src/', 'services/billing/', 'infra/redis/', 'events/utils/'])('%s', (folder) =>
    expect(strays(['events/', folder, 'events/model/'])).toEqual([folder]),
  );

  test.each([
    'infra/http/helpers/',
    'events/common.ts',
    'lib/',
    'services/a/manager.ts',
    'test/util.ts',
  ])('%s', (path) => expect(drawers(['infra/http/', path, 'events/library.ts'])).toEqual([path]));
});
