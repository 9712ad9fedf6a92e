import type {
  AveragePoolStep,
  L2NormalizationStep,
  LstmStep,
  MaxPoolStep,
  MeanStep,
  ResizeStep,
  SoftmaxStep,
} from "../../interp/integer/program.ts";
import { type Factor, type Layout, naturalOrder, sizeOf, storageRuns } from "./layout.ts";
import { inValue } from "./lower-elementwise.ts";
import { deviceWindow, makeWindowOutput, windowInput } from "./lower-sums.ts";
import {
  addValue,
  deviceRescale,
  type Held,
  inOrder,
  integerValue,
  type Lowering,
  makeValue,
  makeValueLike,
  unsignedShift,
} from "./lowering.ts";
import type { DeviceRescale } from "./program.ts";

/** A pool of windows. */
export function lowerPool(at: Lowering, step: MaxPoolStep | AveragePoolStep): void {
  const name = step.inputs[0] as string;
  const input = windowInput(at, name, step.node);
  const shift = unsignedShift(at, step.output);
  const base = {
    node: step.node,
    inputs: [input.name],
    output: makeWindowOutput(at, step.output),
    ...deviceWindow(step, integerValue(at, name).shape.length),
    clamp: [step.clamp[0] - shift, step.clamp[1] - shift] as const,
  };
  if (step.kind === "maxPool") at.steps.push({ kind: "maxPool", ...base });
  else at.steps.push({ kind: "averagePool", ...base, countPadding: step.countPadding, inputZero: step.inputZero });
}

/** Sums over axes, in whatever order the input lies; what is left keeps that order. */
export function lowerMean(at: Lowering, step: MeanStep): void {
  const name = step.inputs[0] as string;
  const input = inValue(at, name, step.node);
  const runs: { size: number; reduced: boolean; axis: number }[] = [];
  const kept: { readonly axis: number; readonly size: number }[] = [];
  for (const { axis, factor } of storageRuns(input.layout)) {
    const reduced = step.axes.includes(axis);
    if (!reduced) kept.push({ axis, size: factor.size });
    const last = runs.at(-1);
    if (last?.reduced === reduced) last.size *= factor.size;
    else runs.push({ size: factor.size, reduced, axis });
  }
  makeKept(at, step, { input, kept });
  const sizes = runs.length === 0 ? [1] : runs.map((run) => run.size);
  const shift = unsignedShift(at, step.output);
  at.steps.push({
    kind: "mean",
    node: step.node,
    inputs: [input.name],
    output: step.output,
    sizes,
    reduced: runs.length === 0 ? [true] : runs.map((run) => run.reduced),
    count: step.count,
    inputZero: step.inputZero - unsignedShift(at, name),
    outputZero: step.outputZero - shift,
    rescale: deviceRescale(step.rescale) as DeviceRescale,
    clamp: [step.clamp[0] - shift, step.clamp[1] - shift],
  });
}

/** Makes the output of a mean: its axes are those of the input that were kept, with or without axes of 1 in place of the others. */
function makeKept(
  at: Lowering,
  step: MeanStep,
  from: { readonly input: Held; readonly kept: readonly { readonly axis: number; readonly size: number }[] },
): void {
  const { shape } = integerValue(at, step.output);
  const whole = shape.length === step.sizes.length;
  const left = naturalOrder(step.sizes.length).filter((axis) => !step.axes.includes(axis));
  const layout: Factor[][] = shape.map(() => []);
  let stride = sizeOf(shape);
  const made = new Map<Factor, Factor>();
  const runs = storageRuns(from.input.layout).filter(({ axis }) => left.includes(axis));
  for (const { factor } of runs) {
    stride /= factor.size;
    made.set(factor, { size: factor.size, stride });
  }
  for (const axis of left) {
    const target = whole ? axis : left.indexOf(axis);
    layout[target] = (from.input.layout[axis] ?? []).map((factor) => made.get(factor) as Factor);
  }
  const sizes = from.kept.map(({ size }) => size);
  const isPicture = whole && shape.length === 4;
  addValue(at, step.output, {
    like: step.output,
    shape: isPicture ? pictureShape(layout, shape) : sizes.length === 0 ? [1] : sizes,
  });
  at.held.set(step.output, { name: step.output, layout });
}

