import { attrFloat } from "../../graph/node.ts";
import { LEVELS, roundHalfEven } from "../../graph/quantize.ts";
import { roundAway } from "./border.ts";
import { quantizeMultiplier } from "./multiplier.ts";
import type { RuleKind } from "./profile.ts";
import type { IntegerStep, UnaryFunction, UnaryStep } from "./program.ts";
import {
  boundsOf,
  type CompileRow,
  clampOf,
  type Grid,
  gridOf,
  type Operand,
  operandOf,
  rescaleBy,
  roundingOf,
  type Site,
  sameGrid,
  shortened,
} from "./site.ts";
import { ARGUMENT_BITS, applyUnary } from "./unary.ts";

/** Bits that operands of a sum are shifted left, by the width of the activations. */
const ADD_SHIFT = { 8: 20, 16: 15 } as const;

/** Both operands and the output, when all are quantized. */
function binaryGrids(site: Site): { readonly a: Operand; readonly b: Operand; readonly out: Grid } | undefined {
  const [x, y] = site.node.inputs;
  const a = operandOf(site.at, x);
  const b = operandOf(site.at, y);
  const out = gridOf(site.at, site.output);
  return a === undefined || b === undefined || out === undefined ? undefined : { a, b, out };
}

function add(subtract: boolean): CompileRow {
  return (site) => {
    const grids = binaryGrids(site);
    const rounding = roundingOf(site.at, "add");
    if (grids === undefined || rounding === undefined) return undefined;
    const { a, b, out } = grids;
    const leftShift = out.dtype === "int16" ? ADD_SHIFT[16] : ADD_SHIFT[8];
    const twice = 2 * Math.max(a.scale, b.scale);
    const step: IntegerStep = {
      kind: "add",
      node: site.node.name,
      inputs: [a.ref, b.ref],
      output: site.output,
      subtract,
      leftShift,
      zeros: [a.zeroPoint, b.zeroPoint],
      multipliers: [quantizeMultiplier(a.scale / twice), quantizeMultiplier(b.scale / twice)],
      outputMultiplier: quantizeMultiplier(twice / (2 ** leftShift * out.scale)),
      rounding,
      outputZero: out.zeroPoint,
      clamp: clampOf(out, site.bounds),
    };
    return [step];
  };
}

const mul: CompileRow = (site) => {
  const grids = binaryGrids(site);
  if (grids === undefined) return undefined;
  const { a, b, out } = grids;
  const float = site.at.profile.rules.mul === "float";
  const ratio = float ? Math.fround(Math.fround(a.scale * b.scale) / out.scale) : (a.scale * b.scale) / out.scale;
  const rescale = rescaleBy(site.at, "mul", [ratio], out.dtype === "int16" ? "integer" : "any");
  if (rescale === undefined) return undefined;
  return [
    {
      kind: "mul",
      node: site.node.name,
      inputs: [a.ref, b.ref],
      output: site.output,
      zeros: [a.zeroPoint, b.zeroPoint],
      rescale,
      outputZero: out.zeroPoint,
      clamp: clampOf(out, site.bounds),
    },
  ];
};

const prelu: CompileRow = (site) => {
  const grids = binaryGrids(site);
  const rounding = roundingOf(site.at, "prelu");
  if (grids === undefined || rounding === undefined) return undefined;
  const { a, b, out } = grids;
  return [
    {
      kind: "prelu",
      node: site.node.name,
      inputs: [a.ref, b.ref],
      output: site.output,
      zeros: [a.zeroPoint, b.zeroPoint],
      positive: quantizeMultiplier(a.scale / out.scale),
      negative: quantizeMultiplier((a.scale * b.scale) / out.scale),
      rounding,
      outputZero: out.zeroPoint,
      clamp: clampOf(out, site.bounds),
    },
  ];
};

function extremum(kind: "maximum" | "minimum"): CompileRow {
  return (site) => {
    const grids = binaryGrids(site);
    if (grids === undefined || site.node.inputs.length !== 2) return undefined;
    const { a, b, out } = grids;
    if (!sameGrid(a, out) || !sameGrid(b, out)) return undefined;
    return [{ kind, node: site.node.name, inputs: [a.ref, b.ref], output: site.output }];
  };
}

