// Free text comes out of the views as it went in, whatever characters stand in it, though many rows are written by one statement.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openApplier } from '#services/projector/apply.ts';
import { findServing, targetOf } from '#services/projector/generations.ts';
import { views } from '#services/projector/views.ts';
import { newVersion, openRegistry, registering } from './registry.ts';
import type { TestRegistry } from './registry.ts';

const hardTexts = [
  '',
  ' ',
  'NULL',
  'null',
  '"',
  '""',
  '\\',
  '\\\\"',
  ',',
  '{}',
  '{"a":[1,2]}',
  '{a,"b",NULL}',
  '(1,"2")',
  '\n\r\t',
  '\u001e',
  '\u0001\u007f\u2028',
  "'; drop table views.models_g1; --",
  '$1 %s \\x41 \\u0041',
  '😀 a\u0301 é ß 模型 \u{10ffff}',
  ' both ends ',
  '/',
  '//a/b/',
];

let registry: TestRegistry;
beforeAll(async () => {
  registry = await openRegistry();
});
afterAll(() => registry.close());

async function applyAll(): Promise<void> {
  const { log, writer } = registry;
  const applier = openApplier({
    target: targetOf(await findServing(writer), views),
    writer,
    readStream: log.readStream,
    failpoint: () => undefined,
  });
  const { parked } = await applier.apply(await log.readAll(0, 1_000), async () => undefined);
  expect(parked).toEqual([]);
}

test('names, teams, tags, labels, parents and what is counted by them hold every text', async () => {
  const models = await Promise.all(
    hardTexts.map(async (text) => {
      const fields = { framework: text, team: text, project: text, model_type: text };
      const facts = { ...fields, task: text, category: text, tags: { [text]: text, other: text } };
      const lineage = {
        parent_versions: [...hardTexts, text],
        data_versions: [text],
        code_version: text,
        run_id: text,
        experiment_id: text,
      };
      return await registry.register(
        registering(`name ${text}`, facts, newVersion(text, { lineage })),
      );
    }),
  );
  const rowsOf = async (columns: string, table: string): Promise<unknown[]> =>
    (
      await registry.pool.query({
        text: `select ${columns} from views.${table} t, unnest($1::uuid[]) with ordinality w(model_id, nth)
               where t.model_id = w.model_id order by nth`,
        values: [models.map(({ state }) => state.model!.model_id)],
        rowMode: 'array',
      })
    ).rows;
  const expectAll = async (teams: readonly string[]): Promise<void> => {
    await applyAll();
    expect(
      await rowsOf('name, framework, team, project, model_type, task, category, tags', 'models_g1'),
    ).toEqual(
      hardTexts.map((text, nth) => [
        `name ${text}`,
        text,
        teams[nth],
        text,
        text,
        text,
        text,
        { [text]: text, other: text },
      ]),
    );
    expect(await rowsOf("state::json ->> 'team'", 'models_g1')).toEqual(
      teams.map((text) => [text]),
    );
    expect(await rowsOf('label, parents', 'versions_g1')).toEqual(
      hardTexts.map((text, nth) => [
        text,
        hardTexts.map((parent) => `default own ${models[nth]!.state.model!.model_id}/${parent}`),
      ]),
    );
    const { rows: counters } = await registry.pool.query<{ key: string }>(
      `select key from views.stats_g1 where dimension = 'models_by_team' group by key having sum(count) = 1`,
    );
    expect(new Set(counters.map(({ key }) => key))).toEqual(new Set(teams));
  };

  await expectAll(hardTexts);
  const others = hardTexts.map((text) => `${text}, then "${text}"`);
  for (const [nth, model] of models.entries())
    await registry.tell(model, { type: 'UpdateModel', patch: { team: others[nth]! } });
  await expectAll(others);
});
