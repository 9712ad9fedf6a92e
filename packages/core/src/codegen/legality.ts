import { isTesseraError } from "../base/error.ts";
import { isStatic } from "../graph/dim.ts";
import type { Model, Node } from "../graph/model.ts";
import type { QuantPlan } from "../graph/plan.ts";
import { type CompileIntegerOptions, compileInteger } from "../interp/integer/compile.ts";
import type { FloatStep, IntegerProgram, IntegerStep } from "../interp/integer/program.ts";
import { inferGraph } from "../ops/infer.ts";
import type { Target } from "../targets/target.ts";
import { adviceFor } from "./legality-advice.ts";

/**
 * Something about a model that its author should know before C is generated of it. "error": it cannot be exported as it is; "cost": it can, and this makes
 * it larger or slower than need be. MODEL in a suggestion stands for the file.
 */
export interface DeviceFault {
  readonly severity: "error" | "cost";
  /** The first node concerned; absent when it is the whole model or a value. */
  readonly node?: string;
  /** Its operator, in ONNX's words. */
  readonly op?: string;
  /** How many nodes, where it is said of all of a kind at once. */
  readonly nodes?: number;
  /** What is wrong, in one line. */
  readonly says: string;
  /** What to do: a rewrite of the network, or a command to type. */
  readonly suggestion: string;
}

/** Options of {@link mcuFaults}. */
export interface McuFaultOptions extends Pick<CompileIntegerOptions, "dims"> {}

/** What {@link mcuFaults} found, and the program where there is one: sizes, integers and operators are then in order as far as can be told of a model. */
export interface Legality {
  readonly faults: readonly DeviceFault[];
  readonly program?: IntegerProgram;
}

/** Nodes named in one fault. */
const NAMED = 3;

/**
 * Holds a model and its plan against what generated C can compute: integers of 8 bits, sizes known, one sample at a time. Every contradiction is listed, not only the
 * first; what is expensive on these parts is listed too.
 *
 * @param plan absent for a model in floats
 * @returns faults with the errors first, and the integer program when nothing is wrong that can be told before lowering
 */
export function mcuFaults(model: Model, plan: QuantPlan | undefined, target: Target, options: McuFaultOptions = {}): Legality {
  const { dims = new Map<string, number>() } = options;
  const faults: DeviceFault[] = [...sizeFaults(model, dims), ...batchFaults(model)];
  if (plan === undefined || plan.tensors.size === 0) return { faults: [...faults, floatModel(target)] };
  faults.push(...typeFaults(model, plan, target));
  const costs = costFaults(model, target);
  if (faults.length > 0) return { faults: [...faults, ...costs] };
  try {
    const program = compileInteger(model, plan, { profile: "tflm-double", dims });
    const floats = floatFaults(program, plan, target);
    const all = [...floats, ...costs];
    return floats.length === 0 ? { faults: all, program } : { faults: all };
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    const { node } = error.at;
    const fault: DeviceFault = {
      severity: "error",
      ...(node === undefined ? {} : { node }),
      says: error.message,
      suggestion: error.hint,
    };
    return { faults: [fault, ...costs] };
  }
}

function floatModel(target: Target): DeviceFault {
  return {
    severity: "error",
    says: "the model computes in floats, and the C computes in integers alone",
    suggestion: `tessera quantize MODEL --target ${target.id} --io int8 --calib DATA`,
  };
}

function sizeFaults(model: Model, dims: ReadonlyMap<string, number>): readonly DeviceFault[] {
  return model.graph.inputs.flatMap(({ name, type }): DeviceFault[] => {
    if (type.kind !== "tensor" || model.graph.constants.has(name) || isStatic(type.shape)) return [];
    if (type.shape === undefined)
      return [
        {
          severity: "error",
          says: `input ${name} has no known number of axes, and the C has literal sizes`,
          suggestion: "Export the model again with fixed input sizes",
        },
      ];
    const open = type.shape.filter((d): d is string => typeof d === "string" && !dims.has(d));
    if (open.length === 0) return [];
    return [
      {
        severity: "error",
        says: `input ${name} leaves sizes open (${open.join(", ")}), and the C has literal sizes`,
        suggestion: `Give them: --dims ${open.map((d) => `${d}=1`).join(",")}`,
      },
    ];
  });
}

/** A number of samples at a time that all inputs and outputs share is a batch; a first size of its own may be anything, such as time. */
function batchFaults({ graph }: Model): readonly DeviceFault[] {
  const { types } = inferGraph(graph);
  const inputs = graph.inputs.filter((i) => !graph.constants.has(i.name));
  const first = [...inputs, ...graph.outputs].map(({ name }) => {
    const type = types.get(name);
    return type?.kind === "tensor" && type.shape !== undefined && type.shape.length > 1 ? type.shape[0] : undefined;
  });
  const [batch] = first;
  if (typeof batch !== "number" || batch < 2 || first.some((size) => size !== batch)) return [];
  return [
    {
      severity: "error",
      says: `the model takes ${batch} samples at a time, and the C takes one`,
      suggestion: "Take one at a time: --batch 1",
    },
  ];
}

