import { fail, placed } from "../../base/error.ts";
import { byteLength } from "../../graph/dtype.ts";
import type { Feeds } from "../../graph/runtime.ts";
import { countOf, reshaped, type Tensor, type ViewDType, view } from "../../graph/tensor.ts";
import type { KernelContext } from "../kernel.ts";
import { kernelOf } from "../kernels.ts";
import { type BorderRounding, borderRounding, toFloats, toIntegers } from "./border.ts";
import { runConv, runFullyConnected } from "./conv.ts";
import { broadcastIndex, type Operand, runAdd, runExtremum, runMul, runPrelu } from "./elementwise.ts";
import { runLstm } from "./lstm.ts";
import { runAveragePool, runMaxPool, runMean, runResize } from "./pool.ts";
import { profileOf } from "./profile.ts";
import { type FloatStep, floatsOf, type IntegerProgram, type IntegerStep, type IntegerValue, type MoveStep } from "./program.ts";
import type { Integers } from "./rescale.ts";
import { runL2Normalization, runSoftmax } from "./softmax.ts";
import { runUnary } from "./unary.ts";

/** Options of {@link runInteger}. */
export interface RunIntegerOptions {
  /** "float" (default): feeds and results are float32 and are quantized and dequantized at the ends; "integer": integers as they are. */
  readonly io?: "float" | "integer";
  /** Called with each value as soon as it is computed, in integers where it is quantized. */
  readonly onValue?: (name: string, value: Tensor) => void;
}

/** Values while a program runs. */
interface Scope {
  readonly program: IntegerProgram;
  readonly values: Map<string, Tensor>;
}

/**
 * Runs an integer program. Results are those of the profile that it was compiled for, to the bit.
 *
 * @param feeds a tensor for each input of the program
 * @returns the outputs by name; an output without an encoding is float whatever `io` says
 * @throws DATA_MISSING for an input that is not fed; DTYPE_MISMATCH, SHAPE_MISMATCH for a feed of another type or shape
 */
export function runInteger(program: IntegerProgram, feeds: Feeds, options: RunIntegerOptions = {}): Map<string, Tensor> {
  const { io = "float", onValue } = options;
  const rounding = borderRounding(profileOf(program.profile));
  const values = new Map<string, Tensor>(program.constants);
  for (const name of program.inputs) {
    const value = describe(program, name);
    const tensor = fed(value, feeds.get(name), { io, rounding });
    values.set(name, tensor);
    if (program.values.has(floatsOf(name)))
      values.set(floatsOf(name), io === "float" ? (feeds.get(name) as Tensor) : toFloats(tensor, value));
  }
  const scope = { program, values };
  for (const step of program.steps) {
    try {
      runStep(step, scope);
    } catch (error) {
      throw placed(error, { node: step.node });
    }
    if (onValue !== undefined) for (const name of outputsOf(step)) onValue(name, read(scope, name));
  }
  return new Map(
    program.outputs.map((name) => {
      const value = describe(program, name);
      if (io === "float" && program.values.has(floatsOf(name))) return [name, read(scope, floatsOf(name))];
      const tensor = read(scope, name);
      return [name, io === "float" && value.scale !== undefined ? toFloats(tensor, value) : tensor];
    }),
  );
}

/** Names of what a step makes. */
export function outputsOf(step: IntegerStep): readonly string[] {
  if (step.kind === "move" || step.kind === "float") return step.outputs.filter((name) => name !== "");
  return step.kind === "lstm" ? [step.output, ...step.states].filter((name) => name !== "") : [step.output];
}

function describe(program: IntegerProgram, name: string): IntegerValue {
  const value = program.values.get(name);
  if (value === undefined) throw fail("DATA_MISSING", `Cannot find the value "${name}" in the program`, { at: { tensor: name } });
  return value;
}

function read(scope: Scope, name: string): Tensor {
  const value = scope.values.get(name);
  if (value === undefined) throw fail("DATA_MISSING", `Cannot read "${name}": nothing made it`, { at: { tensor: name } });
  return value;
}

function fed(
  value: IntegerValue,
  tensor: Tensor | undefined,
  how: { readonly io: "float" | "integer"; readonly rounding: BorderRounding },
): Tensor {
  const { name } = value;
  const { io, rounding } = how;
  const at = { at: { tensor: name } };
  if (tensor === undefined) throw fail("DATA_MISSING", `Cannot run the program: its input "${name}" is not fed`, at);
  if (tensor.shape.length !== value.shape.length || tensor.shape.some((size, i) => size !== value.shape[i]))
    throw fail("SHAPE_MISMATCH", `Cannot feed "${name}" with [${tensor.shape}]: the program has [${value.shape}]`, at);
  const quantized = value.scale !== undefined;
  const wanted = quantized && io === "float" ? "float32" : value.dtype;
  if (tensor.dtype !== wanted)
    throw fail("DTYPE_MISMATCH", `Cannot feed "${name}" with ${tensor.dtype}: the program takes ${wanted}`, at);
  return quantized && io === "float" ? toIntegers(tensor, value, rounding) : tensor;
}

