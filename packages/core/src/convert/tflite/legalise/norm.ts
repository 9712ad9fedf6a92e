import { attrFloat, attrInt, attrInts } from "../../../graph/node.ts";
import { f32, type Tensor, toNumbers } from "../../../graph/tensor.ts";
import type { LegaliseRow, LegaliseSite, Verdict } from "./row.ts";

/** [1, C, 1, ...]: a value by channel, made to stand beside axis 1 of `rank` axes. */
function byChannel(site: LegaliseSite, name: string, rank: number): string {
  const shape = Array.from({ length: rank }, (_, axis) => (axis === 1 ? (site.shape(name)[0] as number) : 1));
  const constant = site.constant(name);
  if (constant !== undefined) return site.tensor("channel", { ...constant, shape });
  return site.op("Reshape", [name, site.list("shape", shape)]);
}

function axesFrom(first: number, rank: number): number[] {
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

/** x - mean(x) over axes, and the mean of its square. */
function centred(
  site: LegaliseSite,
  x: string,
  axes: readonly number[],
): { readonly mean: string; readonly difference: string; readonly variance: string } {
  const list = site.list("axes", axes);
  const mean = site.op("ReduceMean", [x, list], { keepdims: 1 });
  const difference = site.op("Sub", [x, mean]);
  const variance = site.op("ReduceMean", [site.op("Mul", [difference, difference]), list], { keepdims: 1 });
  return { mean, difference, variance };
}

function deviation(site: LegaliseSite, variance: string, epsilon: number): string {
  return site.op("Sqrt", [site.op("Add", [variance, site.scalar(Math.fround(epsilon))])]);
}

function batchNormalization(site: LegaliseSite): Verdict {
  const { node } = site;
  if (attrInt(node, "training_mode", 0) !== 0)
    return site.cannot("it is in training mode, where it needs statistics of the batch", "Export the model in inference mode");
  const x = site.input(0);
  const rank = site.shape(x).length;
  const parts = [1, 2, 3, 4].map((i) => site.constant(site.input(i)));
  const epsilon = attrFloat(node, "epsilon", 1e-5);
  if (parts.every((t): t is Tensor => t !== undefined)) {
    const [scale, shift, mean, variance] = parts.map(toNumbers) as [Float64Array, Float64Array, Float64Array, Float64Array];
    const factor = scale.map((s, c) => s / Math.sqrt((variance[c] as number) + epsilon));
    const offset = shift.map((b, c) => b - (mean[c] as number) * (factor[c] as number));
    const shape = Array.from({ length: rank }, (_, axis) => (axis === 1 ? scale.length : 1));
    const scaled = site.op("Mul", [x, site.tensor("scale", f32(shape, Float32Array.from(factor)))]);
    return site.finish(site.op("Add", [scaled, site.tensor("shift", f32(shape, Float32Array.from(offset)))]));
  }
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map((i) => byChannel(site, site.input(i), rank)) as [
    string,
    string,
    string,
    string,
  ];
  const unit = site.op("Div", [site.op("Sub", [x, mean]), deviation(site, variance, epsilon)]);
  return site.finish(site.op("Add", [site.op("Mul", [unit, scale]), shift]));
}

function instanceNormalization(site: LegaliseSite): Verdict {
  const x = site.input(0);
  const rank = site.shape(x).length;
  const { difference, variance } = centred(site, x, axesFrom(2, rank));
  const unit = site.op("Div", [difference, deviation(site, variance, attrFloat(site.node, "epsilon", 1e-5))]);
  const scaled = site.op("Mul", [unit, byChannel(site, site.input(1), rank)]);
  return site.finish(site.op("Add", [scaled, byChannel(site, site.input(2), rank)]));
}

function layerNormalization(site: LegaliseSite): Verdict {
  const x = site.input(0);
  const rank = site.shape(x).length;
  const axis = attrInt(site.node, "axis", -1);
  const { mean, difference, variance } = centred(site, x, axesFrom(axis < 0 ? axis + rank : axis, rank));
  const spread = deviation(site, variance, attrFloat(site.node, "epsilon", 1e-5));
  let y = site.op("Mul", [site.op("Div", [difference, spread]), site.input(1)]);
  if (site.input(2) !== "") y = site.op("Add", [y, site.input(2)]);
  return site.finish(y, site.isUsed(1) ? mean : undefined, site.isUsed(2) ? site.op("Div", [site.scalar(1), spread]) : undefined);
}

function groupNormalization(site: LegaliseSite): Verdict {
  const x = site.input(0);
  const shape = site.shape(x);
  const groups = attrInt(site.node, "num_groups");
  const size = shape.reduce((a, b) => a * b, 1) / ((shape[0] as number) * groups);
  const grouped = site.op("Reshape", [x, site.list("groups", [shape[0] as number, groups, size])]);
  const { difference, variance } = centred(site, grouped, [2]);
  const unit = site.op("Div", [difference, deviation(site, variance, attrFloat(site.node, "epsilon", 1e-5))]);
  const back = site.op("Reshape", [unit, site.list("shape", shape)]);
  const scaled = site.op("Mul", [back, byChannel(site, site.input(1), shape.length)]);
  return site.finish(site.op("Add", [scaled, byChannel(site, site.input(2), shape.length)]));
}

function rmsNormalization(site: LegaliseSite): Verdict {
  const x = site.input(0);
  const rank = site.shape(x).length;
  const axis = attrInt(site.node, "axis", -1);
  const axes = site.list("axes", axesFrom(axis < 0 ? axis + rank : axis, rank));
  const square = site.op("ReduceMean", [site.op("Mul", [x, x]), axes], { keepdims: 1 });
  const unit = site.op("Div", [x, deviation(site, square, attrFloat(site.node, "epsilon", 1e-5))]);
  return site.finish(site.op("Mul", [unit, site.input(1)]));
}

function meanVarianceNormalization(site: LegaliseSite): Verdict {
  const axes = attrInts(site.node, "axes") ?? [0, 2, 3];
  const { difference, variance } = centred(site, site.input(0), axes);
  // The specification adds 1e-9 to the deviation, not to the variance.
  const spread = site.op("Add", [site.op("Sqrt", [variance]), site.scalar(Math.fround(1e-9))]);
  return site.finish(site.op("Div", [difference, spread]));
}

function lpNormalization(site: LegaliseSite): Verdict {
  if (attrInt(site.node, "p", 2) !== 1) return "keep";
  const x = site.input(0);
  const axes = site.list("axes", [attrInt(site.node, "axis", -1)]);
  const norm = site.op("ReduceSum", [site.op("Abs", [x]), axes], { keepdims: 1 });
  return site.finish(site.op("Div", [x, norm]));
}

/** Normalisations. */
export const NORM_ROWS: readonly LegaliseRow[] = [
  {
    name: "batch-normalization",
    ops: ["BatchNormalization"],
    says: "one product and one sum by channel",
    costs: "MUL and ADD; nothing where simplify folds it into a convolution",
    rewrite: batchNormalization,
  },
  {
    name: "instance-normalization",
    ops: ["InstanceNormalization"],
    says: "mean, difference, mean square and quotient over the spatial axes",
    costs: "Nine operators, two of them reductions over the whole picture",
    rewrite: instanceNormalization,
  },
  {
    name: "layer-normalization",
    ops: ["LayerNormalization"],
    says: "mean, difference, mean square and quotient over the last axes",
    costs: "Nine operators",
    rewrite: layerNormalization,
  },
  {
    name: "group-normalization",
    ops: ["GroupNormalization"],
    says: "the same by group, between two reshapes",
    costs: "Eleven operators, and the canonical layout",
    rewrite: groupNormalization,
  },
  {
    name: "rms-normalization",
    ops: ["RMSNormalization"],
    says: "mean square and quotient over the last axes",
    costs: "Six operators",
    rewrite: rmsNormalization,
  },
  {
    name: "mean-variance-normalization",
    ops: ["MeanVarianceNormalization"],
    says: "mean, difference, mean square and quotient",
    costs: "Seven operators",
    rewrite: meanVarianceNormalization,
  },
  {
    name: "l1-normalization",
    ops: ["LpNormalization"],
    says: "quotient by the sum of magnitudes",
    costs: "ABS, SUM and DIV",
    rewrite: lpNormalization,
  },
];
