// Walks from a version to what it was made from, and to what was made from it, and draws it as nodes and edges. Both ways have an
// end: a number of steps, and a number of things; what lies beyond is named where the walk stopped.
import { parentKey, parentRef } from '#events/model/lineage.ts';
import type { Caller } from './answers.ts';
import { keysOf } from './relatives.ts';
import type { Child, Relative, Relatives } from './relatives.ts';

/** A picture of more is none. */
const versionsMax = 200;
const nodesMax = 2_000;
/** Children that are looked at in one step. */
const childrenMax = 1_000;
/** Of what lies beyond, so much is named at each place. */
const namesMax = 100;

/** `name` is what the version calls it, or for a person to know it by. */
type Node = { id: string; type: string; name: string } & Record<string, unknown>;
/** From what was there first to what was made of it. */
type Edge = { from: string; to: string; type: string };
/** What the walk did not go into, by its names; `more`: there is still more than these. */
type Truncated = { node: string; what: string; names: string[]; more: boolean };
export type Lineage = { nodes: Node[]; edges: Edge[]; truncated: Truncated[] };

const idOf = ({ version }: Relative): string => `version:${version.facts.version_id}`;
const nameOf = ({ model_name, number, label }: Child): string => `${model_name}/${label ?? number}`;

function openGraph(caller: Caller) {
  const nodes = new Map<string, Node>();
  const edges: Edge[] = [];
  /** The types of the edges that there are, by where they lead from and to. */
  const connected = new Map<string, Map<string, Set<string>>>();
  const truncated: Truncated[] = [];
  /** The same, by node and by what lies beyond it. */
  const truncatedAt = new Map<string, Map<string, Truncated>>();
  const versionByKey = new Map<string, string>();
  let versions = 0;

  function connect(from: string, to: string, type: string): void {
    const types = connected
      .getOrInsertComputed(from, () => new Map<string, Set<string>>())
      .getOrInsertComputed(to, () => new Set());
    if (types.has(type)) return;
    types.add(type);
    edges.push({ from, to, type });
  }

  function beyond(node: string, what: string): Truncated {
    return truncatedAt
      .getOrInsertComputed(node, () => new Map<string, Truncated>())
      .getOrInsertComputed(what, () => {
        const made = { node, what, names: [], more: false };
        truncated.push(made);
        return made;
      });
  }

  function truncate(node: string, what: string, name: string): void {
    const there = beyond(node, what);
    if (there.names.length < namesMax) there.names.push(name);
    else there.more = true;
  }

  /** Something that a version names, before it or after it. */
  function attach(of: string, node: Node, type: string, isAfter = false): void {
    if (!nodes.has(node.id) && nodes.size >= nodesMax) return truncate(of, node.type, node.name);
    if (!nodes.has(node.id)) nodes.set(node.id, node);
    if (isAfter) connect(of, node.id, type);
    else connect(node.id, of, type);
  }

  /** @returns whether the version was new, and there was room for it */
  function add(relative: Relative): boolean {
    const id = idOf(relative);
    if (nodes.has(id) || versions >= versionsMax) return false;
    versions++;
    const { model_id, model_name, version } = relative;
    const { facts } = version;
    nodes.set(id, {
      id,
      type: 'version',
      name: `${model_name}/${facts.label ?? facts.number}`,
      model_id,
      model_name,
      version_id: facts.version_id,
      number: facts.number,
      label: facts.label,
      version: facts.label ?? String(facts.number),
      stage: version.stage,
      deleted_at: version.deleted_at,
    });
    for (const key of keysOf(caller.tenant, relative)) versionByKey.set(key, id);
    attach(id, { id: `model:${model_id}`, type: 'model', model_id, name: model_name }, 'holds');
    const made = (type: string, name: string | null, edge: string): void => {
      if (name !== null) attach(id, { id: `${type}:${name}`, type, name }, edge);
    };
    for (const name of facts.lineage.data_versions) made('data', name, 'trained');
    made('code', facts.lineage.code_version, 'built');
    made('experiment', facts.lineage.experiment_id, 'produced');
    made('run', facts.lineage.run_id, 'produced');
    for (const { deployment_id, environment, region, status } of version.live)
      attach(
        id,
        {
          id: `deployment:${deployment_id}`,
          type: 'deployment',
          name: environment,
          deployment_id,
          environment,
          region,
          status,
        },
        'deployed',
        true,
      );
    return true;
  }

  return {
    add,
    attach,
    truncate,
    leaveMore: (node: string, what: string): void => void (beyond(node, what).more = true),
    has: (relative: Relative): boolean => nodes.has(idOf(relative)),
    /** The node of a version that is drawn already, by how it is named as a parent. */
    known: (key: string): string | undefined => versionByKey.get(key),
    descend: (parent: string, child: string): void => connect(parent, child, 'parent_of'),
    drawn: (): Lineage => ({
      nodes: [...nodes.values()],
      edges,
      truncated,
    }),
  };
}
type Graph = ReturnType<typeof openGraph>;

