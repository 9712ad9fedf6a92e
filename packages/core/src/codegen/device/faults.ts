import type { IntegerProgram, IntegerStep } from "../../interp/integer/program.ts";
import { outputsOf } from "../../interp/integer/run.ts";
import type { Border } from "./border.ts";
import { type DeviceFault, integerValue, isConstant, type Lowering } from "./lowering.ts";

/** Operators without an integer form here, and what to write in their place. */
const INSTEAD: Readonly<Record<string, string>> = {
  Softplus: "use Relu, HardSwish or Sigmoid",
  Gelu: "use Relu, HardSwish or Sigmoid * x",
  Erf: "the Gelu that it belongs to may become HardSwish",
  LayerNormalization: "train with BatchNormalization, which folds into the convolution before it",
  InstanceNormalization: "train with BatchNormalization, which folds into the convolution before it",
  BatchNormalization: "fold it into the convolution before it (tessera optimize)",
  GRU: "use an LSTM, or convolutions over time",
  RNN: "use an LSTM, or convolutions over time",
  LSTM: "only forward LSTMs with the usual activations, no peepholes, no sequence lengths, state starting at zero; export one direction at a time, for sequences of full length",
  MatMul: "one operand has to be a constant; attention has no kernel here",
  Gemm: "the weights have to be constant, alpha and beta 1",
  Div: "multiply by the constant's inverse",
  Exp: "use Sigmoid or Softmax, which have integer forms",
  Sqrt: "an L2 normalization as a whole has a form here (LpNormalization)",
  Pow: "an L2 normalization as a whole has a form here (LpNormalization); a square is Mul(x, x)",
  Shape: "give the model fixed sizes and simplify it",
  NonMaxSuppression: "cut the model before it and do this on the host",
  TopK: "cut the model before it and do this on the host",
  ArgMax: "cut the model before it: the application takes the largest output",
  ConvTranspose: "use nearest Resize and a convolution",
  LogSoftmax: "use Softmax, or give out what comes before it",
};

const QUANTIZE_IT = "quantize the whole network to int8 (tessera quantize --scheme static)";

/** For a network that went through that already: typing it again would change nothing. */
const REPLACE_IT =
  "the rest is quantized already and this stayed in float: use operators with an integer form, or cut the model there and leave it to the host";

/** Whether some of the network computes in integers. */
function isQuantized({ program }: Lowering): boolean {
  return program.steps.some(({ kind }) => kind !== "float" && kind !== "quantize" && kind !== "dequantize" && kind !== "move");
}

/** Inputs and outputs that are not integers. */
export function inputFaults(program: IntegerProgram, border: Border): DeviceFault[] {
  const isFine = (name: string): boolean => {
    const value = program.values.get(name);
    return value?.scale !== undefined;
  };
  const faultsOf = (names: readonly string[], kind: string): DeviceFault[] =>
    names
      .filter((name) => !isFine(name))
      .map((node) => ({ node, kind, why: `the ${kind} is not quantized`, suggestion: QUANTIZE_IT }));
  return [...faultsOf(border.inputs, "input"), ...faultsOf(border.outputs, "output")];
}

/** Why a device cannot compute a step; `undefined` when it can. */
export function faultOf(at: Lowering, step: IntegerStep): DeviceFault | undefined {
  const fault = (why: string, suggestion: string, kind: string = step.kind): DeviceFault => ({
    node: step.node,
    kind,
    why,
    suggestion,
  });
  if (step.kind === "float") {
    const { op } = step.operator;
    return fault(
      `${op} has no integer form under this plan and would run in float`,
      INSTEAD[op] ?? (isQuantized(at) ? REPLACE_IT : `replace it, or quantize its values: ${QUANTIZE_IT}`),
      op,
    );
  }
  if (step.kind === "quantize" || step.kind === "dequantize")
    return fault("a value changes between float and integers inside the network", isQuantized(at) ? REPLACE_IT : QUANTIZE_IT);
  const wide = wideValue(at, step);
  if (wide !== undefined)
    return fault(
      `"${wide.name}" is ${wide.dtype}`,
      "activations are 8-bit here: quantize with --scheme static instead of int16x8",
    );
  if ("rescale" in step && step.rescale.rule !== "double" && step.rescale.rule !== "single")
    return fault(
      `it is rescaled by the rule "${step.rescale.rule}"`,
      'compile with the profile "tflm-double" or "single", whose multipliers are integers',
    );
  if ("bias" in step && step.bias instanceof BigInt64Array)
    return fault("its bias has 64 bits", "biases are int32 here: quantize with --scheme static");
  if ("batch" in step && step.batch !== 1)
    return fault(`its batch is ${step.batch}`, "a device takes one input at a time: set the batch to 1");
  if (step.kind === "unary" && step.table?.length !== 256) return fault("it has no table", "activations are 8-bit here");
  if (step.kind === "unary" && step.function.kind === "byteScaled") return profileFault(fault);
  if (step.kind === "resizeBilinear" && step.fine) return profileFault(fault);
  if (step.kind === "resizeBilinear" && integerValue(at, step.output).shape[0] !== 1)
    return fault("its batch is not 1", "a device takes one input at a time: set the batch to 1");
  if ((step.kind === "averagePool" || step.kind === "resizeBilinear") && integerValue(at, step.output).dtype === "uint8")
    return fault("its values are uint8, whose means are rounded another way", "quantize activations to int8");
  if ((step.kind === "add" || step.kind === "mul" || step.kind === "prelu") && step.inputs.every((name) => isConstant(at, name)))
    return fault("both operands are constant", "fold it (tessera optimize)");
  return undefined;
}

function profileFault(fault: (why: string, suggestion: string) => DeviceFault): DeviceFault {
  return fault("it follows the rules of a processor's kernels", 'compile with the profile "tflm-double" or "single"');
}

/** A value of a step that is no 8-bit activation. The last cell state of an LSTM may have 16 bits when it is an output. */
function wideValue(at: Lowering, step: IntegerStep): { readonly name: string; readonly dtype: string } | undefined {
  const indices = step.kind === "move" ? step.inputs.filter((name) => at.program.values.get(name)?.scale === undefined) : [];
  const names = [...step.inputs.filter((name) => name !== "" && !indices.includes(name)), ...outputsOf(step)];
  for (const name of names) {
    const { dtype } = integerValue(at, name);
    const isCell = step.kind === "lstm" && name === step.states[1];
    const isUnread = !at.live.has(name);
    if (dtype === "int8" || dtype === "uint8" || (isCell && !at.readers.has(name)) || isUnread) continue;
    return { name, dtype };
  }
  return undefined;
}