/** A function of one value: what the row works out from the encodings and the profile. */
type UnaryRow = (
  site: Site,
  input: Grid,
  output: Grid,
) => { readonly f: UnaryFunction; readonly of?: (x: number) => number } | undefined;

function unary(row: UnaryRow): CompileRow {
  return (site) => {
    const inputName = site.node.inputs[0] as string;
    const input = gridOf(site.at, inputName);
    const output = gridOf(site.at, site.output);
    if (input === undefined || output === undefined) return undefined;
    const made = row(site, input, output);
    if (made === undefined) return undefined;
    return [
      unaryStep(
        { node: site.node.name, inputs: [inputName], output: site.output },
        { ...made, input, grid: output, bounds: site.bounds ?? boundsOf(site.at, site.node) },
      ),
    ];
  };
}

/** A step for a function, with its table when the input has 8 bits. */
function unaryStep(
  base: { readonly node: string; readonly inputs: readonly string[]; readonly output: string },
  how: {
    readonly f: UnaryFunction;
    readonly of?: (x: number) => number;
    readonly input: Grid;
    readonly grid: Grid;
    readonly bounds?: Site["bounds"];
  },
): UnaryStep {
  const { f, of, input, grid } = how;
  const clamp = clampOf(grid, how.bounds);
  const [low, high] = clamp;
  const [first, last] = LEVELS[input.dtype];
  const entry = (q: number): number => {
    const y = f.kind === "table" ? (of?.(q) as number) : applyUnary(f, q - input.zeroPoint, LEVELS[grid.dtype]) + grid.zeroPoint;
    return y < low ? low : y > high ? high : y;
  };
  const table =
    last - first > 255 && f.kind !== "table"
      ? undefined
      : Int16Array.from({ length: last - first + 1 }, (_, i) => entry(first + i));
  return {
    kind: "unary",
    ...base,
    function: f,
    inputZero: input.zeroPoint,
    outputZero: grid.zeroPoint,
    clamp,
    ...(table === undefined ? {} : { table }),
  };
}

/** A step that brings a value from one encoding to another. */
export function requantizeStep(
  site: Site,
  names: { readonly input: string; readonly output: string },
  grids: { readonly input: Grid; readonly output: Grid },
): UnaryStep {
  const rounding = roundingOf(site.at, "requantize") ?? "double";
  const multiplier = quantizeMultiplier(grids.input.scale / grids.output.scale);
  return unaryStep(
    { node: site.node.name, inputs: [names.input], output: names.output },
    { f: { kind: "requantize", multiplier, rounding }, input: grids.input, grid: grids.output },
  );
}

const relu = unary((site, input, output) => {
  const rounding = roundingOf(site.at, "relu");
  if (rounding === undefined || boundsOf(site.at, site.node) === undefined) return undefined;
  return { f: { kind: "relu", multiplier: quantizeMultiplier(input.scale / output.scale), rounding } };
});

const identity = unary((site, input, output) => {
  const factor = inBytes(Math.fround(input.scale / output.scale));
  if (site.at.profile.rules.requantize === "xnn" && factor !== undefined && input.dtype !== "int16")
    return { f: { kind: "byteScaled", positive: factor, negative: factor } };
  const rounding = site.at.profile.rules.requantize === "xnn" ? "double" : roundingOf(site.at, "requantize");
  return rounding === undefined
    ? undefined
    : { f: { kind: "requantize", multiplier: quantizeMultiplier(input.scale / output.scale), rounding } };
});

/** A factor in 1/256, as XNNPACK has it; `undefined` for those that it leaves to the reference kernel. */
function inBytes(factor: number): number | undefined {
  return factor < 2 ** -8 || factor > 2 ** 7 ? undefined : roundHalfEven(Math.fround(256 * factor));
}

const leakyRelu = unary((site, input, output) => {
  const alpha = Math.fround(attrFloat(site.node, "alpha", 0.01));
  if (alpha < 0) return undefined;
  const rule = site.at.profile.rules.leakyRelu;
  if (rule === "xnn") {
    // Both ratios in float32, whichever kernel it is.
    const ratio = Math.fround(input.scale / output.scale);
    const [positive, negative] = [inBytes(ratio), inBytes(Math.fround(ratio * alpha))];
    if (positive !== undefined && negative !== undefined && input.dtype !== "int16")
      return { f: { kind: "byteScaled", positive, negative } };
    const below = quantizeMultiplier(Math.fround(Math.fround(input.scale * alpha) / output.scale));
    return { f: { kind: "leakyRelu", positive: quantizeMultiplier(ratio), negative: below, rounding: "double" } };
  }
  if (rule !== "double" && rule !== "single") return undefined;
  const positive = quantizeMultiplier(input.scale / output.scale);
  const negative = quantizeMultiplier((input.scale * alpha) / output.scale);
  return { f: { kind: "leakyRelu", positive, negative, rounding: rule } };
});