export async function walkLineage(
  relatives: Relatives,
  caller: Caller,
  root: Relative,
  depth: number,
): Promise<Lineage> {
  const graph = openGraph(caller);
  graph.add(root);
  await walkToParents(graph, relatives, caller, root, depth);
  await walkToChildren(graph, relatives, caller, root, depth);
  return graph.drawn();
}

async function walkToParents(
  graph: Graph,
  relatives: Relatives,
  caller: Caller,
  root: Relative,
  depth: number,
): Promise<void> {
  let level = [root];
  for (let step = 0; level.length > 0; step++) {
    const unknown = level.flatMap((child) => {
      const { model_id, lineage } = child.version.facts;
      return lineage.parent_versions.flatMap((written) => {
        const ref = parentRef(written, model_id);
        const parent = graph.known(parentKey(caller.tenant, ref));
        if (parent !== undefined) graph.descend(parent, idOf(child));
        return parent === undefined ? [{ child: idOf(child), written, ref }] : [];
      });
    });
    if (step === depth) {
      for (const { child, written } of unknown) graph.truncate(child, 'parents', written);
      return;
    }
    const found = await relatives.parents(
      caller,
      unknown.map(({ ref }) => ref),
    );
    level = [];
    for (const [nth, parent] of found.entries()) {
      const { child, written } = unknown[nth]!;
      if (parent === null)
        graph.attach(
          child,
          { id: `external:${written}`, type: 'external', name: written },
          'parent_of',
        );
      else {
        if (graph.add(parent)) level.push(parent);
        if (graph.has(parent)) graph.descend(idOf(parent), child);
        else graph.truncate(child, 'parents', written);
      }
    }
  }
}

async function walkToChildren(
  graph: Graph,
  relatives: Relatives,
  caller: Caller,
  root: Relative,
  depth: number,
): Promise<void> {
  let level = [root];
  for (let step = 0; level.length > 0; step++) {
    const isBeyond = step === depth;
    const { children, areAll } = await relatives.children(caller, level, {
      named: childrenMax,
      whole: isBeyond ? 0 : versionsMax,
    });
    const next: Relative[] = [];
    for (const { model_id, model_name, is_deleted, version } of children) {
      const child = version && { model_id, model_name, is_deleted, version };
      if (child !== null && graph.add(child)) next.push(child);
    }
    for (const child of children) {
      const { model_id, number } = child;
      const drawn = graph.known(
        parentKey(caller.tenant, { by: 'own', model_id, version: String(number) }),
      );
      if (drawn !== undefined) graph.descend(idOf(child.parent), drawn);
      else graph.truncate(idOf(child.parent), 'children', nameOf(child));
    }
    if (!areAll) for (const parent of level) graph.leaveMore(idOf(parent), 'children');
    if (isBeyond) return;
    level = next;
  }
}
