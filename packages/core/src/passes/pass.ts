import type { Dim } from "../graph/dim.ts";
import { GraphDraft, namesOf, type OuterScope } from "../graph/draft.ts";
import { mapSubgraphs, withGraph } from "../graph/edit.ts";
import type { Graph, Model, Node } from "../graph/model.ts";
import { eachGraph } from "../graph/walk.ts";
import { type InferResult, inferGraph } from "../ops/infer.ts";

/** One rewrite that a pass made. `site` is stable from run to run: bisection names rewrites by it. */
export interface Change {
  /** `rule@path/of/graphs/node`. */
  readonly site: string;
  readonly rule: string;
  /** Node the rewrite is anchored at, as it was called before. */
  readonly node: string;
  /** What was done there, in a few words. */
  readonly says?: string;
}

/** A rewrite that looked possible and was not made. */
export interface Declined {
  readonly site: string;
  readonly rule: string;
  readonly node: string;
  readonly why: string;
}

/** What one run of a pass did. */
export interface PassReport {
  readonly pass: string;
  readonly changes: readonly Change[];
  readonly declined: readonly Declined[];
}

/** What the pipeline tells a pass. */
export interface PassContext {
  /** False for rewrites that must not be made again, because they failed their proof. */
  allow(site: string): boolean;
}

/** A pure function from model to model, with a name. The input is not touched and weights are shared by reference. */
export interface Pass {
  readonly name: string;
  /** One line for `--help` and reports. */
  readonly says: string;
  run(model: Model, context: PassContext): { readonly model: Model; readonly report: PassReport };
}

/** A context that allows everything. */
export const ALLOW_ALL: PassContext = { allow: () => true };

/** Where a pass writes down what it does in one graph. */
export interface PassLog {
  /** Asks, before anything is changed, whether a rewrite may be made at a node. */
  may(rule: string, node: Node): boolean;
  /** Records a rewrite that was made. */
  changed(rule: string, node: Node, says?: string): void;
  /** Records a rewrite that looked possible and was left, and why. */
  declined(rule: string, node: Node, why: string): void;
}

/** What inference knows before a pass edits a graph. Values made or renamed meanwhile are not in it. */
export interface Facts {
  /** The model as the pass was given it. */
  readonly model: Model;
  /** Whether the graph being edited is the model's own and not one of its subgraphs. */
  readonly outermost: boolean;
  /** The elements of a small integer value as sizes: numbers, symbolic, or "?". */
  dims(name: string): readonly Dim[] | undefined;
  /** How often a name is defined in the whole model, in sibling branches for example. */
  definitions(name: string): number;
}

/** Options of {@link graphPass}. */
export interface GraphPassOptions {
  /** Infer types before the edit, so that `draft.type` and `facts.dims` know shapes. Costs an inference over the model, shared with passes that change nothing. */
  readonly types?: boolean;
  /** Only the outermost graph; otherwise subgraphs are edited too, innermost first. */
  readonly outermostOnly?: boolean;
}

const inferred = new WeakMap<Graph, InferResult>();

/** Inference over a graph, remembered for as long as the graph lives: passes in a row that change nothing share one. */
export function inferOnce(graph: Graph): InferResult {
  let result = inferred.get(graph);
  if (result === undefined) {
    result = inferGraph(graph);
    inferred.set(graph, result);
  }
  return result;
}

function countDefinitions(graph: Graph): (name: string) => number {
  let counts: Map<string, number> | undefined;
  return (name) => {
    if (counts === undefined) {
      const all = new Map<string, number>();
      const add = (defined: string): void => {
        all.set(defined, (all.get(defined) ?? 0) + 1);
      };
      eachGraph(graph, (g) => {
        for (const input of g.inputs) add(input.name);
        for (const constant of g.constants.keys()) add(constant);
        for (const node of g.nodes) for (const output of node.outputs) add(output);
      });
      counts = all;
    }
    return counts.get(name) ?? 0;
  };
}

