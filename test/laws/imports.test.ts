// Who may know whom: the layers, the services, and the one file that knows kafkajs.
import { describe, expect, test } from 'vitest';
import { barrels, forbiddenImports, importsOf, knownTo } from './imports.ts';
import { sourceFiles } from './tree.ts';

const files = sourceFiles('.ts');
const planted = (path: string, text: string) => forbiddenImports([{ path, text }]);

test('the law sees the files, and what they import', () => {
  expect(files.length).toBeGreaterThan(100);
  const all = files.flatMap(importsOf);
  expect(all.length).toBeGreaterThan(500);
  // what names a file of the repository names one that is there
  const there = new Set(files.map((file) => file.path));
  const missing = all.filter((name) => name.endsWith('.ts') && !there.has(name));
  expect(missing).toEqual([]);
});

test('nobody imports what they must not', () => expect(forbiddenImports(files)).toEqual([]));

test('the projector never comes to know how it is decided', () => {
  const known = knownTo('services/projector/', files);
  expect(known).toContain('events/model/version-row.ts');
  expect(known).toContain('events/catalogue.ts');
  expect([...known].filter((name) => name.endsWith('/decide.ts'))).toEqual([]);
  expect(knownTo('services/command-api/', files)).toContain('events/model/decide.ts');
});

test('no file only passes on what others say', () => expect(barrels(files)).toEqual([]));

describe('a violation is found', () => {
  test.each([
    ['events/model/decide.ts', "import fs from 'node:fs';"],
    ['events/names.ts', "import { log } from '#infra/postgres/log.ts';"],
    ['events/names.ts', "import { z } from 'zod/mini';"],
    ['events/model/a.ts', "import { log } from '../../infra/postgres/log.ts';"],
    ['events/names.ts', "export { log } from '#infra/postgres/log.ts';"],
    ['events/names.ts', "const pg = await import('pg');"],
    ['infra/http/server.ts', "import type { Ask } from '#services/command-api/ask/ask.ts';"],
    ['services/retention/sweep.ts', "import { openAsk } from '#services/command-api/ask/ask.ts';"],
    ['services/retention/sweep.ts', "import { openAsk } from '../command-api/ask/ask.ts';"],
    ['services/retention/main.ts', "import { app } from '#services/command-api/app.ts';"],
    ['services/standalone/main.ts', "import { openAsk } from '#services/command-api/ask/ask.ts';"],
    [
      'services/standalone/main.ts',
      "import {\n  openAsk,\n} from '#services/command-api/ask/ask.ts';",
    ],
    ['services/projector/consume.ts', "import kafkajs from 'kafkajs';"],
    ['infra/kafka/codec.ts', "import 'kafkajs';"],
    ['services/retention/app.ts', "import { eventually } from '#test/eventually.ts';"],
    ['clients/cli/main.ts', "import { z } from '#events/names.ts';"],
  ])('in %s: %s', (path, text) => expect(planted(path, text)).toHaveLength(1));

  test.each([
    ['events/model/decide.ts', "import { z } from 'zod';\nimport { a } from '../names.ts';"],
    ['services/standalone/main.ts', "import { app } from '#services/command-api/app.ts';"],
    ['infra/kafka/broker.ts', "import kafkajs from 'kafkajs';"],
    [
      'infra/kafka/codec.ts',
      "import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';",
    ],
    // a broker's contract is shown by a client that is not the broker's own
    ['test/ports/broker.test.ts', "import { Kafka } from 'kafkajs';"],
    ['test/rules/a.test.ts', "import { given } from './scenario.ts';"],
  ])('and what is allowed is not: %s', (path, text) => expect(planted(path, text)).toEqual([]));

  test('of what is known by way of another', () => {
    const chain = [
      {
        path: 'services/projector/fold.ts',
        text: "import { a } from '#events/model/resource.ts';",
      },
      { path: 'events/model/resource.ts', text: "import { decide } from './decide.ts';" },
      { path: 'events/model/decide.ts', text: '' },
    ];
    expect(knownTo('services/projector/', chain)).toContain('events/model/decide.ts');
  });

  test('of a file that only passes on', () => {
    const texts = [
      "// All of it.\nexport * from './a.ts';",
      "export { a } from './a.ts';\nexport type { B } from './b.ts';\n",
    ];
    expect(barrels(texts.map((text) => ({ path: 'infra/all.ts', text })))).toHaveLength(2);
    expect(barrels([{ path: 'infra/index.ts', text: 'export const a = 1;' }])).toHaveLength(1);
    expect(
      barrels([{ path: 'infra/a.ts', text: "export { a } from './a.ts';\nexport const b = 1;" }]),
    ).toEqual([]);
  });
});
