import { type Dim, UNKNOWN_DIM } from "../graph/dim.ts";
import type { Node } from "../graph/model.ts";
import { attrInt, attrString } from "../graph/node.ts";
import { checkRank, mergeDim, shapeError, staticSize } from "./nn-rules.ts";
import type { AttrSpec, Cost, InferContext, InferRule, OpRow } from "./row.ts";
import { params, typeOf } from "./signature.ts";

const DIRECTIONS: AttrSpec = { kind: "string", fallback: "forward", oneOf: ["forward", "reverse", "bidirectional"] };

const SHARED_ATTRIBUTES = {
  activation_alpha: { kind: "floats" },
  activation_beta: { kind: "floats" },
  activations: { kind: "strings" },
  clip: { kind: "float" },
  direction: DIRECTIONS,
  hidden_size: { kind: "int" },
  layout: { kind: "int", fallback: 0 },
} as const satisfies Record<string, AttrSpec>;

// X is [seq, batch, in] (layout 1: [batch, seq, in]), R is [dirs, gates * hidden, hidden].
function inferRecurrent(gates: number, states: number): InferRule {
  return (context: InferContext) => {
    const { node, inputs } = context;
    checkRank(context, 0, { least: 3, most: 3 });
    checkRank(context, 1, { least: 3, most: 3 });
    checkRank(context, 2, { least: 3, most: 3 });
    const x = inputs[0];
    const w = inputs[1]?.shape;
    const r = inputs[2]?.shape;
    const dirs = attrString(node, "direction", "forward") === "bidirectional" ? 2 : 1;
    const declared = node.attributes.has("hidden_size") ? attrInt(node, "hidden_size") : undefined;
    const hidden = mergeDim(context, [declared, r?.[2]], "the hidden size");
    for (const [shape, what] of [
      [w, "W"],
      [r, "R"],
    ] as const) {
      mergeDim(context, [shape?.[0], dirs], `the number of directions in ${what}`);
      const rows = shape?.[1];
      if (typeof rows === "number" && typeof hidden === "number" && rows !== gates * hidden) {
        throw shapeError(
          context,
          `${what} is [${shape}], but ${gates} gates of hidden size ${hidden} need ${gates * hidden} rows`,
        );
      }
    }
    if (x?.shape !== undefined && w !== undefined) mergeDim(context, [x.shape[2], w[2]], "the input size");
    const batchFirst = attrInt(node, "layout", 0) !== 0;
    const seq: Dim = x?.shape?.[batchFirst ? 1 : 0] ?? UNKNOWN_DIM;
    const batch: Dim = x?.shape?.[batchFirst ? 0 : 1] ?? UNKNOWN_DIM;
    const state = typeOf(x?.dtype, batchFirst ? [batch, dirs, hidden] : [dirs, batch, hidden]);
    const y = typeOf(x?.dtype, batchFirst ? [batch, seq, dirs, hidden] : [seq, dirs, batch, hidden]);
    return [y, ...new Array<typeof state>(states).fill(state)];
  };
}

function recurrentCost(_node: Node, inputs: Parameters<OpRow["cost"]>[1]): Cost {
  const [x, w, r] = [inputs[0]?.shape ?? [], inputs[1]?.shape ?? [], inputs[2]?.shape ?? []];
  const steps = staticSize(x[0]) * staticSize(x[1]);
  const rows = staticSize(w[0]) * staticSize(w[1]);
  return { macs: steps * rows * (staticSize(w[2]) + staticSize(r[2])), ops: 3 * steps * rows };
}

/** Recurrent layers. */
export const RECURRENT = {
  GRU: {
    since: 14,
    inputs: params("X", "W", "R", "B?", "sequence_lens?", "initial_h?"),
    outputs: params("Y?", "Y_h?"),
    attributes: { ...SHARED_ATTRIBUTES, linear_before_reset: { kind: "int", fallback: 0 } },
    infer: inferRecurrent(3, 1),
    cost: recurrentCost,
  },
  LSTM: {
    since: 14,
    inputs: params("X", "W", "R", "B?", "sequence_lens?", "initial_h?", "initial_c?", "P?"),
    outputs: params("Y?", "Y_h?", "Y_c?"),
    attributes: { ...SHARED_ATTRIBUTES, input_forget: { kind: "int", fallback: 0 } },
    infer: inferRecurrent(4, 2),
    cost: recurrentCost,
  },
  RNN: {
    since: 14,
    inputs: params("X", "W", "R", "B?", "sequence_lens?", "initial_h?"),
    outputs: params("Y?", "Y_h?"),
    attributes: SHARED_ATTRIBUTES,
    infer: inferRecurrent(1, 1),
    cost: recurrentCost,
  },
} as const satisfies Record<string, OpRow>;
