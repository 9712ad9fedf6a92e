import { fail } from "../../base/error.ts";
import type { DType } from "../../graph/dtype.ts";
import type { Graph, Node } from "../../graph/model.ts";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { LEVELS, quantizeTensor } from "../../graph/quantize.ts";
import { type Tensor, toNumbers } from "../../graph/tensor.ts";
import { roundAway } from "./border.ts";
import { type Multiplier, quantizeMultiplier } from "./multiplier.ts";
import type { Profile, RuleKind } from "./profile.ts";
import type { Clamp, IntegerStep, IntegerValue, Rescale } from "./program.ts";

/** A per-tensor encoding of an activation. */
export interface Grid {
  readonly dtype: Encoding["dtype"];
  readonly scale: number;
  readonly zeroPoint: number;
}

/** What compilation of a whole graph collects. */
export interface Compilation {
  readonly graph: Graph;
  readonly plan: QuantPlan;
  readonly profile: Profile;
  readonly types: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly number[] }>;
  readonly consumers: ReadonlyMap<string, readonly Node[]>;
  readonly values: Map<string, IntegerValue>;
  readonly constants: Map<string, Tensor>;
  readonly steps: IntegerStep[];
}

/** One node with what was fused into it. */
export interface Site {
  readonly at: Compilation;
  readonly node: Node;
  /** The value it makes in the program: behind the activation, when one is fused. */
  readonly output: string;
  /** Real bounds of a fused activation. */
  readonly bounds: readonly [number, number] | undefined;
  /** Name of a bias that a following Add brings to a MatMul. */
  readonly bias: string | undefined;
}

/** Turns a node into steps; `undefined` when it cannot be done in integers, and the node runs in float. */
export type CompileRow = (site: Site) => readonly IntegerStep[] | undefined;

/** The constant behind a name, unless the name is also a graph input. */
export function constantOf(at: Compilation, name: string | undefined): Tensor | undefined {
  if (name === undefined || name === "" || at.graph.inputs.some((input) => input.name === name)) return undefined;
  return at.graph.constants.get(name);
}

/** The per-tensor encoding of a value. */
export function gridOf(at: Compilation, name: string | undefined): Grid | undefined {
  if (name === undefined) return undefined;
  const made = at.values.get(name);
  if (made?.scale !== undefined && made.zeroPoint !== undefined)
    return { dtype: made.dtype as Grid["dtype"], scale: made.scale, zeroPoint: made.zeroPoint };
  const encoding = at.plan.tensors.get(name);
  const scale = encoding?.scale[0];
  if (encoding === undefined || scale === undefined || (encoding.scale.length > 1 && encoding.axis !== undefined))
    return undefined;
  return { dtype: encoding.dtype, scale: Math.fround(scale), zeroPoint: encoding.zeroPoint[0] ?? 0 };
}

/** Gives a value of the program an encoding that the plan does not name: integers that pass through keep theirs. */
export function giveGrid(at: Compilation, name: string, grid: Grid): void {
  at.values.set(name, { name, dtype: grid.dtype, shape: shapeOf(at, name), scale: grid.scale, zeroPoint: grid.zeroPoint });
}

/** Shape of a value. @throws SHAPE_MISMATCH when it is not known */
export function shapeOf(at: Compilation, name: string): readonly number[] {
  const type = at.types.get(name);
  if (type === undefined)
    throw fail("SHAPE_MISMATCH", `Cannot compile "${name}" to integers: its shape is not known`, { at: { tensor: name } });
  return type.shape;
}

/** Integers of a constant under the plan's encoding. */
export function quantizedConstant(
  at: Compilation,
  name: string,
): { readonly tensor: Tensor; readonly encoding: Encoding } | undefined {
  const constant = constantOf(at, name);
  const encoding = at.plan.tensors.get(name);
  if (constant === undefined || encoding === undefined) return undefined;
  return { tensor: quantizeTensor(constant, encoding), encoding };
}

