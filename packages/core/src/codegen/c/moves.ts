import { fail } from "../../base/error.ts";
import type { DeviceCopy, DeviceFill, DeviceGather } from "../device/program.ts";
import { call, type EmitContext, offsetOf, type StepCode, typeOf, valueAt } from "./context.ts";
import { cInteger } from "./names.ts";

/** Elements moved: loops around memcpy where they lie densely, around a kernel elsewhere. A copy onto itself is nothing. */
export function copyCode(context: EmitContext, step: DeviceCopy): StepCode {
  const { elementBytes: bytes } = step;
  const input = step.inputs[0] as string;
  const x = valueAt(context, input, step.inputOffset * bytes);
  const y = valueAt(context, step.output, step.outputOffset * bytes);
  const isSameOrder = step.inputStrides.every((stride, d) => stride === step.outputStrides[d] || step.sizes[d] === 1);
  if (isSameOrder && x === y && offsetOf(context, input) !== undefined)
    return { word: "nothing", parameters: [], body: ["/* lies there already */"] };
  return {
    word: "copy",
    parameters: [
      ["const int8_t *x", x],
      ["int8_t *y", y],
    ],
    body: copyLines(context, step),
  };
}

function copyLines(context: EmitContext, step: DeviceCopy): string[] {
  const { sizes, inputStrides, outputStrides, elementBytes: bytes } = step;
  const last = sizes.length - 1;
  let x = "x";
  let y = "y";
  const lines: string[] = [];
  for (let d = 0; d < last; d++) {
    lines.push(`${"  ".repeat(d)}for (int i${d} = 0; i${d} < ${sizes[d]}; i${d}++)`);
    if (inputStrides[d] !== 0) x += ` + i${d} * (${(inputStrides[d] as number) * bytes})`;
    if (outputStrides[d] !== 0) y += ` + i${d} * (${(outputStrides[d] as number) * bytes})`;
  }
  const count = sizes[last] ?? 1;
  const steps = [inputStrides[last] ?? 1, outputStrides[last] ?? 1] as const;
  const isDense = count === 1 || (steps[0] === 1 && steps[1] === 1);
  const move = isDense
    ? `memcpy(${y}, ${x}, ${count * bytes});`
    : call(context, "ts_copy", [x, steps[0], y, steps[1], count, bytes]);
  lines.push(`${"  ".repeat(Math.max(0, last))}${move}`);
  return lines;
}

/** One integer everywhere. */
export function fillCode(context: EmitContext, step: DeviceFill): StepCode {
  const { dtype } = typeOf(context, step.output);
  const y = ["int8_t *y", valueAt(context, step.output)] as const;
  if (dtype === "int8" || dtype === "uint8")
    return { word: "fill", parameters: [y], body: [`memset(y, ${cInteger(step.value)}, ${step.count});`] };
  const type = dtype === "int16" ? "int16_t" : "int32_t";
  return {
    word: "fill",
    parameters: [y],
    body: [
      `${type} *const wide = (${type} *)(void *)y;`,
      `for (int i = 0; i < ${step.count}; i++)`,
      `  wide[i] = ${cInteger(step.value)};`,
    ],
  };
}

/** Runs chosen by constant indices. */
export function gatherCode(context: EmitContext, step: DeviceGather): StepCode {
  if (step.depth > 65536)
    throw fail("UNSUPPORTED_OP", `Cannot write C for a gather of ${step.depth} entries: indices have 16 bits`, {
      at: { node: step.node },
    });
  const run = step.inner * step.elementBytes;
  const indices = Uint16Array.from(step.indices);
  return {
    word: "gather",
    parameters: [
      ["const int8_t *x", valueAt(context, step.inputs[0] as string)],
      ["const uint16_t *indices", context.pool.add("tables", indices)],
      ["int8_t *y", valueAt(context, step.output)],
    ],
    body: [call(context, "ts_gather", ["x", step.outer, step.depth, run, "indices", indices.length, "y"])],
  };
}
