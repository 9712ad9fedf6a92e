import { fail } from "../../base/error.ts";
import type { DeviceL2Normalization, DeviceMean, DeviceResize, DeviceSoftmax } from "../device/program.ts";
import { call, type EmitContext, type StepCode, valueAt } from "./context.ts";
import { multiplierArgs } from "./elementwise.ts";
import { cInteger } from "./names.ts";

function inOut(context: EmitContext, step: { readonly inputs: readonly string[]; readonly output: string }) {
  return [
    ["const int8_t *x", valueAt(context, step.inputs[0] as string)],
    ["int8_t *y", valueAt(context, step.output)],
  ] as const;
}

/** Sums over axes, rescaled. The axes become kept, summed, kept, summed, kept. */
export function meanCode(context: EmitContext, step: DeviceMean): StepCode {
  const by = { value: step.rescale.multipliers[0] as number, shift: step.rescale.shifts[0] as number };
  const less = cInteger(Math.trunc(step.inputZero * step.count) | 0);
  const args = ["x", ...meanAxes(step), less, ...multiplierArgs(by), step.outputZero, ...step.clamp, "y"];
  return { word: "mean", parameters: inOut(context, step), body: [call(context, "ts_mean", args)] };
}

/** Sizes of [o0, r0, o1, r1, o2]. */
function meanAxes(step: DeviceMean): readonly number[] {
  const axes = [1, 1, 1, 1, 1];
  let at = 0;
  for (const [d, size] of step.sizes.entries()) {
    if (size === 1) continue;
    const isSummed = step.reduced[d] === true;
    if ((at % 2 === 1) !== isSummed) at++;
    if (at > 4)
      throw fail("UNSUPPORTED_OP", `Cannot write C for a mean over every other one of [${step.sizes}]`, {
        at: { node: step.node },
      });
    axes[at] = (axes[at] as number) * size;
  }
  return axes;
}

/** Shares of the exponentials. */
export function softmaxCode(context: EmitContext, step: DeviceSoftmax, scratch: string): StepCode {
  const { value, shift } = step.multiplier;
  const args = ["x", ...step.sizes, cInteger(value), shift, step.least, "scratch", "y"];
  const [x, y] = inOut(context, step);
  return {
    word: "softmax",
    parameters: [x, ["int8_t *scratch", scratch], y],
    body: [call(context, "ts_softmax", args)],
  };
}

/** x / |x|. */
export function l2Code(context: EmitContext, step: DeviceL2Normalization): StepCode {
  const args = ["x", ...step.sizes, step.inputZero, "y"];
  return { word: "l2", parameters: inOut(context, step), body: [call(context, "ts_l2_normalization", args)] };
}

/** Bilinear resizing. */
export function resizeCode(context: EmitContext, step: DeviceResize): StepCode {
  const { height, width, channels, outHeight, outWidth } = step;
  const rules = [step.alignCorners ? 1 : 0, step.halfPixel ? 1 : 0];
  const args = ["x", height, width, channels, outHeight, outWidth, ...rules, "y"];
  return { word: "resize", parameters: inOut(context, step), body: [call(context, "ts_resize_bilinear", args)] };
}
