import type { IntegerProgram, IntegerStep } from "../../interp/integer/program.ts";
import { outputsOf } from "../../interp/integer/run.ts";

/** What is left of a program between its conversions from and to float. */
export interface Border {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly steps: readonly IntegerStep[];
}

/** Whether a step only brings a value from float to integers or back. */
function isConversion(step: IntegerStep): boolean {
  if (step.kind === "quantize" || step.kind === "dequantize") return true;
  return step.kind === "float" && ["Identity", "QuantizeLinear", "DequantizeLinear"].includes(step.operator.op);
}

/** Cuts off conversions at the ends: an input that is only quantized, an output that was only dequantized. */
export function borderOf(program: IntegerProgram): Border {
  const isInteger = (name: string): boolean => program.values.get(name)?.scale !== undefined;
  const cut = new Set<IntegerStep>();
  const inputs = program.inputs.flatMap((name) => {
    const readers = program.steps.filter((step) => step.inputs.includes(name));
    if (isInteger(name) || readers.length === 0) return [name];
    if (!readers.every((step) => isConversion(step) && outputsOf(step).every(isInteger))) return [name];
    for (const step of readers) cut.add(step);
    return readers.flatMap(outputsOf);
  });
  const outputs = program.outputs.map((name) => {
    const maker = program.steps.find((step) => outputsOf(step).includes(name));
    const from = maker?.inputs[0];
    if (isInteger(name) || maker === undefined || from === undefined || !isConversion(maker) || !isInteger(from)) return name;
    if (!program.steps.some((step) => step.inputs.includes(name))) cut.add(maker);
    return from;
  });
  return { inputs: [...new Set(inputs)], outputs: [...new Set(outputs)], steps: program.steps.filter((step) => !cut.has(step)) };
}
