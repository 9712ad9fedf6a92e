import { GraphDraft } from "../graph/draft.ts";
import { mapSubgraphs, withGraph } from "../graph/edit.ts";
import type { Graph, Model, Node } from "../graph/model.ts";
import { inferTypes } from "../ops/infer-types.ts";

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

/** Options of {@link graphPass}. */
export interface GraphPassOptions {
  /** Fill in inferred types before the edit, so that `draft.type` knows shapes. Costs an inference over the model. */
  readonly types?: boolean;
  /** Only the outermost graph; otherwise subgraphs are edited too, innermost first. */
  readonly outermostOnly?: boolean;
}

/**
 * Makes a pass from an edit of one graph: drafts, subgraphs, sites and the report are taken care of.
 *
 * @example
 * export function dropDropout(): Pass {
 *   return graphPass("drop-dropout", "Removes Dropout, which does nothing at inference", (draft, log) => { ... });
 * }
 */
export function graphPass(
  name: string,
  says: string,
  edit: (draft: GraphDraft, log: PassLog, model: Model) => void,
  options: GraphPassOptions = {},
): Pass {
  return {
    name,
    says,
    run(model, context) {
      const changes: Change[] = [];
      const declined: Declined[] = [];
      const source = options.types ? inferTypes(model) : model;
      const visit = (graph: Graph, path: string): Graph => {
        const nodes = options.outermostOnly
          ? graph.nodes
          : graph.nodes.map((node) =>
              mapSubgraphs(node, (inner, attribute) => visit(inner, `${path}${node.name}.${attribute}/`)),
            );
        const draft = new GraphDraft(nodes.some((n, i) => n !== graph.nodes[i]) ? { ...graph, nodes } : graph);
        const siteOf = (rule: string, node: Node): string => `${rule}@${path}${node.name}`;
        edit(
          draft,
          {
            may: (rule, node) => context.allow(siteOf(rule, node)),
            changed: (rule, node, what) => {
              changes.push({ site: siteOf(rule, node), rule, node: node.name, ...(what === undefined ? {} : { says: what }) });
            },
            declined: (rule, node, why) => {
              declined.push({ site: siteOf(rule, node), rule, node: node.name, why });
            },
          },
          source,
        );
        return draft.finish();
      };
      const graph = visit(source.graph, "");
      const unchanged = changes.length === 0;
      return { model: unchanged ? model : withGraph(source, graph), report: { pass: name, changes, declined } };
    },
  };
}