function integersOf(scope: Scope, name: string): Integers {
  const tensor = read(scope, name);
  return view(tensor, tensor.dtype as "int8");
}

function operandOf(scope: Scope, name: string, outShape: readonly number[]): Operand {
  return { data: integersOf(scope, name), index: broadcastIndex(read(scope, name).shape, outShape) };
}

/** Makes the output of a step, lets `write` fill it, and keeps it. */
function fill(scope: Scope, name: string, write: (out: Integers) => void): void {
  const { dtype, shape } = describe(scope.program, name);
  const tensor: Tensor = { dtype, shape, bytes: new Uint8Array(byteLength(dtype, countOf(shape))) };
  write(view(tensor, dtype as ViewDType) as Integers);
  scope.values.set(name, tensor);
}

function runStep(step: IntegerStep, scope: Scope): void {
  if (step.kind === "move" || step.kind === "float") {
    runKernel(step, scope);
    return;
  }
  const first = step.inputs[0] as string;
  if (step.kind === "quantize" || step.kind === "dequantize") {
    const tensor = read(scope, first);
    const made =
      step.kind === "quantize"
        ? toIntegers(tensor, describe(scope.program, step.output), step.rounding)
        : toFloats(tensor, describe(scope.program, first));
    scope.values.set(step.output, made);
    return;
  }
  if (step.kind === "lstm") {
    const { output, hidden, cell } = runLstm(step, integersOf(scope, first));
    fill(scope, step.output, (out) => out.set(output));
    if (step.states[0] !== "") fill(scope, step.states[0], (out) => out.set(hidden));
    if (step.states[1] !== "") fill(scope, step.states[1], (out) => out.set(cell));
    return;
  }
  fill(scope, step.output, (out) => {
    const { shape } = describe(scope.program, step.output);
    const other = (): Operand => operandOf(scope, step.inputs[1] as string, shape);
    switch (step.kind) {
      case "conv":
      case "depthwise":
        return runConv(step, integersOf(scope, first), out);
      case "fullyConnected":
        return runFullyConnected(step, integersOf(scope, first), out);
      case "add":
        return runAdd(step, operandOf(scope, first, shape), other(), out);
      case "mul":
        return runMul(step, operandOf(scope, first, shape), other(), out);
      case "prelu":
        return runPrelu(step, operandOf(scope, first, shape), other(), out);
      case "maximum":
      case "minimum":
        return runExtremum(step, operandOf(scope, first, shape), other(), out);
      case "maxPool":
        return runMaxPool(step, integersOf(scope, first), out);
      case "averagePool":
        return runAveragePool(step, integersOf(scope, first), out);
      case "mean":
        return runMean(step, integersOf(scope, first), out);
      case "unary":
        return runUnary(step, integersOf(scope, first), out);
      case "softmax":
        return runSoftmax(step, integersOf(scope, first), out);
      case "l2Normalization":
        return runL2Normalization(step, integersOf(scope, first), out);
      case "resizeBilinear":
        return runResize(step, integersOf(scope, first), out);
    }
  });
}

/** Runs a float kernel: on integers as they are (move), or on floats between integers. */
function runKernel(step: MoveStep | FloatStep, scope: Scope): void {
  const node = step.operator;
  const kernel = kernelOf(node.op);
  if (typeof kernel !== "function" || node.domain !== "")
    throw fail("UNSUPPORTED_OP", `Cannot run ${node.op}: there is no kernel for it`);
  const context: KernelContext = {
    node,
    outputCount: step.outputs.length,
    runGraph: () => {
      throw fail("UNSUPPORTED_OP", `Cannot run ${node.op} in an integer program: it has a graph inside`);
    },
  };
  const inputs = step.inputs.map((name) => {
    if (name === "") return undefined;
    const tensor = read(scope, name);
    const value = scope.program.values.get(name);
    return step.kind === "float" && value?.scale !== undefined ? toFloats(tensor, value) : tensor;
  });
  const made = kernel(inputs, context);
  step.outputs.forEach((name, i) => {
    const tensor = made[i];
    if (name === "" || tensor === undefined) return;
    const value = describe(scope.program, name);
    const shaped = reshaped(tensor, value.shape);
    scope.values.set(
      name,
      step.kind === "float" && value.scale !== undefined ? toIntegers(shaped, value, step.rounding) : shaped,
    );
  });
}
