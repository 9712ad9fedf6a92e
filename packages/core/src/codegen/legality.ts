import { isTesseraError } from "../base/error.ts";
import { isStatic } from "../graph/dim.ts";
import type { Model, Node } from "../graph/model.ts";
import type { QuantPlan } from "../graph/plan.ts";
import { type CompileIntegerOptions, compileInteger } from "../interp/integer/compile.ts";
import type { IntegerProgram } from "../interp/integer/program.ts";
import { inferGraph } from "../ops/infer.ts";
import type { Target } from "../targets/target.ts";
import { deviceFaults } from "./device/lower.ts";
import type { DeviceFault } from "./device/lowering.ts";
import { preluInstructions } from "./estimate.ts";

/**
 * Something about a model that its author should know before C is generated of it. "error": it cannot be exported as it is; "cost": it can, and this makes
 * it larger or slower than need be. MODEL in a suggestion stands for the file.
 */
export interface LegalityFault {
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
  readonly faults: readonly LegalityFault[];
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
  const faults: LegalityFault[] = [...sizeFaults(model, dims), ...batchFaults(model)];
  if (plan === undefined || plan.tensors.size === 0) return { faults: [...faults, floatModel(target)] };
  faults.push(...typeFaults(model, plan, target));
  const costs = costFaults(model, target);
  if (faults.length > 0) return { faults: [...faults, ...costs] };
  try {
    const program = compileInteger(model, plan, { profile: "tflm-double", dims });
    const refused = loweringFaults(program, plan);
    const all = [...refused, ...costFaults(model, target, program)];
    return refused.length === 0 ? { faults: all, program } : { faults: all };
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    const { node } = error.at;
    const fault: LegalityFault = {
      severity: "error",
      ...(node === undefined ? {} : { node }),
      says: error.message,
      suggestion: error.hint,
    };
    return { faults: [fault, ...costs] };
  }
}

function floatModel(target: Target): LegalityFault {
  return {
    severity: "error",
    says: "the model computes in floats, and the C computes in integers alone",
    suggestion: `tessera quantize MODEL --target ${target.id} --io int8 --calib DATA`,
  };
}

function sizeFaults(model: Model, dims: ReadonlyMap<string, number>): readonly LegalityFault[] {
  return model.graph.inputs.flatMap(({ name, type }): LegalityFault[] => {
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
function batchFaults({ graph }: Model): readonly LegalityFault[] {
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

/** Values of the graph with more bits than the kernels take; bytes without sign become signed ones exactly. Inner states of recurrent layers are their kernel's own matter. */
function typeFaults(model: Model, plan: QuantPlan, target: Target): readonly LegalityFault[] {
  const makers = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((name) => [name, n] as const)));
  const found = new Map<string, { readonly name: string; readonly node?: Node }[]>();
  for (const [name, { dtype }] of plan.tensors) {
    if (model.graph.constants.has(name) || dtype === "int8" || dtype === "uint8") continue;
    const node = makers.get(name);
    if (node?.op === "LSTM") continue;
    found.set(dtype, [...(found.get(dtype) ?? []), { name, ...(node === undefined ? {} : { node }) }]);
  }
  return [...found].map(([dtype, values]): LegalityFault => {
    const [first] = values as [{ readonly name: string; readonly node?: Node }];
    const names = values.slice(0, NAMED).map((v) => v.name);
    return {
      severity: "error",
      ...(first.node === undefined ? {} : { node: first.node.name, op: first.node.op }),
      nodes: values.length,
      says: `${values.length} values are ${dtype} (${names.join(", ")}${values.length > NAMED ? " ..." : ""}), and the kernels take 8 bits; the arena would double besides`,
      suggestion: `Quantize the float model again with 8 bits: tessera quantize FLOAT_MODEL --target ${target.id} --io int8 --calib DATA`,
    };
  });
}

/** What lowering refuses, all nodes of an operator that suffer from the same in one fault, with the plan's reason for floats. */
function loweringFaults(program: IntegerProgram, plan: QuantPlan): readonly LegalityFault[] {
  const groups = new Map<string, DeviceFault[]>();
  for (const fault of deviceFaults(program)) {
    const key = `${fault.kind}: ${fault.suggestion}`;
    groups.set(key, [...(groups.get(key) ?? []), fault]);
  }
  return [...groups.values()].map((faults): LegalityFault => {
    const [first] = faults as [DeviceFault];
    const names = faults.slice(0, NAMED).map((f) => f.node);
    const reason = plan.nodes.get(first.node);
    const because = reason?.precision === "float32" && reason.reason !== "" ? ` (the plan: ${reason.reason})` : "";
    return {
      severity: "error",
      node: first.node,
      op: first.kind,
      nodes: faults.length,
      says: `${faults.length} ${first.kind} (${names.join(", ")}${faults.length > NAMED ? " ..." : ""}): ${first.why}${because}`,
      suggestion: sentence(first.suggestion),
    };
  });
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Operators that work and are expensive, by the target's row: where there is one in it, a bound does instead. */
function costFaults(model: Model, target: Target, program?: IntegerProgram): readonly LegalityFault[] {
  const { slowKernels = {} } = target;
  const found = new Map<string, Node[]>();
  for (const node of model.graph.nodes)
    if (node.domain === "" && Object.hasOwn(slowKernels, node.op)) found.set(node.op, [...(found.get(node.op) ?? []), node]);
  return [...found].map(
    ([op, nodes]): LegalityFault => ({
      severity: "cost",
      node: (nodes[0] as Node).name,
      op,
      nodes: nodes.length,
      says: `${nodes.length} ${op}: ${slowKernels[op]}${op === "PRelu" && program !== undefined ? preluCost(program, target) : ""}`,
      suggestion: "Train with Relu or Relu6 in its place",
    }),
  );
}

/** What the PRelus of a program are expected to take, in words. */
function preluCost({ steps, values }: IntegerProgram, { generates }: Target): string {
  const count = steps.reduce(
    (sum, step) => sum + (step.kind === "prelu" ? (values.get(step.output)?.shape ?? []).reduce((a, b) => a * b, 1) : 0),
    0,
  );
  const each = preluInstructions(generates?.isa ?? "portable");
  // Those that would run in float are another fault.
  if (count === 0) return "";
  return `; about ${each} instructions for each of ${count.toLocaleString("en-US")} values, ${(count * each).toLocaleString("en-US")} in all`;
}
