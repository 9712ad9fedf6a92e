import { attrFloat, attrInt, attrString } from "../../../graph/node.ts";
import { countOf, fromNumbers, type Tensor, toNumbers } from "../../../graph/tensor.ts";
import type { LegaliseRow, LegaliseSite, Verdict } from "./row.ts";

/** Output channels of a constant in another order: position i takes what stood at `from[i]`. */
function reordered(t: Tensor, from: readonly number[]): Tensor {
  const inner = countOf(t.shape.slice(1));
  const data = toNumbers(t);
  const out = new Float64Array(data.length);
  from.forEach((source, to) => {
    out.set(data.subarray(source * inner, (source + 1) * inner), to * inner);
  });
  return fromNumbers(t.dtype, t.shape, out);
}

/**
 * TFLite's DEPTH_TO_SPACE reads the channel as (row in block, column in block, depth); mode CRD has the depth first. The channels are put into the other
 * order: in the weights of the convolution before, or by a GATHER.
 */
function depthToSpace(site: LegaliseSite): Verdict {
  const { node } = site;
  if (attrString(node, "mode", "DCR") !== "CRD") return "keep";
  const x = site.input(0);
  const block = attrInt(node, "blocksize");
  const channels = site.shape(x)[1] as number;
  const depth = channels / (block * block);
  const from = Array.from({ length: channels }, (_, i) => (i % depth) * block * block + Math.floor(i / depth));
  const maker = site.soleProducer(x);
  const [w, b] = [maker?.inputs[1] ?? "", maker?.inputs[2] ?? ""];
  const weights = site.constant(w);
  const bias = site.constant(b);
  const attributes = { blocksize: block };
  if (
    maker?.op === "Conv" &&
    maker.domain === "" &&
    weights !== undefined &&
    // The scales of a plan stand in the order of the channels as they were.
    !site.isEncoded(w) &&
    attrInt(maker, "group", 1) === 1 &&
    (b === "" || bias)
  ) {
    const inputs = [maker.inputs[0] as string, site.tensor("weight", reordered(weights, from))];
    if (bias !== undefined) inputs.push(site.tensor("bias", reordered(bias, from)));
    const conv = site.op("Conv", inputs, Object.fromEntries(maker.attributes));
    site.sameNumbers(conv, x);
    return site.finish(site.op("DepthToSpace", [conv], attributes));
  }
  const index = site.list("channels", from);
  const turned = site.op("Gather", [x, index], { axis: 1 });
  site.sameNumbers(turned, x);
  return site.finish(site.op("DepthToSpace", [turned], attributes));
}

/** Operators of any number of operands as a chain of two. */
function chained(op: string): LegaliseRow {
  return {
    name: `${op.toLowerCase()}-of-many`,
    ops: [op],
    says: "a chain of sums, products or bounds of two",
    costs: "One operator for each operand after the first",
    rewrite: (site) => {
      const { inputs } = site.node;
      const pairwise = op === "Max" || op === "Min";
      if (pairwise && inputs.length === 2) return "keep";
      if (inputs.length === 1) return site.finish(inputs[0] as string);
      let sum = inputs[0] as string;
      for (const next of inputs.slice(1)) sum = site.op(pairwise ? op : "Add", [sum, next]);
      return site.finish(op === "Mean" ? site.op("Mul", [sum, site.scalar(1 / inputs.length)]) : sum);
    },
  };
}

/** Upper or lower triangle: the rest is set to zero by a constant mask. */
function trilu(site: LegaliseSite): Verdict {
  const x = site.input(0);
  const shape = site.shape(x);
  const [rows, columns] = shape.slice(-2) as [number, number];
  const k = site.input(1) === "" ? [0] : site.ints(site.input(1));
  if (k === undefined) return site.cannot("its diagonal is computed", "Export the model with a fixed diagonal");
  const upper = attrInt(site.node, "upper", 1) !== 0;
  const keeps = Array.from({ length: rows * columns }, (_, i) => {
    const offset = (i % columns) - Math.floor(i / columns) - (k[0] ?? 0);
    return (upper ? offset >= 0 : offset <= 0) ? 1 : 0;
  });
  const mask = site.tensor("triangle", fromNumbers("bool", [rows, columns], keeps));
  return site.finish(site.op("Where", [mask, x, site.scalar(0, site.dtype(x))]));
}

/** x - y * trunc(x / y) has no operator; of whole numbers without sign it is FLOOR_MOD. */
function mod(site: LegaliseSite): Verdict {
  if (attrInt(site.node, "fmod", 0) === 0) return "keep";
  const [x, y] = [site.input(0), site.input(1)];
  const size = site.op("Mod", [site.op("Abs", [x]), site.op("Abs", [y])]);
  return site.finish(site.op("Mul", [size, site.op("Sign", [x])]));
}