/** Values of the graph with more bits than the kernels take, or with another sign. Inner states of recurrent layers are their kernel's own matter. */
function typeFaults(model: Model, plan: QuantPlan, target: Target): readonly DeviceFault[] {
  const makers = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((name) => [name, n] as const)));
  const found = new Map<string, { readonly name: string; readonly node?: Node }[]>();
  for (const [name, { dtype }] of plan.tensors) {
    if (model.graph.constants.has(name) || dtype === "int8") continue;
    const node = makers.get(name);
    const isBorder = node === undefined && dtype === "uint8";
    if (node?.op === "LSTM" || isBorder) continue;
    found.set(dtype, [...(found.get(dtype) ?? []), { name, ...(node === undefined ? {} : { node }) }]);
  }
  return [...found].map(([dtype, values]): DeviceFault => {
    const [first] = values as [{ readonly name: string; readonly node?: Node }];
    const names = values.slice(0, NAMED).map((v) => v.name);
    const wide = dtype === "int16" || dtype === "uint16";
    return {
      severity: "error",
      ...(first.node === undefined ? {} : { node: first.node.name, op: first.node.op }),
      nodes: values.length,
      says: `${values.length} values are ${dtype} (${names.join(", ")}${values.length > NAMED ? " ..." : ""}), and the kernels take int8${wide ? ": 16-bit activations double the arena besides" : ""}`,
      suggestion: `Quantize the float model again${wide ? " with 8 bits" : ""}: tessera quantize FLOAT_MODEL --target ${target.id} --io int8 --calib DATA`,
    };
  });
}

/** Steps in float, all of an operator in one fault: at the start, in the middle, or at the end. */
function floatFaults(program: IntegerProgram, plan: QuantPlan, target: Target): readonly DeviceFault[] {
  const feedsIntegers = valuesReadByIntegers(program.steps);
  const madeOfInputs = valuesMadeOfInputs(program);
  const groups = new Map<string, { readonly where: string; readonly steps: FloatStep[] }>();
  for (const step of program.steps) {
    if (step.kind !== "float") continue;
    const where = !step.outputs.some((name) => feedsIntegers.has(name))
      ? "at the end"
      : step.inputs.every((name) => madeOfInputs.has(name) || program.constants.has(name) || name === "")
        ? "at the start"
        : "between integers";
    const key = `${step.operator.op} ${where}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { where, steps: [step] });
    else group.steps.push(step);
  }
  return [...groups.values()].map(({ where, steps }): DeviceFault => {
    const [{ operator, node }] = steps as [FloatStep];
    const names = steps.slice(0, NAMED).map((s) => s.node);
    const number = steps.length === 1 ? `${operator.op} computes` : `${steps.length} ${operator.op} compute`;
    return {
      severity: "error",
      node,
      op: operator.op,
      nodes: steps.length,
      says: `${number} in float ${where} (${names.join(", ")}${steps.length > NAMED ? " ..." : ""}): ${whyFloat(operator, plan, target)}`,
      suggestion:
        where === "at the start"
          ? `Do it where the input is made, or before quantizing: ${adviceFor(operator.op)}`
          : adviceFor(operator.op),
    };
  });
}

function whyFloat(node: Node, plan: QuantPlan, target: Target): string {
  const rule = node.domain === "" && Object.hasOwn(target.operators, node.op) ? target.operators[node.op] : undefined;
  if (rule?.kind === "float") return rule.why;
  if (node.domain !== "") return `${node.domain} ${node.op} is not an operator that kernels are written for`;
  return plan.nodes.get(node.name)?.reason ?? "what it reads or makes has no integers in the file";
}

function madeBy(step: IntegerStep): readonly string[] {
  if (step.kind === "move" || step.kind === "float") return step.outputs;
  return step.kind === "lstm" ? [step.output, ...step.states] : [step.output];
}

/** Values from which integer steps are computed, directly or through floats. */
function valuesReadByIntegers(steps: readonly IntegerStep[]): ReadonlySet<string> {
  const read = new Set<string>();
  for (const step of [...steps].reverse()) {
    const outputs = madeBy(step);
    const computes = step.kind !== "float" && step.kind !== "dequantize" && step.kind !== "quantize" && step.kind !== "move";
    if (computes || outputs.some((name) => read.has(name))) for (const name of step.inputs) read.add(name);
  }
  return read;
}

/** Values that no integer step has had a part in. */
function valuesMadeOfInputs({ inputs, steps, constants }: IntegerProgram): ReadonlySet<string> {
  const made = new Set(inputs);
  for (const step of steps) {
    const outputs = madeBy(step);
    const plain = step.kind === "float" || step.kind === "quantize" || step.kind === "dequantize" || step.kind === "move";
    if (plain && step.inputs.every((name) => made.has(name) || constants.has(name))) for (const name of outputs) made.add(name);
  }
  return made;
}

/** Operators that work and are expensive, by the target's row. */
function costFaults(model: Model, target: Target): readonly DeviceFault[] {
  const { slowKernels = {} } = target;
  const found = new Map<string, Node[]>();
  for (const node of model.graph.nodes)
    if (node.domain === "" && Object.hasOwn(slowKernels, node.op)) found.set(node.op, [...(found.get(node.op) ?? []), node]);
  return [...found].map(
    ([op, nodes]): DeviceFault => ({
      severity: "cost",
      node: (nodes[0] as Node).name,
      op,
      nodes: nodes.length,
      says: `${nodes.length} ${op}: ${slowKernels[op]}`,
      suggestion: adviceFor(op),
    }),
  );
}