/** What the drafts of one run share. */
interface Run {
  readonly model: Model;
  readonly taken: Set<string>;
  readonly definitions: (name: string) => number;
  readonly results: ReadonlyMap<Graph, InferResult> | undefined;
  readonly log: (path: string) => PassLog;
}

/** A graph around the one being edited, as it was before the pass. */
interface Outer {
  readonly graph: Graph;
  readonly result: InferResult | undefined;
  readonly inside: Outer | undefined;
}

function lookOutside<T>(outer: Outer | undefined, find: (o: Outer) => T | undefined): T | undefined {
  for (let o = outer; o !== undefined; o = o.inside) {
    const found = find(o);
    if (found !== undefined) return found;
  }
  return undefined;
}

function outerScope(outer: Outer | undefined, taken: Set<string>): OuterScope {
  return {
    taken,
    constant: (name) =>
      lookOutside(outer, (o) => (o.graph.inputs.some((i) => i.name === name) ? undefined : o.graph.constants.get(name))),
    type: (name) =>
      lookOutside(
        outer,
        (o) => o.result?.types.get(name) ?? o.graph.types.get(name) ?? o.graph.inputs.find((i) => i.name === name)?.type,
      ),
  };
}

/**
 * Makes a pass from an edit of one graph: drafts, subgraphs, sites and the report are taken care of. Subgraphs see the constants and types of the
 * graphs around them.
 *
 * @example
 * export function dropDropoutPass(): Pass {
 *   return graphPass("drop-dropout", "Removes Dropout, which does nothing at inference", (draft, log) => { ... });
 * }
 */
export function graphPass(
  name: string,
  says: string,
  edit: (draft: GraphDraft, log: PassLog, facts: Facts) => void,
  options: GraphPassOptions = {},
): Pass {
  const visit = (graph: Graph, at: { readonly outer: Outer | undefined; readonly path: string }, run: Run): Graph => {
    const result = run.results?.get(graph);
    const here: Outer = { graph, result, inside: at.outer };
    const nodes = options.outermostOnly
      ? graph.nodes
      : graph.nodes.map((node) =>
          mapSubgraphs(node, (inner, attribute) =>
            visit(inner, { outer: here, path: `${at.path}${node.name}.${attribute}/` }, run),
          ),
        );
    const innerChanged = nodes.some((n, i) => n !== graph.nodes[i]);
    const source = innerChanged || result !== undefined ? { ...graph, nodes, types: result?.types ?? graph.types } : graph;
    const draft = new GraphDraft(source, outerScope(at.outer, run.taken));
    edit(draft, run.log(at.path), {
      model: run.model,
      outermost: at.outer === undefined,
      dims: (value) => lookOutside(here, (o) => o.result?.values.get(value)),
      definitions: run.definitions,
    });
    if (!draft.isChanged && !innerChanged) return graph;
    const done = draft.finish();
    const outputs = done.outputs.map((o) => ({ ...o, type: result?.types.get(o.name) ?? o.type }));
    return { ...done, outputs };
  };
  return {
    name,
    says,
    run(model, context) {
      const changes: Change[] = [];
      const declined: Declined[] = [];
      let results: Map<Graph, InferResult> | undefined;
      if (options.types) {
        const result = inferOnce(model.graph);
        results = new Map([...result.subgraphs, [model.graph, result] as const]);
      }
      const log = (path: string): PassLog => {
        const siteOf = (rule: string, node: Node): string => `${rule}@${path}${node.name}`;
        return {
          may: (rule, node) => context.allow(siteOf(rule, node)),
          changed: (rule, node, what) => {
            changes.push({ site: siteOf(rule, node), rule, node: node.name, ...(what === undefined ? {} : { says: what }) });
          },
          declined: (rule, node, why) => {
            declined.push({ site: siteOf(rule, node), rule, node: node.name, why });
          },
        };
      };
      const run: Run = { model, taken: namesOf(model.graph), definitions: countDefinitions(model.graph), results, log };
      const graph = visit(model.graph, { outer: undefined, path: "" }, run);
      return { model: changes.length === 0 ? model : withGraph(model, graph), report: { pass: name, changes, declined } };
    },
  };
}
