import { sameShape } from "../graph/dim.ts";
import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { attrInts, REGRID_KEY } from "../graph/node.ts";
import { readCuts, takesAll } from "./merge-slices.ts";
import { graphPass, type Pass } from "./pass.ts";
import { constantInts, dtypeOf, isOneOf, shapeOf, uniformValue } from "./values.ts";

/** The input that a node hands on unchanged, or why it does not; `undefined` where nothing looked like it. */
type Noop = (draft: GraphDraft, node: Node) => { readonly input: string } | { readonly why: string } | undefined;

const first = (node: Node): { readonly input: string } => ({ input: node.inputs[0] as string });

/** Arithmetic with a constant that changes nothing, provided that it does not widen the shape either. */
function neutral(value: number, sides: readonly (0 | 1)[]): Noop {
  return (draft, node) => {
    for (const side of sides) {
      const found = uniformValue(draft, node.inputs[side]);
      if (found === undefined || found !== value) continue;
      const input = node.inputs[1 - side] as string;
      // The constant may have more axes or longer ones than the other operand.
      return sameShape(shapeOf(draft, input), shapeOf(draft, node.outputs[0]))
        ? { input }
        : { why: "the constant may widen the shape" };
    }
    return undefined;
  };
}

const sameShapeOnly: Noop = (draft, node) =>
  sameShape(shapeOf(draft, node.inputs[0]), shapeOf(draft, node.outputs[0])) ? first(node) : undefined;

const NOOPS: Readonly<Record<string, Noop>> = {
  Identity: (_draft, node) => (node.metadata?.has(REGRID_KEY) ? undefined : first(node)),
  Dropout: (draft, node) => {
    if (
      (node.outputs[1] ?? "") !== "" &&
      (draft.consumers(node.outputs[1] as string).length > 0 || draft.isOutput(node.outputs[1] as string))
    )
      return { why: "its mask is read" };
    if (!node.inputs[2]) return first(node);
    const training = uniformValue(draft, node.inputs[2]);
    return training === 0 ? first(node) : { why: "it may run in training mode" };
  },
  Cast: (draft, node) => {
    const from = dtypeOf(draft, node.inputs[0]);
    return from !== undefined && from === dtypeOf(draft, node.outputs[0]) ? first(node) : undefined;
  },
  CastLike: (draft, node) => {
    const from = dtypeOf(draft, node.inputs[0]);
    return from !== undefined && from === dtypeOf(draft, node.inputs[1]) ? first(node) : undefined;
  },
  Reshape: sameShapeOnly,
  Flatten: sameShapeOnly,
  Expand: sameShapeOnly,
  Squeeze: sameShapeOnly,
  Unsqueeze: (draft, node) => (constantInts(draft, node.inputs[1])?.length === 0 ? first(node) : undefined),
  Transpose: (draft, node) => {
    const rank = shapeOf(draft, node.inputs[0])?.length;
    const perm =
      attrInts(node, "perm") ?? (rank === undefined ? undefined : Array.from({ length: rank }, (_, i) => rank - 1 - i));
    return perm?.every((axis, i) => axis === i) ? first(node) : undefined;
  },
  Slice: (draft, node) => {
    const shape = shapeOf(draft, node.inputs[0]);
    return readCuts(draft, node)?.every((cut) => takesAll(cut, shape?.[cut.axis])) ? first(node) : undefined;
  },
  Pad: (draft, node) => (constantInts(draft, node.inputs[1])?.every((p) => p === 0) ? first(node) : undefined),
  Tile: (draft, node) => (constantInts(draft, node.inputs[1])?.every((r) => r === 1) ? first(node) : undefined),
  Concat: (_draft, node) => (node.inputs.length === 1 ? first(node) : undefined),
  Sum: (_draft, node) => (node.inputs.length === 1 ? first(node) : undefined),
  Mean: (_draft, node) => (node.inputs.length === 1 ? first(node) : undefined),
  Max: (_draft, node) => (node.inputs.length === 1 ? first(node) : undefined),
  Min: (_draft, node) => (node.inputs.length === 1 ? first(node) : undefined),
  Split: (draft, node) => {
    if (node.outputs.length !== 1) return undefined;
    return sameShape(shapeOf(draft, node.inputs[0]), shapeOf(draft, node.outputs[0])) ? first(node) : undefined;
  },
  Clip: (_draft, node) => (!node.inputs[1] && !node.inputs[2] ? first(node) : undefined),
  // x + 0 turns -0 into 0, which compares equal; NaN and infinity pass through all of these.
  Add: neutral(0, [1, 0]),
  Sub: neutral(0, [1]),
  Mul: neutral(1, [1, 0]),
  Div: neutral(1, [1]),
  Pow: neutral(1, [1]),
};

/** Operators that give the value of their first application when applied again to it. */
const IDEMPOTENT = ["Relu", "Abs", "Floor", "Ceil", "Round", "Sign"];

/**
 * Removes nodes that hand on their input unchanged: Identity, Dropout, Cast to the same type, movements that do not move, sums of one, x+0, x*1.
 * What would change the element type or widen the shape stays, and so does a node between a graph input and a graph output, because both keep their
 * names.  Enters subgraphs.
 */
export function dropNoopsPass(): Pass {
  return graphPass(
    "drop-noops",
    "Removes nodes that change nothing",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current === undefined || current.domain !== "") continue;
        const before = draft.producer(current.inputs[0] ?? "");
        const repeated = isOneOf(current, IDEMPOTENT) && before?.domain === "" && before.op === current.op;
        const noop = Object.hasOwn(NOOPS, current.op) ? NOOPS[current.op] : undefined;
        const found = repeated ? first(current) : noop?.(draft, current);
        if (found === undefined) continue;
        const rule = `noop-${current.op.toLowerCase()}`;
        if ("why" in found) {
          log.declined(rule, node, found.why);
          continue;
        }
        if (
          dtypeOf(draft, found.input) !== dtypeOf(draft, current.outputs[0]) &&
          dtypeOf(draft, current.outputs[0]) !== undefined
        ) {
          log.declined(rule, node, "the element type changes");
          continue;
        }
        if (!log.may(rule, node)) continue;
        if (draft.bypass(current, current.outputs[0] as string, found.input)) log.changed(rule, node);
        else log.declined(rule, node, "it stands between two names that must stay");
      }
    },
    { types: true },
  );
}
