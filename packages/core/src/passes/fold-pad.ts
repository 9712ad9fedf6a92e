import type { GraphDraft } from "../graph/draft.ts";
import { withAttributes } from "../graph/edit.ts";
import type { Attribute, Node } from "../graph/model.ts";
import { attrInt, attrInts, attrString, isOp } from "../graph/node.ts";
import { graphPass, type Pass } from "./pass.ts";
import { constantInts, frontAxes, isOneOf, shapeOf, uniformValue } from "./values.ts";

/** Layers that pad by themselves. */
const PADDED = ["Conv", "AveragePool", "MaxPool"];

/** Operators whose results are never negative. */
const NEVER_NEGATIVE = ["Relu", "Abs", "Sigmoid", "Softmax", "Exp", "HardSigmoid", "Softplus"];

/**
 * Lets the layer do the padding of the Pad before it: zeros into Conv, zeros into AveragePool (which then counts them), minus infinity into MaxPool, and zeros
 * too where the input is never negative. Declines other values and modes, cutting, padded batch or channels, and pads as wide as a pooling window.
 * Enters subgraphs.
 */
export function foldPadPass(): Pass {
  return graphPass(
    "fold-pad",
    "Lets Conv and pools do the padding of the Pad before them",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const layer = draft.current(node);
        if (layer === undefined || !isOneOf(layer, PADDED)) continue;
        const pad = draft.producer(layer.inputs[0] as string);
        if (pad === undefined || !isOp(pad, "Pad")) continue;
        const rule = `pad-into-${layer.op.toLowerCase()}`;
        if (draft.onlyConsumer(layer.inputs[0] as string)?.name !== layer.name) {
          log.declined(rule, node, "the padded value has other readers");
          continue;
        }
        const change = readChange(draft, pad, layer);
        if (typeof change === "string") {
          log.declined(rule, node, change);
          continue;
        }
        if (!log.may(rule, node)) continue;
        draft.remove(pad);
        const inputs = [pad.inputs[0] as string, ...layer.inputs.slice(1)];
        draft.replace(draft.current(layer) as Node, { ...withAttributes(layer, change), inputs });
        log.changed(rule, node, pad.name);
      }
    },
    { types: true },
  );
}

/** The attributes that make the layer pad, or why it cannot. */
function readChange(draft: GraphDraft, pad: Node, layer: Node): Readonly<Record<string, Attribute | undefined>> | string {
  const rank = shapeOf(draft, pad.inputs[0])?.length ?? shapeOf(draft, pad.outputs[0])?.length;
  const given = constantInts(draft, pad.inputs[1]);
  if (rank === undefined || given === undefined) return "its rank or pads are not known";
  if (attrString(pad, "mode", "constant") !== "constant") return "it does not pad with a constant";
  const axes = pad.inputs[3] ? constantInts(draft, pad.inputs[3]) : Array.from({ length: rank }, (_, i) => i);
  if (axes === undefined) return "its axes are not constant";
  const value = pad.inputs[2] ? uniformValue(draft, pad.inputs[2]) : 0;
  const begins = new Array<number>(rank).fill(0);
  const ends = new Array<number>(rank).fill(0);
  frontAxes(axes, rank).forEach((axis, i) => {
    begins[axis] = given[i] as number;
    ends[axis] = given[i + axes.length] as number;
  });
  if ([...begins, ...ends].some((p) => p < 0)) return "it cuts";
  if ([begins[0], begins[1], ends[0], ends[1]].some((p) => p !== 0)) return "it pads samples or channels";
  const autoPad = attrString(layer, "auto_pad", "NOTSET");
  if (autoPad !== "NOTSET" && autoPad !== "VALID") return "the layer chooses its padding by itself";
  const own = (autoPad === "VALID" ? undefined : attrInts(layer, "pads")) ?? new Array<number>(2 * (rank - 2)).fill(0);
  const pads = [...begins.slice(2), ...ends.slice(2)].map((p, i) => p + (own[i] as number));
  const valueProblem = wrongValue(draft, { pad, layer, value, isPaddedAlready: own.some((p) => p !== 0) });
  if (valueProblem !== undefined) return valueProblem;
  if (layer.op !== "Conv") {
    if (attrInt(layer, "ceil_mode", 0) !== 0) return "the pool rounds its size up";
    if ((layer.outputs[1] ?? "") !== "") return "the pool gives positions, which would be counted without the pad";
    const kernel = attrInts(layer, "kernel_shape") ?? [];
    if (pads.some((p, i) => p >= (kernel[i % kernel.length] as number))) return "the pad is as wide as the pooling window";
  }
  return {
    pads: { kind: "ints", value: pads },
    auto_pad: undefined,
    ...(layer.op === "AveragePool" ? { count_include_pad: { kind: "int", value: 1 } } : {}),
  };
}

function wrongValue(
  draft: GraphDraft,
  at: { readonly pad: Node; readonly layer: Node; readonly value: number | undefined; readonly isPaddedAlready: boolean },
): string | undefined {
  const { value, layer } = at;
  if (value === undefined) return "its value is not constant";
  if (layer.op === "MaxPool") {
    if (value <= -3.4028234663852886e38) return undefined;
    const before = draft.producer(at.pad.inputs[0] as string);
    if (value === 0 && before !== undefined && isOneOf(before, NEVER_NEGATIVE)) return undefined;
    return `MaxPool pads with minus infinity, not ${value}`;
  }
  if (value !== 0) return `${layer.op} pads with zero, not ${value}`;
  // The pool's own padding would be counted as well, where it was not before.
  if (layer.op === "AveragePool" && at.isPaddedAlready && attrInt(layer, "count_include_pad", 0) === 0)
    return "the pool has a padding of its own that it does not count";
  return undefined;
}
