import type { GraphDraft } from "../graph/draft.ts";
import { renameUse } from "../graph/edit.ts";
import type { Graph, Model, Node } from "../graph/model.ts";
import { attrGraph, isOp, makeNode } from "../graph/node.ts";
import { fromNumbers } from "../graph/tensor.ts";
import { usedNames } from "../graph/walk.ts";
import { inferGraph } from "../ops/infer.ts";
import { type Facts, graphPass, type Pass, type PassLog } from "./pass.ts";
import { uniformValue } from "./values.ts";

/** Options of {@link resolveIfPass}. */
export interface ResolveIfOptions {
  /** Undecided conditions for which both branches are tried by inference; 0 tries none. Each costs two inferences over the model. */
  readonly maxTrials?: number;
}

/** Defaults of {@link ResolveIfOptions}. */
export const RESOLVE_IF_DEFAULTS = { maxTrials: 16 } as const;

/**
 * Puts the branch of an If in its place when the condition is constant, when it follows from the shapes, or when the other branch can never run: taking it
 * would give some node that every run needs an input that it must refuse (a recurrent layer with five dimensions, say). Such a model
 * only ever worked through one branch. Enters subgraphs for conditions that are known.
 */
export function resolveIfPass(options: ResolveIfOptions = {}): Pass {
  const maxTrials = options.maxTrials ?? RESOLVE_IF_DEFAULTS.maxTrials;
  return graphPass(
    "resolve-if",
    "Puts the only branch that can run in the place of an If",
    (draft, log, facts) => {
      let trials = 0;
      for (const node of draft.nodes()) {
        if (!isOp(node, "If")) continue;
        const current = draft.current(node) as Node;
        const condition = current.inputs[0] as string;
        const known = uniformValue(draft, condition) ?? facts.dims(condition)?.[0];
        if (typeof known === "number") {
          if (log.may("known-condition", node))
            inlineBranch(draft, current, { taken: known !== 0, facts, log, rule: "known-condition" });
          continue;
        }
        if (!facts.outermost) continue;
        if (trials++ >= maxTrials) {
          log.declined("impossible-branch", node, `more than ${maxTrials} undecided conditions`);
          continue;
        }
        const why = [true, false].map((taken) => whyImpossible(facts.model, node, taken));
        if ((why[0] === undefined) === (why[1] === undefined)) {
          log.declined(
            "impossible-branch",
            node,
            "its condition depends on the input, and inference finds nothing against either branch",
          );
          continue;
        }
        if (log.may("impossible-branch", node))
          inlineBranch(draft, current, {
            taken: why[0] === undefined,
            facts,
            log,
            rule: "impossible-branch",
            says: why[0] ?? why[1],
          });
      }
    },
    { types: true },
  );
}

/** Names of the nodes of the outermost graph that its outputs depend on. */
function neededNodes(graph: Graph): ReadonlySet<string> {
  const values = new Set(graph.outputs.map((o) => o.name));
  const nodes = new Set<string>();
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i] as Node;
    if (!node.outputs.some((o) => values.has(o))) continue;
    nodes.add(node.name);
    for (const name of usedNames(node)) values.add(name);
  }
  return nodes;
}

/** What a model that always takes this branch would certainly stumble over. Declared types are left out: no runtime enforces them. */
function whyImpossible(model: Model, node: Node, taken: boolean): string | undefined {
  const { graph } = model;
  const assumed = `${node.name} taken`;
  const trial: Graph = {
    ...graph,
    nodes: graph.nodes.map((n) => (n.name === node.name ? { ...n, inputs: [assumed] } : n)),
    outputs: graph.outputs.map((o) => ({ name: o.name, type: { kind: "opaque", record: undefined } })),
    constants: new Map([...graph.constants, [assumed, fromNumbers("bool", [], [taken ? 1 : 0])]]),
    types: new Map(),
  };
  const result = inferGraph(trial);
  if (result.problems.length === 0) return undefined;
  const inner = new Set([...result.subgraphs.values()].flatMap((r) => r.problems));
  const needed = neededNodes(graph);
  return result.problems.find((p) => !inner.has(p) && needed.has(p.node))?.error.message;
}

function inlineBranch(
  draft: GraphDraft,
  node: Node,
  at: {
    readonly taken: boolean;
    readonly facts: Facts;
    readonly log: PassLog;
    readonly rule: string;
    readonly says?: string | undefined;
  },
): void {
  const branch = attrGraph(node, at.taken ? "then_branch" : "else_branch");
  if (branch === undefined) return;
  // Names that siblings use too get fresh ones; the names of the If's outputs go to the nodes that make them now.
  const names = new Map<string, string>();
  const own = [...branch.constants.keys(), ...branch.nodes.flatMap((n) => n.outputs)].filter((name) => name !== "");
  for (const name of own) if (at.facts.definitions(name) > 1) names.set(name, draft.freshName(name));
  const made = new Set(branch.nodes.flatMap((n) => n.outputs));
  const handed: { readonly from: string; readonly to: string }[] = [];
  node.outputs.forEach((output, i) => {
    const inside = branch.outputs[i]?.name;
    if (output === "" || inside === undefined) return;
    const first = branch.outputs.findIndex((o) => o.name === inside) === i;
    if (made.has(inside) && first) names.set(inside, output);
    else handed.push({ from: inside, to: output });
  });
  const renamed = (name: string): string => names.get(name) ?? name;
  const targets = new Set(names.values());
  draft.remove(node);
  for (const [name, tensor] of branch.constants) draft.setConstant(renamed(name), tensor);
  for (const inner of branch.nodes) {
    let next: Node = { ...inner, outputs: inner.outputs.map(renamed) };
    // A name that another one is about to take goes first.
    const uses = [...usedNames(inner)]
      .filter((name) => names.has(name))
      .sort((a, b) => Number(targets.has(b)) - Number(targets.has(a)));
    for (const name of uses) next = renameUse(next, name, renamed(name));
    draft.add(next, node);
  }
  for (const { from, to } of handed) {
    if (draft.isOutput(to)) draft.add(makeNode("Identity", { inputs: [renamed(from)], outputs: [to] }), node);
    else draft.renameUses(to, renamed(from));
  }
  at.log.changed(
    at.rule,
    node,
    `${at.taken ? "then" : "else"} branch${at.says === undefined ? "" : `: the other one ${at.says}`}`,
  );
}