/** A constant that has the right bounds, or bounds that are computed. */
function clip(site: LegaliseSite): Verdict {
  const [x, low, high] = [site.input(0), site.input(1), site.input(2)];
  const computed = (name: string): boolean => name !== "" && site.constant(name) === undefined;
  if (low === "" && high === "") return site.finish(x);
  if (!computed(low) && !computed(high)) return "keep";
  const above = low === "" ? x : site.op("Max", [x, low]);
  return site.finish(high === "" ? above : site.op("Min", [above, high]));
}

/** alpha / (bias + alpha sum) has its window counted in size; an even window is not centred in TFLite. */
function localResponse(site: LegaliseSite): Verdict {
  const { node } = site;
  const size = attrInt(node, "size");
  if (size % 2 === 1) return "keep";
  const x = site.input(0);
  const shape = site.shape(x);
  // Over channels: a window from floor((size - 1) / 2) before to ceil((size - 1) / 2) after, as one product with a band of ones.
  const channels = shape[1] as number;
  if (channels > 4096) return site.cannot(`its window is even and it has ${channels} channels`, "Use a window of odd size");
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const band = Array.from({ length: channels * channels }, (_, i) => {
    const [to, from] = [Math.floor(i / channels), i % channels];
    return from >= to - before && from <= to + after ? 1 : 0;
  });
  if (shape.length !== 4) return site.cannot(`its input has ${shape.length} axes`, "Normalise over pictures, [N, C, H, W]");
  const kernel = site.tensor("band", fromNumbers("float32", [channels, channels, 1, 1], band));
  const sum = site.op("Conv", [site.op("Mul", [x, x]), kernel], { kernel_shape: [1, 1] });
  const scaled = site.op("Mul", [sum, site.scalar(Math.fround(attrFloat(node, "alpha", 1e-4) / size))]);
  const base = site.op("Add", [scaled, site.scalar(attrFloat(node, "bias", 1))]);
  return site.finish(site.op("Div", [x, site.op("Pow", [base, site.scalar(attrFloat(node, "beta", 0.75))])]));
}

/** The smallest are the largest of the negatives. */
function topSmallest(site: LegaliseSite): Verdict {
  const { node } = site;
  if (attrInt(node, "largest", 1) !== 0) return "keep";
  const attributes = { ...Object.fromEntries(node.attributes), largest: 1 };
  const negative = site.op("Neg", [site.input(0)]);
  const [values, indices] = site.ops("TopK", [negative, site.input(1)], { count: 2, attributes }) as [string, string];
  return site.finish(site.isUsed(0) ? site.op("Neg", [values]) : undefined, site.isUsed(1) ? indices : undefined);
}

/** Operators that are others with their operands arranged. */
export const ARRANGE_ROWS: readonly LegaliseRow[] = [
  {
    name: "depth-to-space-crd",
    ops: ["DepthToSpace"],
    says: "DEPTH_TO_SPACE with the channels in TFLite's order",
    costs: "Nothing after a convolution, whose weights are reordered; one GATHER elsewhere",
    rewrite: depthToSpace,
  },
  chained("Sum"),
  chained("Mean"),
  chained("Max"),
  chained("Min"),
  { name: "trilu", ops: ["Trilu"], says: "a choice by a constant mask", costs: "SELECT_V2", rewrite: trilu },
  {
    name: "fmod",
    ops: ["Mod"],
    says: "FLOOR_MOD of magnitudes with the sign of the dividend",
    costs: "ABS, ABS, FLOOR_MOD, SIGN and MUL",
    rewrite: mod,
  },
  { name: "clip-computed", ops: ["Clip"], says: "MAXIMUM and MINIMUM", costs: "Two operators", rewrite: clip },
  {
    name: "top-smallest",
    ops: ["TopK"],
    says: "TOPK_V2 of the negatives",
    costs: "Two NEG",
    rewrite: topSmallest,
  },
  {
    name: "even-local-response",
    ops: ["LRN"],
    says: "a product with a band of ones over channels",
    costs: "A 1x1 convolution of channels squared, and POW",
    rewrite: localResponse,
  },
  {
    name: "xor",
    ops: ["Xor"],
    says: "NOT_EQUAL",
    costs: "EQUAL and LOGICAL_NOT",
    rewrite: (site) => site.finish(site.op("Not", [site.op("Equal", [site.input(0), site.input(1)])])),
  },
];
