import { toNumbers } from "../../graph/tensor.ts";
import type {
  AveragePoolStep,
  ConvStep,
  FullyConnectedStep,
  IntegerProgram,
  IntegerStep,
  MaxPoolStep,
  MeanStep,
  MoveStep,
  UnaryStep,
} from "../../interp/integer/program.ts";
import { rescaleRun } from "../../interp/integer/rescale.ts";
import { outputsOf } from "../../interp/integer/run.ts";
import { type Channels, channelAt } from "./channels.ts";
import { type Range, rangeOf, type Scope, spread, whole } from "./range.ts";
import { binaryRange } from "./range-binary.ts";

/**
 * Bounds of every value by channel, by going through the program with intervals. Sound: no input gives an integer outside. A channel whose bounds meet
 * is constant.
 */
export function rangesOf(program: IntegerProgram, channels: ReadonlyMap<string, Channels>): ReadonlyMap<string, Range> {
  const scope: Scope = { program, channels, ranges: new Map() };
  for (const step of program.steps) {
    const made = rangeOfStep(scope, step);
    for (const name of outputsOf(step))
      scope.ranges.set(name, made !== undefined && name === outputsOf(step)[0] ? made : whole(scope, name));
  }
  return scope.ranges;
}

/** Range of the input of a window, whose channels are its axis 1. */
function windowRange(scope: Scope, name: string, count: number): Range {
  const own = scope.channels.get(name);
  const known = own !== undefined && own.axis === 1 && own.outer * own.inner === 1;
  return spread(known ? rangeOf(scope, name) : spread(rangeOf(scope, name), 1), count);
}

function rangeOfStep(scope: Scope, step: IntegerStep): Range | undefined {
  switch (step.kind) {
    case "conv":
    case "depthwise":
      return convRange(scope, step);
    case "fullyConnected":
      return fullyConnectedRange(scope, step);
    case "unary":
      return unaryRange(scope, step);
    case "add":
    case "mul":
    case "prelu":
    case "maximum":
    case "minimum":
      return binaryRange(scope, step);
    case "maxPool":
    case "averagePool":
      return poolRange(scope, step);
    case "mean":
      return meanRange(scope, step);
    case "move":
      return moveRange(scope, step);
    case "resizeBilinear": {
      // Weights of a point have the sum 1, but may be negative: only what is constant stays within its bounds.
      const range = rangeOf(scope, step.inputs[0] as string);
      return range.low.every((low, c) => low === range.high[c]) ? range : undefined;
    }
    default:
      return undefined;
  }
}

/** Bounds of sums brought to the output; everything where a sum could leave 32 bits. */
function rescaled(
  scope: Scope,
  step: ConvStep | FullyConnectedStep | MeanStep,
  sums: { low: Float64Array; high: Float64Array },
): Range {
  const count = sums.low.length;
  const range = { low: new Int32Array(count), high: new Int32Array(count) };
  const limit = 2 ** 31;
  if (sums.low.some((sum) => sum < -limit) || sums.high.some((sum) => sum >= limit))
    return spread(whole(scope, step.output), count);
  for (const [from, out] of [
    [sums.low, range.low],
    [sums.high, range.high],
  ] as const)
    for (let channel = 0; channel < count; channel++)
      rescaleRun(from.subarray(channel, channel + 1), 1, {
        rescale: step.rescale,
        channel,
        outputZero: step.outputZero,
        clamp: step.clamp,
        target: { out, at: channel, stride: 1 },
      });
  return range;
}

/** Whether some window reaches outside of the picture. */
export function isPadded(step: ConvStep | MaxPoolStep | AveragePoolStep): boolean {
  const reach = (axis: 0 | 1, size: number, outSize: number): boolean =>
    step.pads[axis] > 0 ||
    (outSize - 1) * step.strides[axis] + (step.kernel[axis] - 1) * step.dilations[axis] - step.pads[axis] >= size;
  return reach(0, step.height, step.outHeight) || reach(1, step.width, step.outWidth);
}

function convRange(scope: Scope, step: ConvStep): Range {
  const { channels, outChannels, group, weights, inputZero } = step;
  const input = windowRange(scope, step.inputs[0] as string, channels);
  const padded = isPadded(step);
  const depth = channels / group;
  const taps = step.kernel[0] * step.kernel[1];
  const sums = { low: new Float64Array(outChannels), high: new Float64Array(outChannels) };
  for (let o = 0; o < outChannels; o++) {
    let low = step.bias === undefined ? 0 : Number(step.bias[o]);
    let high = low;
    const first = Math.floor(o / (outChannels / group)) * depth;
    for (let c = 0; c < depth; c++) {
      let [from, to] = [(input.low[first + c] as number) - inputZero, (input.high[first + c] as number) - inputZero];
      if (padded) [from, to] = [Math.min(from, 0), Math.max(to, 0)];
      for (let k = 0; k < taps; k++) {
        const w = weights[(o * depth + c) * taps + k] as number;
        low += w > 0 ? w * from : w * to;
        high += w > 0 ? w * to : w * from;
      }
    }
    sums.low[o] = low;
    sums.high[o] = high;
  }
  return rescaled(scope, step, sums);
}