const hardSwish = unary((site, input, output) => {
  if (site.at.profile.rules.hardSwish !== "fixed" || input.dtype === "int16") return undefined;
  const fine = Math.fround(input.scale / 128);
  const toOutput = quantizeMultiplier(Math.fround(fine / output.scale));
  const toRelu = quantizeMultiplier(Math.fround(fine / Math.fround(3 / 32768)));
  return { f: { kind: "hardSwish", output: shortened(toOutput), relu: shortened(toRelu) } };
});

/** Table of a float function in float32: fround at each step, half away from zero at the end. */
function tableOf(f: (x: number) => number, of: string, input: Grid, output: Grid): ReturnType<UnaryRow> {
  const inverse = Math.fround(1 / output.scale);
  return {
    f: { kind: "table", of },
    of: (q) =>
      roundAway(Math.fround(Math.fround(f(Math.fround(input.scale * (q - input.zeroPoint)))) * inverse)) + output.zeroPoint,
  };
}

/** Largest difference from the zero point that still has another value than the end of the function. */
function radiusOf(shift: number): number {
  return Math.floor(((2 ** ARGUMENT_BITS - 1) * 2 ** (31 - ARGUMENT_BITS)) / 2 ** shift);
}

function squashing(kind: "logistic" | "tanh", f: (x: number) => number): CompileRow {
  return unary((site, input, output) => {
    const rule = site.at.profile.rules[kind satisfies RuleKind];
    if (input.dtype === "int16") {
      if (rule !== "fixed") return undefined;
      const wide = wideArgument(input.scale, kind === "tanh" ? [0, 1] : [0]);
      return { f: { kind: kind === "logistic" ? "wideLogistic" : "wideTanh", ...wide } };
    }
    if (rule === "table") return tableOf(f, kind, input, output);
    if (rule !== "fixed") return undefined;
    const multiplier = quantizeMultiplier(input.scale * 2 ** (31 - ARGUMENT_BITS));
    return { f: { kind, multiplier, radius: radiusOf(multiplier.shift) } };
  });
}

/**
 * The multiplier and right shift that bring a 16-bit scale to 1 / (3 * 2^12). For a scale of 2^-12 times an allowed power of two the multiplier is
 * small and exact; else it takes 14 to 15 bits, cut off.
 */
function wideArgument(scale: number, exact: readonly number[]): { readonly multiplier: number; readonly shift: number } {
  const left = Math.log2(scale) + 12;
  if (exact.includes(left)) return { multiplier: 3 * 2 ** left, shift: 0 };
  let multiplier = scale * 4096 * 3;
  let shift = 0;
  while (multiplier <= 32767 / 2 && shift <= 30) {
    multiplier *= 2;
    shift++;
  }
  return { multiplier: Math.trunc(multiplier), shift };
}

const elu = unary((site, input, output) => {
  if (site.at.profile.rules.elu !== "table" || input.dtype === "int16") return undefined;
  const alpha = attrFloat(site.node, "alpha", 1);
  return tableOf((x) => (x < 0 ? alpha * Math.expm1(x) : x), "elu", input, output);
});

/** Operators that work value by value. */
export const ELEMENTWISE_ROWS = {
  Add: add(false),
  Sub: add(true),
  Mul: mul,
  PRelu: prelu,
  Max: extremum("maximum"),
  Min: extremum("minimum"),
  Relu: relu,
  Clip: relu,
  Identity: identity,
  LeakyRelu: leakyRelu,
  HardSwish: hardSwish,
  Sigmoid: squashing("logistic", (x) => 1 / (1 + Math.exp(-x))),
  Tanh: squashing("tanh", Math.tanh),
  Elu: elu,
} as const satisfies Record<string, CompileRow>;