/** Sizes as [height, width, channels] where the layout is that, else as they lie. */
function pictureShape(layout: Layout, shape: readonly number[]): readonly number[] {
  const order = storageRuns(layout).map(({ axis }) => axis);
  const rank = [0, 2, 3, 1];
  const isUsual = order.every((axis, i) => i === 0 || rank.indexOf(order[i - 1] as number) < rank.indexOf(axis));
  if (isUsual && shape[0] === 1) return [shape[2] as number, shape[3] as number, shape[1] as number];
  const sizes = storageRuns(layout).map(({ factor }) => factor.size);
  return sizes.length === 0 ? [1] : sizes;
}

/** An operator over one axis: the sizes before it, of it and behind it as they lie. */
export function lowerAlong(at: Lowering, step: SoftmaxStep | L2NormalizationStep): void {
  const { node, output } = step;
  const name = step.inputs[0] as string;
  const { shape } = integerValue(at, name);
  const axis = shape.findIndex((size, i) => size === step.sizes[1] && sizeOf(shape.slice(0, i)) === step.sizes[0]);
  let input = inValue(at, name, node);
  let sizes = axis < 0 ? step.sizes : sizesAround(input.layout, axis);
  if (sizes === undefined) {
    input = inOrder(at, name, { order: naturalOrder(shape.length), node });
    sizes = step.sizes;
  }
  makeValueLike(at, output, input);
  if (step.kind === "softmax")
    at.steps.push({ kind: "softmax", node, inputs: [input.name], output, sizes, multiplier: step.multiplier, least: step.least });
  else
    at.steps.push({
      kind: "l2Normalization",
      node,
      inputs: [input.name],
      output,
      sizes,
      inputZero: step.inputZero - unsignedShift(at, name),
      rounding: step.rounding,
    });
}

/** Sizes around an axis in storage order; `undefined` when its parts do not lie side by side. Their own order does not matter to a sum. */
function sizesAround(layout: Layout, axis: number): readonly [number, number, number] | undefined {
  const runs = storageRuns(layout);
  const first = runs.findIndex((run) => run.axis === axis);
  const count = runs.filter((run) => run.axis === axis).length;
  const product = (list: typeof runs): number => list.reduce((n, run) => n * run.factor.size, 1);
  if (first < 0) return [product(runs), 1, 1];
  const inside = runs.slice(first, first + count);
  if (inside.some((run) => run.axis !== axis)) return undefined;
  return [product(runs.slice(0, first)), product(inside), product(runs.slice(first + count))];
}

/** Bilinear resizing of a picture. */
export function lowerResize(at: Lowering, step: ResizeStep): void {
  const name = step.inputs[0] as string;
  const input = windowInput(at, name, step.node);
  const { height, width, outHeight, outWidth, alignCorners, halfPixel } = step;
  at.steps.push({
    kind: "resizeBilinear",
    node: step.node,
    inputs: [input.name],
    output: makeWindowOutput(at, step.output),
    height,
    width,
    channels: step.planes,
    outHeight,
    outWidth,
    alignCorners,
    halfPixel,
  });
}

/** An LSTM over a sequence in its own order. */
export function lowerLstm(at: Lowering, step: LstmStep): void {
  const name = step.inputs[0] as string;
  const input = inOrder(at, name, { order: naturalOrder(integerValue(at, name).shape.length), node: step.node });
  makeValue(at, step.output, naturalOrder(integerValue(at, step.output).shape.length));
  const states = step.states.map((state) => {
    if (!at.live.has(state)) return "";
    return makeValue(at, state, naturalOrder(integerValue(at, state).shape.length));
  });
  at.steps.push({
    kind: "lstm",
    node: step.node,
    inputs: [input.name],
    output: step.output,
    lstm: {
      ...step,
      inputZero: step.inputZero - unsignedShift(at, name),
      inputs: [input.name],
      states: [states[0] ?? "", states[1] ?? ""],
    },
    states: [states[0] ?? "", states[1] ?? ""],
  });
}
