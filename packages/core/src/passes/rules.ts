import { fail } from "../base/error.ts";
import { sameShape } from "../graph/dim.ts";
import type { GraphDraft } from "../graph/draft.ts";
import type { Attribute, Attributes, Graph, Node } from "../graph/model.ts";
import { type AttributeInput, attributes } from "../graph/node.ts";
import type { Tensor } from "../graph/tensor.ts";
import { parseGraph } from "../graph/text-parse.ts";
import { matchPattern } from "./match.ts";
import { graphPass, type Pass, type PassLog } from "./pass.ts";
import { shapeOf } from "./values.ts";

/** What a rule found: names of the graph by names of the pattern. */
export interface Match {
  readonly draft: GraphDraft;
  /** The value in the graph that a pattern name stands for. */
  value(name: string): string;
  /** The node that makes the value of a pattern name. */
  node(name: string): Node;
  /** The constant behind a pattern name, when it is one. */
  constant(name: string): Tensor | undefined;
}

/** What a rule computes for its replacement. */
export interface Computed {
  /** Constants by their name in the replacement; listed in {@link Rule.makes}. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Attributes added to the nodes of the replacement, by the name of the node's first output there. */
  readonly attributes?: Readonly<Record<string, Readonly<Record<string, AttributeInput | undefined>>>>;
}

/**
 * One rewrite as a table row. `match` and `replace` are graphs in the text form. Names that a pattern does not define stand for any value; a constant with
 * values stands for a constant whose elements all have that value; attributes that it does not write must have their default, and "*" accepts any.
 * The last node of the pattern is where it is anchored; what lies before must have no other reader.
 */
export interface Rule {
  readonly name: string;
  /** The rewrite in one line. */
  readonly says: string;
  readonly match: string;
  /** Further conditions: true, why it is declined, what the replacement needs, or false for what only looks like it and is not worth a word. */
  readonly when?: (match: Match) => boolean | string | Computed;
  readonly replace: string;
  /** Names of the constants that `when` computes. */
  readonly makes?: readonly string[];
}

/** A rule with its texts parsed. */
export interface ReadyRule {
  readonly rule: Rule;
  readonly pattern: Graph;
  readonly replacement: Graph;
}

function definedIn(graph: Graph): Set<string> {
  return new Set([...graph.constants.keys(), ...graph.nodes.flatMap((n) => n.outputs)]);
}

/**
 * Parses the rules of a table and checks them: one output each, and every name that a replacement reads is bound by the match, computed, or made by the
 * replacement itself. Done once, when the table is loaded.
 *
 * @throws TEXT_SYNTAX naming the rule
 */
export function readyRules(rules: readonly Rule[]): readonly ReadyRule[] {
  return rules.map((rule) => {
    const pattern = parseGraph(rule.match);
    const replacement = parseGraph(rule.replace);
    const problem = (why: string): Error => fail("TEXT_SYNTAX", `Cannot use rule ${rule.name}: ${why}`);
    if (pattern.outputs.length !== 1 || replacement.outputs.length !== 1) throw problem("it must have one output");
    if (pattern.nodes.at(-1)?.outputs[0] !== pattern.outputs[0]?.name)
      throw problem("the last node of the match must make its output");
    const inner = definedIn(pattern);
    const bound = new Set(pattern.nodes.flatMap((n) => n.inputs).filter((name) => !inner.has(name)));
    const own = definedIn(replacement);
    for (const name of [...replacement.nodes.flatMap((n) => n.inputs), (replacement.outputs[0] as { name: string }).name]) {
      if (name !== "" && !own.has(name) && !bound.has(name) && !(rule.makes ?? []).includes(name))
        throw problem(`"${name}" in the replacement is not bound by the match`);
    }
    return { rule, pattern, replacement };
  });
}