/** An operand: its encoding, and the name under which steps read it. */
export interface Operand extends Grid {
  readonly ref: string;
}

/** An operand of a step. Constants are quantized and kept, beside the float ones of the same name. `undefined` without a per-tensor encoding. */
export function operandOf(at: Compilation, name: string | undefined): Operand | undefined {
  const grid = gridOf(at, name);
  if (grid === undefined || name === undefined) return undefined;
  const quantized = quantizedConstant(at, name);
  if (quantized === undefined) return { ...grid, ref: name };
  const ref = `${name} in integers`;
  at.constants.set(ref, quantized.tensor);
  return { ...grid, ref };
}

/** Whether two encodings give the same reals to the same integers. */
export function sameGrid(a: Grid, b: Grid): boolean {
  return a.dtype === b.dtype && a.scale === b.scale && a.zeroPoint === b.zeroPoint;
}

/** Integers that an output may take: its type's, less those outside a fused activation. Bounds are rounded half away from zero. */
export function clampOf(grid: Grid, bounds: Site["bounds"]): Clamp {
  const [low, high] = LEVELS[grid.dtype];
  if (bounds === undefined) return [low, high];
  const q = (real: number): number => grid.zeroPoint + roundAway(Math.fround(real / grid.scale));
  return [
    Number.isFinite(bounds[0]) ? Math.max(low, q(bounds[0])) : low,
    Number.isFinite(bounds[1]) ? Math.min(high, q(bounds[1])) : high,
  ];
}

/** The real bounds that a Relu or Clip keeps its values in; `undefined` for other nodes, and for bounds that are not constant. */
export function boundsOf(at: Compilation, node: Node): readonly [number, number] | undefined {
  if (node.domain !== "") return undefined;
  if (node.op === "Relu") return [0, Number.POSITIVE_INFINITY];
  if (node.op !== "Clip") return undefined;
  const bound = (index: number, open: number): number | undefined => {
    const name = node.inputs[index];
    if (name === undefined || name === "") return open;
    const constant = constantOf(at, name);
    return constant === undefined ? undefined : toNumbers(constant)[0];
  };
  const low = bound(1, Number.NEGATIVE_INFINITY);
  const high = bound(2, Number.POSITIVE_INFINITY);
  return low === undefined || high === undefined ? undefined : [low, high];
}

/** From this ratio on XNNPACK leaves an operator to the reference kernel. */
const FLOAT_RATIO_END = 256;

/**
 * Multipliers of a list of ratios of scales, or the ratios themselves in float32, as the profile rules for that kind; `undefined` for "real".
 * "integer" stands for operators that have no float kernel, "wide" for those whose sums have 64 bits besides.
 */
export function rescaleBy(
  at: Compilation,
  kind: RuleKind,
  ratios: readonly number[],
  kernel: "any" | "integer" | "wide" = "any",
): Rescale | undefined {
  const rule = at.profile.rules[kind];
  if (rule === "float" && kernel === "any" && ratios.every((ratio) => ratio < FLOAT_RATIO_END))
    return { rule, scales: Float32Array.from(ratios) };
  if (rule !== "double" && rule !== "single" && rule !== "float") return undefined;
  const multipliers = ratios.map(quantizeMultiplier);
  return {
    rule: kernel === "wide" ? "wide" : rule === "float" ? "double" : rule,
    multipliers: Int32Array.from(multipliers, (m) => m.value),
    shifts: Int32Array.from(multipliers, (m) => m.shift),
  };
}

/** The rounding of two integer multipliers under the profile; `undefined` when it has another rule for that kind. */
export function roundingOf(at: Compilation, kind: RuleKind): "double" | "single" | undefined {
  const rule = at.profile.rules[kind];
  return rule === "double" || rule === "single" ? rule : undefined;
}

/** A multiplier of 16 bits with its exponent: the 32-bit one rounded half up. */
export function shortened(m: Multiplier): Multiplier {
  return { value: m.value >= 0x7fff8000 ? 0x7fff : (m.value + 0x8000) >> 16, shift: m.shift };
}
