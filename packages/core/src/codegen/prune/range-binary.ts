import { toNumbers } from "../../graph/tensor.ts";
import { type Operand, runAdd, runExtremum, runMul, runPrelu } from "../../interp/integer/elementwise.ts";
import type { AddStep, ExtremumStep, MulStep, PreluStep } from "../../interp/integer/program.ts";
import { channelAt } from "./channels.ts";
import { type Range, rangeOf, type Scope, spread } from "./range.ts";

/** Functions of two operands that go one way in each, but for a bend at zero: the ends, and both sides of the bend. */
export function binaryRange(scope: Scope, step: AddStep | MulStep | PreluStep | ExtremumStep): Range {
  const count = scope.channels.get(step.output)?.count ?? 1;
  const [a, b] = [0, 1].map((i) => operandRange(scope, step, { index: i, count })) as [Range, Range];
  const zero = step.kind === "prelu" ? step.zeros[0] : 0;
  const low = new Int32Array(count);
  const high = new Int32Array(count);
  for (let c = 0; c < count; c++) {
    const [a0, a1] = [a.low[c] as number, a.high[c] as number];
    const points = [a0, a1, zero, zero - 1].filter((q) => q >= a0 && q <= a1);
    const xs = Int32Array.from([...points, ...points]);
    const ys = xs.map((_, i) => (i < points.length ? b.low : b.high)[c] as number);
    const out = runPair(step, { data: xs, index: undefined }, { data: ys, index: undefined });
    low[c] = Math.min(...out);
    high[c] = Math.max(...out);
  }
  return { low, high };
}

function runPair(step: AddStep | MulStep | PreluStep | ExtremumStep, a: Operand, b: Operand): Int32Array {
  const out = new Int32Array(a.data.length);
  if (step.kind === "add") runAdd(step, a, b, out);
  else if (step.kind === "mul") runMul(step, a, b, out);
  else if (step.kind === "prelu") runPrelu(step, a, b, out);
  else runExtremum(step, a, b, out);
  return out;
}

/** Range of an operand by channel of the output; a constant's where it has one entry a channel, or several. */
function operandRange(
  scope: Scope,
  step: { readonly inputs: readonly string[]; readonly output: string },
  which: { readonly index: number; readonly count: number },
): Range {
  const name = step.inputs[which.index] as string;
  const constant = scope.program.values.has(name) ? undefined : scope.program.constants.get(name);
  const channels = scope.channels.get(step.output);
  const out = scope.program.values.get(step.output)?.shape ?? [];
  if (constant !== undefined && channels !== undefined) {
    const axis = channels.axis - (out.length - constant.shape.length);
    const size = constant.shape[axis];
    if (axis >= 0 && size === channels.outer * channels.count * channels.inner) {
      const inner = constant.shape.slice(axis + 1).reduce((n, s) => n * s, 1);
      const low = new Int32Array(which.count).fill(2 ** 31 - 1);
      const high = new Int32Array(which.count).fill(-(2 ** 31));
      for (const [i, q] of toNumbers(constant).entries()) {
        const c = channelAt(channels, Math.floor(i / inner) % size);
        low[c] = Math.min(low[c] as number, q);
        high[c] = Math.max(high[c] as number, q);
      }
      return { low, high };
    }
  }
  const own = scope.channels.get(name);
  const range = rangeOf(scope, name);
  const rank = scope.program.values.get(name)?.shape.length ?? 0;
  const isSame =
    own !== undefined &&
    channels !== undefined &&
    own.axis + out.length - rank === channels.axis &&
    own.outer === channels.outer &&
    own.inner === channels.inner &&
    own.count === which.count;
  return isSame ? range : spread(spread(range, 1), which.count);
}