/** Makes a pass of a table of rules, tried in order at each node. Enters subgraphs. */
export function rulePass(name: string, says: string, table: readonly Rule[]): Pass {
  const rules = readyRules(table);
  const byAnchor = new Map<string, ReadyRule[]>();
  for (const ready of rules) {
    const op = (ready.pattern.nodes.at(-1) as Node).op;
    byAnchor.set(op, [...(byAnchor.get(op) ?? []), ready]);
  }
  return graphPass(
    name,
    says,
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current === undefined || current.domain !== "") continue;
        for (const ready of byAnchor.get(current.op) ?? []) if (applyRule(draft, { ready, node: current, log })) break;
      }
    },
    { types: true },
  );
}

function applyRule(draft: GraphDraft, at: { readonly ready: ReadyRule; readonly node: Node; readonly log: PassLog }): boolean {
  const { ready, node, log } = at;
  const { rule } = ready;
  const found = matchPattern(draft, ready.pattern, node);
  if (found === undefined) return false;
  const nodes = [...found.nodes.values()];
  const inside = new Set(nodes.map((n) => n.name));
  for (const inner of nodes) {
    if (inner.name === node.name) continue;
    for (const output of inner.outputs) {
      if (output === "") continue;
      if (draft.isOutput(output) || draft.consumers(output).some((c) => !inside.has(c.name))) {
        log.declined(rule.name, node, `${output} has other readers`);
        return false;
      }
    }
  }
  const match: Match = {
    draft,
    value: (name) => found.values.get(name) ?? "",
    node: (name) => found.nodes.get(name) as Node,
    constant: (name) => draft.constant(found.values.get(name) ?? ""),
  };
  const verdict = rule.when?.(match) ?? true;
  if (verdict === false) return false;
  if (typeof verdict === "string") {
    log.declined(rule.name, node, verdict);
    return false;
  }
  if (!log.may(rule.name, node)) return false;
  if (!writeReplacement(draft, { ready, nodes, anchor: node, match, computed: verdict === true ? {} : verdict })) {
    log.declined(rule.name, node, "it stands between two names that must stay");
    return false;
  }
  log.changed(rule.name, node, rule.says);
  return true;
}

function writeReplacement(
  draft: GraphDraft,
  at: {
    readonly ready: ReadyRule;
    readonly nodes: readonly Node[];
    readonly anchor: Node;
    readonly match: Match;
    readonly computed: Computed;
  },
): boolean {
  const { replacement } = at.ready;
  const output = at.anchor.outputs[0] as string;
  const result = (replacement.outputs[0] as { name: string }).name;
  const removeOthers = (): void => {
    for (const node of at.nodes) if (node.name !== at.anchor.name && draft.current(node) !== undefined) draft.remove(node);
  };
  if (replacement.nodes.length === 0) {
    if (!draft.bypass(at.anchor, output, at.match.value(result))) return false;
    removeOthers();
    return true;
  }
  const names = new Map<string, string>([[result, output]]);
  for (const [name, tensor] of [...replacement.constants, ...Object.entries(at.computed.constants ?? {})])
    names.set(name, draft.addConstant(`${output}_${name}`, tensor));
  const nameOf = (name: string): string => {
    if (name === "") return "";
    const known = names.get(name) ?? at.match.value(name);
    if (known !== "") return known;
    const fresh = draft.freshName(`${output}_${name}`);
    names.set(name, fresh);
    return fresh;
  };
  const made = replacement.nodes.map((node): Node => {
    const outputs = node.outputs.map(nameOf);
    const extra = at.computed.attributes?.[node.outputs[0] as string];
    return {
      ...node,
      name: outputs[0] === output ? at.anchor.name : (outputs[0] as string),
      inputs: node.inputs.map(nameOf),
      outputs,
      attributes: extra === undefined ? node.attributes : merged(node.attributes, attributes(extra)),
    };
  });
  draft.replace(at.anchor, ...made);
  removeOthers();
  return true;
}

function merged(a: Attributes, b: Attributes): Attributes {
  return new Map<string, Attribute>([...a, ...b]);
}

/** Whether the match gives its result the shape of one of its values: constants have not widened it. */
export function keepsShape(match: Match, of: string, result: string): boolean {
  return sameShape(shapeOf(match.draft, match.value(of)), shapeOf(match.draft, match.value(result)));
}
