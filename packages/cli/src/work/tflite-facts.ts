import { builtinOperatorName } from "@tessera/core/formats/tflite/builtin-operators";
import { enumName, TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { Operator, SubGraph, TfliteModel } from "@tessera/core/formats/tflite/schema";
import type { Tensor } from "@tessera/core/formats/tflite/tensor-tables";
import type { FusionSummary } from "@tessera/core/protocol/report";

/** An operator of a TFLite file, as far as it matters for what it computes in. */
export interface TfliteOperator {
  readonly op: string;
  readonly version: number;
  /** The name of what it makes, which is the only name that an operator has. */
  readonly makes: string;
  readonly computesIn: "integer" | "float" | "border" | "other";
}

/** What a TFLite file is made of, without a model being made of it. */
export interface TfliteFacts {
  readonly subgraphs: number;
  readonly signatures: readonly string[];
  readonly operators: readonly TfliteOperator[];
  readonly quantization: TfliteQuantization;
}

/** How much of a TFLite file is in integers. */
export interface TfliteQuantization {
  /** "float", "float16 weights", "dynamic-range int8", "int8", "int16x8" or "mixed". */
  readonly kind: string;
  /** Constants and other tensors by element type. */
  readonly constants: Readonly<Record<string, number>>;
  readonly values: Readonly<Record<string, number>>;
  /** Constants with a scale for each channel. */
  readonly perChannel: number;
}

const FLOATS: ReadonlySet<string> = new Set(["FLOAT32", "FLOAT16", "BFLOAT16", "FLOAT64"]);
const INTEGERS: ReadonlySet<string> = new Set(["INT8", "UINT8", "INT16", "INT4"]);
/** Operators that take values from one way to write numbers into another. */
const BORDERS: ReadonlySet<string> = new Set(["QUANTIZE", "DEQUANTIZE"]);

function typeName(tensor: Tensor | undefined): string {
  return enumName(TENSOR_TYPES, tensor?.type ?? 0) ?? `type ${tensor?.type}`;
}

function constantTest(model: TfliteModel): (tensor: Tensor) => boolean {
  const buffers = model.buffers ?? [];
  return (tensor) => (buffers[tensor.buffer ?? 0]?.data?.length ?? 0) > 0;
}

function isScaled(tensor: Tensor | undefined): boolean {
  return (tensor?.quantization?.scale?.length ?? 0) > 0;
}

function operatorFacts(
  operator: Operator,
  graph: SubGraph,
  model: TfliteModel,
  isConstant: (t: Tensor) => boolean,
): TfliteOperator {
  const code = model.operatorCodes?.[operator.opcodeIndex];
  const builtin = builtinOperatorName(code?.builtinCode ?? 0);
  const op = builtin === "CUSTOM" || builtin === undefined ? `custom ${code?.customCode ?? code?.builtinCode}` : builtin;
  const tensorAt = (index: number): Tensor | undefined => (index < 0 ? undefined : graph.tensors?.[index]);
  const inputs = Array.from(operator.inputs ?? [], tensorAt).filter((t) => t !== undefined);
  const output = tensorAt(operator.outputs?.[0] ?? -1);
  const weights = inputs.filter(isConstant);
  const made = typeName(output);
  const computesIn = BORDERS.has(op)
    ? "border"
    : INTEGERS.has(made) && isScaled(output)
      ? "integer"
      : // Weights in integers beside floats: the kernel takes ranges at run time and multiplies in integers.
        FLOATS.has(made) && weights.some((w) => INTEGERS.has(typeName(w)) && isScaled(w))
        ? "integer"
        : FLOATS.has(made)
          ? "float"
          : "other";
  return { op, version: code?.version ?? 1, makes: output?.name ?? "", computesIn };
}

function countBy(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Looks at the bytes of a TFLite file. @throws as `readTflite` */
export function tfliteFacts(bytes: Uint8Array): TfliteFacts {
  const model = readTflite(bytes);
  const isConstant = constantTest(model);
  const graphs = model.subgraphs ?? [];
  const operators = graphs.flatMap((graph) =>
    (graph.operators ?? []).map((operator) => operatorFacts(operator, graph, model, isConstant)),
  );
  const tensors = graphs.flatMap((graph) => graph.tensors ?? []);
  const constants = tensors.filter(isConstant);
  const values = tensors.filter((t) => !isConstant(t));
  return {
    subgraphs: graphs.length,
    signatures: (model.signatureDefs ?? []).map((s) => s.signatureKey ?? ""),
    operators,
    quantization: {
      kind: kindOf(constants, values),
      constants: countBy(constants.map(typeName)),
      values: countBy(values.map(typeName)),
      perChannel: constants.filter((t) => (t.quantization?.scale?.length ?? 0) > 1).length,
    },
  };
}

function kindOf(constants: readonly Tensor[], values: readonly Tensor[]): string {
  const has = (tensors: readonly Tensor[], type: string): boolean => tensors.some((t) => typeName(t) === type && isScaled(t));
  const wide = has(values, "INT16");
  const narrow = has(values, "INT8") || has(values, "UINT8");
  if (wide && narrow) return "mixed";
  if (wide) return "int16x8";
  if (narrow) return "int8";
  if (has(constants, "INT8") || has(constants, "UINT8")) return "dynamic-range int8";
  return constants.some((t) => typeName(t) === "FLOAT16") ? "float16 weights" : "float";
}

/** How far a TFLite file computes in integers, by operator; what computes in floats among integers is an island. */
export function tfliteFusion(bytes: Uint8Array): FusionSummary {
  const { operators } = tfliteFacts(bytes);
  const rows = new Map<string, { integer: number; total: number }>();
  for (const { op, computesIn } of operators) {
    if (computesIn !== "integer" && computesIn !== "float") continue;
    const row = rows.get(op) ?? { integer: 0, total: 0 };
    row.total++;
    if (computesIn === "integer") row.integer++;
    rows.set(op, row);
  }
  return {
    integer: [...rows].map(([op, row]) => ({ op, ...row })),
    transposes: operators.filter((o) => o.op === "TRANSPOSE").length,
    quantizeNodes: operators.filter((o) => o.computesIn === "border").length,
    islands: operators
      .filter((o) => o.computesIn === "float")
      .map((o) => ({ node: o.makes, op: o.op, why: "the file has its values in floats" })),
  };
}
