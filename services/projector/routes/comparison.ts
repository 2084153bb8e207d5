// Reading versions of a model side by side.
import { z } from 'zod';
import { compareVersions } from '#events/model/comparison.ts';
import type { WantedMetric } from '#events/model/comparison.ts';
import type { Version } from '#events/model/version-row.ts';
import { asOfQuery } from '#infra/http/as-of-query.ts';
import { Problem } from '#infra/http/problems.ts';
import type { HttpServer } from '#infra/http/server.ts';
import { freshnessQuery } from './freshly.ts';
import { filterText, pathPart, recallFresh, sendAbout, sendResource } from './reading.ts';
import type { Reading } from './reading.ts';
import { openThen } from './then.ts';

/** An answer holds what differs between all of them, so there is an end to how many they are. */
const comparedMax = 10;
const metricsAskedMax = 20;
const namesCharactersMax = 2_048;

const compareQuery = z
  .strictObject({
    versions: z.string().min(1).max(namesCharactersMax).optional(),
    version1: pathPart.optional(),
    version2: pathPart.optional(),
    metric: z.union([filterText, z.array(filterText).max(metricsAskedMax)]).optional(),
    ...freshnessQuery,
    ...asOfQuery,
  })
  .superRefine(({ versions, version1, version2 }, context) => {
    const fault = (parameter: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [parameter], message });
    if (versions !== undefined && (version1 ?? version2) !== undefined)
      fault('versions', 'go by versions, or by version1 and version2');
    else if (versions === undefined && version1 === undefined)
      fault('versions', 'names the versions to compare; or version1 and version2 do');
    else if (versions === undefined && version2 === undefined)
      fault('version2', 'is needed beside version1');
    if (versions === undefined) return;
    const names = namesOf(versions);
    if (names.length < 2 || names.length > comparedMax)
      fault('versions', `must name 2 to ${comparedMax} versions, between commas`);
    if (!names.every((name) => pathPart.safeParse(name).success))
      fault('versions', 'holds what can name no version');
  });
type CompareQuery = z.infer<typeof compareQuery>;

const namesOf = (versions: string): string[] => versions.split(',').map((name) => name.trim());

/** `latency_ms:min`, `f1_score:max`, or the name alone. */
function wantedOf(metric: CompareQuery['metric']): WantedMetric[] {
  return [metric ?? []].flat().map((asked) => {
    const direction = /:(min|max)$/.exec(asked)?.[1];
    if (direction === undefined) return { name: asked, better: null };
    const better = direction === 'min' ? 'lower' : 'higher';
    return { name: asked.slice(0, -':min'.length), better };
  });
}

/** A version as the head of its column. */
const named = ({ facts, stage, readiness, is_default }: Version) => ({
  id: facts.version_id,
  number: facts.number,
  label: facts.label,
  version: facts.label ?? String(facts.number),
  stage,
  readiness,
  is_default,
});

type Place = { model_id: string; name: string; position: number; stream_version: number };

/** @throws Problem `invalid` where two names mean the same version */
function comparisonResource(place: Place, compared: readonly Version[], query: CompareQuery) {
  const numbers = new Set(compared.map(({ facts }) => facts.number));
  if (numbers.size < compared.length)
    throw new Problem('invalid', {
      errors: [{ pointer: '?versions', message: 'must name each version once' }],
    });
  const { champion, ...comparison } = compareVersions(
    compared.map(({ facts }) => facts),
    wantedOf(query.metric),
  );
  const versions = compared.map(named);
  const { by, outcome } = champion;
  const best = versions.find(({ number }) => number === champion.number) ?? null;
  return {
    model_id: place.model_id,
    model_name: place.name,
    versions,
    ...comparison,
    champion: { by, outcome, version: best },
    position: place.position,
    stream_version: place.stream_version,
  };
}

export function comparisonRoutes(server: HttpServer, reading: Reading): void {
  const { find } = reading;
  const then = openThen(reading);

  server.get(
    '/models/:model/compare',
    {
      config: { permission: 'registry:read' },
      schema: {
        summary: 'Versions of a model side by side: metrics with the better one, and what differs',
        description:
          '`versions=2,3` names two to ten versions by number, label, id, `default`, `latest` or `@alias`; two are also named by `version1` and `version2`, which is the way for a label with a comma. Each row says `same`, `changed` or `only_in_some`; differences are from the version that is named first. `metric=name:min`, `name:max` or `name` says what is better and decides the `champion`; without it a name tells by its words (docs/insight.md), and the champion is nowhere worse than another.',
        tags: ['insight'],
        params: z.strictObject({ model: pathPart }),
        querystring: compareQuery,
      },
    },
    async (request, reply) => {
      const { principal, query } = request;
      const { model } = request.params;
      const { versions: listed, version1, version2, as_of } = query;
      const names = listed === undefined ? [version1!, version2!] : namesOf(listed);
      if (as_of !== undefined) {
        const asked = { model, versions: names };
        const { place, versions } = await then.named(reply, principal, asked, as_of);
        return sendResource(reply, comparisonResource(place, versions, query));
      }
      const kept = await recallFresh(reading, request, reply, model);
      return await sendAbout(reading, request, reply, kept, async () => {
        const found = await Promise.all(
          names.map(async (version) => {
            const one = await find.version(principal, model, version);
            if (one === null) throw new Problem('model_not_found', { model });
            if (one.version === null) throw new Problem('version_not_found', { version });
            return { place: one.model, version: one.version };
          }),
        );
        // where they were read in several moments, the answer is at least as new as the oldest of them
        const { place } = found.reduce((oldest, one) =>
          one.place.stream_version < oldest.place.stream_version ? one : oldest,
        );
        const compared = found.map(({ version }) => version);
        return { place, resource: comparisonResource(place, compared, query) };
      });
    },
  );
}