function fullyConnectedRange(scope: Scope, step: FullyConnectedStep): Range {
  const { depth, outputs, weights, weightsZero, inputZero } = step;
  const name = step.inputs[0] as string;
  const range = rangeOf(scope, name);
  const rank = scope.program.values.get(name)?.shape.length ?? 0;
  const own = scope.channels.get(name);
  const known = own !== undefined && own.axis === rank - 1 && own.count === range.low.length ? own : undefined;
  const input = known === undefined ? spread(range, 1) : range;
  const sums = { low: new Float64Array(outputs), high: new Float64Array(outputs) };
  for (let o = 0; o < outputs; o++) {
    let low = step.bias === undefined ? 0 : Number(step.bias[o]);
    let high = low;
    for (let i = 0; i < depth; i++) {
      const c = known === undefined ? 0 : channelAt(known, i);
      const w = (weights[o * depth + i] as number) - weightsZero;
      const [from, to] = [(input.low[c] as number) - inputZero, (input.high[c] as number) - inputZero];
      low += w > 0 ? w * from : w * to;
      high += w > 0 ? w * to : w * from;
    }
    sums.low[o] = low;
    sums.high[o] = high;
  }
  return rescaled(scope, step, sums);
}

function unaryRange(scope: Scope, step: UnaryStep): Range | undefined {
  const name = step.inputs[0] as string;
  const input = rangeOf(scope, name);
  const { table } = step;
  if (table === undefined) return undefined;
  const first = scope.program.values.get(name)?.dtype === "uint8" ? 0 : -128;
  const pick = (of: (list: Int16Array) => number): Int32Array =>
    input.low.map((low, c) => of(table.subarray(low - first, (input.high[c] as number) - first + 1)));
  return { low: pick((list) => Math.min(...list)), high: pick((list) => Math.max(...list)) };
}

function poolRange(scope: Scope, step: MaxPoolStep | AveragePoolStep): Range {
  const input = windowRange(scope, step.inputs[0] as string, step.channels);
  const [low, high] = step.clamp;
  // A window may lie in the padding altogether.
  const other = !isPadded(step) ? undefined : step.kind === "maxPool" ? low : step.countPadding ? step.inputZero : undefined;
  const clamped = (q: number): number => Math.max(low, Math.min(high, q));
  return {
    low: input.low.map((q) => clamped(other === undefined ? q : Math.min(q, other))),
    high: input.high.map((q) => clamped(other === undefined ? q : Math.max(q, other))),
  };
}

function meanRange(scope: Scope, step: MeanStep): Range | undefined {
  const channels = scope.channels.get(step.output);
  const input = rangeOf(scope, step.inputs[0] as string);
  const count = channels?.count ?? 1;
  if (input.low.length !== count) return undefined;
  const sum = (q: number): number => (q - step.inputZero) * step.count;
  return rescaled(scope, step, { low: Float64Array.from(input.low, sum), high: Float64Array.from(input.high, sum) });
}

/** What moves keeps its bounds; a Pad adds its value, a Concat of channels joins the lists. */
function moveRange(scope: Scope, step: MoveStep): Range | undefined {
  const { op } = step.operator;
  const output = step.outputs[0] as string;
  const count = scope.channels.get(output)?.count;
  if (count === undefined || step.outputs.length > 1) return undefined;
  const input = rangeOf(scope, step.inputs[0] as string);
  if (op === "Concat") {
    const parts = step.inputs.map((name) => rangeOf(scope, name));
    const low = Int32Array.from(parts.flatMap((part) => [...part.low]));
    if (low.length === count) return { low, high: Int32Array.from(parts.flatMap((part) => [...part.high])) };
    if (parts.some((part) => part.low.length !== count)) return undefined;
    const all = (pick: (part: Range, c: number) => number, of: (...list: number[]) => number): Int32Array =>
      Int32Array.from({ length: count }, (_, c) => of(...parts.map((part) => pick(part, c))));
    return { low: all((part, c) => part.low[c] as number, Math.min), high: all((part, c) => part.high[c] as number, Math.max) };
  }
  if (input.low.length !== count) return undefined;
  if (op === "Pad") {
    const value = scope.program.constants.get(step.inputs[2] ?? "");
    if (value === undefined) return undefined;
    const q = toNumbers(value)[0] as number;
    return { low: input.low.map((low) => Math.min(low, q)), high: input.high.map((high) => Math.max(high, q)) };
  }
  return KEEPING.includes(op) ? input : undefined;
}

/** Movements that the tracing of channels knows. */
const KEEPING = ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Resize"];
