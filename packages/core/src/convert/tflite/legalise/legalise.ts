import { placed } from "../../../base/error.ts";
import { GraphDraft } from "../../../graph/draft.ts";
import { withGraph } from "../../../graph/edit.ts";
import type { Model, Node } from "../../../graph/model.ts";
import type { Encoding, QuantPlan } from "../../../graph/plan.ts";
import { inferGraph } from "../../../ops/infer.ts";
import { cancelMovesPass } from "../../../passes/cancel-moves.ts";
import { dropNoopsPass } from "../../../passes/drop-noops.ts";
import { foldConstants } from "../../../passes/fold-constants.ts";
import { foldShapesPass } from "../../../passes/fold-shapes.ts";
import { ALLOW_ALL } from "../../../passes/pass.ts";
import { recognisePass } from "../../../passes/recognise.ts";
import { removeDead } from "../../../passes/remove-dead.ts";
import { resolveIfPass } from "../../../passes/resolve-if.ts";
import { sameEncoding } from "../emit/integer.ts";
import { LEGALISE_DEFAULTS, type Legalised, type LegaliseOptions, type LegaliseRow, type Refused, type Verdict } from "./row.ts";
import { NotStatic, type Round, siteOf } from "./site.ts";
import { spreadEncodings } from "./spread-encodings.ts";
import { LEGALISE_ROWS } from "./table.ts";

/** Rewrites make nodes that others rewrite; more rounds than this would be two rows that undo each other. */
const MAX_ROUNDS = 12;

/** What {@link legaliseModel} gives. */
export interface LegaliseResult {
  readonly model: Model;
  /** The plan with encodings of values that are the same numbers under a new name. The plan itself when nothing was added. */
  readonly plan: QuantPlan | undefined;
  readonly changes: readonly Legalised[];
  /** Nodes that cannot be said in TFLite. They are still in the model. */
  readonly refused: readonly Refused[];
}

/**
 * The passes that resolve what depends on shapes alone, and take out what does nothing. They keep the numbers and need no proof here. A node between two
 * grids of a plan does something even where it hands on its input: it rounds.
 */
function tidied(model: Model, encodings: ReadonlyMap<string, Encoding>): Model {
  const exact = [foldConstants(), foldShapesPass(), resolveIfPass(), removeDead()];
  const shortening = [dropNoopsPass(), cancelMovesPass()];
  let current = model;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = current;
    for (const pass of exact) current = pass.run(current, ALLOW_ALL).model;
    for (const pass of shortening) {
      const rounding = roundingNodes(current, encodings);
      const allow = (site: string): boolean => !rounding.has(site.slice(site.indexOf("@") + 1));
      current = pass.run(current, rounding.size === 0 ? ALLOW_ALL : { allow }).model;
    }
    current = removeDead().run(current, ALLOW_ALL).model;
    if (current === before) break;
  }
  return current;
}

/** Names of nodes whose output has another encoding than an input that is no constant. */
function roundingNodes(model: Model, encodings: ReadonlyMap<string, Encoding>): ReadonlySet<string> {
  const { nodes, constants } = model.graph;
  if (encodings.size === 0) return new Set();
  const differs = (node: Node): boolean =>
    node.inputs.some(
      (name) => name !== "" && !constants.has(name) && !sameEncoding(encodings.get(name), encodings.get(node.outputs[0] ?? "")),
    );
  return new Set(nodes.filter(differs).map((node) => node.name));
}

function rowsFor(op: string): readonly LegaliseRow[] {
  return LEGALISE_ROWS.filter((row) => row.ops.includes(op));
}

/**
 * Rewrites what TFLite has no operator for into what it has: a model to a model that computes the same, with the same inputs and outputs. Sizes
 * that follow from fixed input sizes are resolved first, with the branches that hang on them. Nodes that no rewrite helps are listed, not thrown.
 *
 * @example
 * const { model, refused } = legaliseModel(loaded);
 */
export function legaliseModel(
  model: Model,
  options: LegaliseOptions & { readonly plan?: QuantPlan | undefined } = {},
): LegaliseResult {
  const settings: Required<LegaliseOptions> = { recurrent: options.recurrent ?? LEGALISE_DEFAULTS.recurrent };
  const changes: Legalised[] = [];
  const encodings = new Map<string, Encoding>(options.plan?.tensors);
  let refused: readonly Refused[] = [];
  // Spelled-out activations have operators of their own. A plan speaks of the values between, so then they stay.
  let current = tidied(options.plan === undefined ? recognisePass().run(model, ALLOW_ALL).model : model, encodings);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const draft = new GraphDraft(current.graph);
    const inferred = inferGraph(current.graph);
    const site: Round = { draft, inferred, options: settings, encodings };
    const before = changes.length;
    refused = legaliseRound(site, changes);
    if (changes.length === before) break;
    current = tidied(withGraph(current, draft.finish()), encodings);
  }
  const { plan } = options;
  const tensors = plan === undefined ? encodings : spreadEncodings(current.graph, encodings);
  return {
    model: current,
    plan: plan !== undefined && tensors.size !== plan.tensors.size ? { ...plan, tensors } : plan,
    changes,
    refused,
  };
}

function legaliseRound(round: Round, changes: Legalised[]): Refused[] {
  const refused: Refused[] = [];
  for (const listed of round.draft.nodes()) {
    const node = round.draft.current(listed);
    if (node === undefined || node.domain !== "") continue;
    for (const row of rowsFor(node.op)) {
      const verdict = tryRow(row, round, node);
      if (verdict === "keep") continue;
      if (verdict === "done") changes.push({ row: row.name, node: node.name, op: node.op, says: row.says });
      else refused.push({ node: node.name, op: node.op, why: verdict.why, rewrite: verdict.rewrite });
      break;
    }
  }
  return refused;
}

function tryRow(row: LegaliseRow, round: Round, node: Node): Verdict {
  try {
    return row.rewrite(siteOf(round, node));
  } catch (error) {
    if (error instanceof NotStatic)
      return { kind: "cannot", why: error.message, rewrite: "Give the sizes of the symbolic dimensions (option dims)" };
    throw placed(error, { node: node.name });
  }
}
