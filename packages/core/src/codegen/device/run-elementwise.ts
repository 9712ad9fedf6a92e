import { multiply } from "../../interp/integer/multiplier.ts";
import { rescaleRun } from "../../interp/integer/rescale.ts";
import type { DeviceAdd, DeviceBroadcast, DeviceExtremum, DeviceMul, DevicePrelu, DeviceTable } from "./program.ts";
import type { DeviceData } from "./relayout.ts";

/** The elements of an operand in the order of the output. */
function spread(data: DeviceData, { sizes, strides }: DeviceBroadcast, which: 0 | 1): Int32Array {
  let places = Int32Array.of(0);
  for (const [d, size] of sizes.entries()) {
    const stride = strides[which][d] as number;
    const next = new Int32Array(places.length * size);
    for (let i = 0, o = 0; i < places.length; i++)
      for (let k = 0; k < size; k++, o++) next[o] = (places[i] as number) + k * stride;
    places = next;
  }
  return places.map((place) => data[place] as number);
}

/** An operator of two operands. */
export function runBinary(
  step: DeviceAdd | DeviceMul | DevicePrelu | DeviceExtremum,
  operands: readonly [DeviceData, DeviceData],
  out: DeviceData,
): void {
  const a = spread(operands[0], step, 0);
  const b = spread(operands[1], step, 1);
  const of = functionOf(step);
  for (let i = 0; i < out.length; i++) out[i] = of(a[i] as number, b[i] as number);
}

function functionOf(step: DeviceAdd | DeviceMul | DevicePrelu | DeviceExtremum): (a: number, b: number) => number {
  if (!("zeros" in step)) return step.kind === "maximum" ? Math.max : Math.min;
  const [low, high] = step.clamp;
  const clamped = (q: number): number => Math.max(low, Math.min(high, q + step.outputZero));
  const [za, zb] = step.zeros;
  if (step.kind === "mul") {
    const target = { out: new Int32Array(1), at: 0, stride: 1 };
    return (a, b) => {
      rescaleRun(Int32Array.of((a - za) * (b - zb)), 1, { ...step, channel: 0, target });
      return target.out[0] as number;
    };
  }
  const { rounding } = step;
  if (step.kind === "prelu")
    return (a, b) => {
      const x = a - za;
      return clamped(x >= 0 ? multiply(x, step.positive, rounding) : multiply(x * (b - zb), step.negative, rounding));
    };
  const scale = 2 ** step.leftShift;
  return (a, b) => {
    const x = multiply((a - za) * scale, step.multipliers[0], rounding);
    const y = multiply((b - zb) * scale, step.multipliers[1], rounding);
    return clamped(multiply(step.subtract ? x - y : x + y, step.outputMultiplier, rounding));
  };
}

/** A function by its table. */
export function runTable(step: DeviceTable, input: DeviceData, out: DeviceData): void {
  for (let i = 0; i < step.count; i++) out[i] = step.table[(input[i] as number) + 128] as number;
}
