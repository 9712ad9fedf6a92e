import { type Random, seededRandom } from "@tessera/core/base/random";
import type { BuiltinOperator } from "@tessera/core/formats/tflite/builtin-operators";
import { TENSOR_TYPES, type TensorTypeName } from "@tessera/core/formats/tflite/enums";
import { makeOperatorCode } from "@tessera/core/formats/tflite/operator-code";
import type { Operator, TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { DType } from "@tessera/core/graph/dtype";
import { CANONICAL_OPSET, type Model, type Node, tensorType } from "@tessera/core/graph/model";
import type { Encoding, QuantDType, QuantPlan } from "@tessera/core/graph/plan";
import { LEVELS } from "@tessera/core/graph/quantize";
import { countOf, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";

/** A tensor of a case, in the layout of TFLite. */
export interface CaseTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType & ("int8" | "uint8" | "int16" | "int32" | "int64" | "float32");
  /** float32 scales; absent for plain integers such as axes. */
  readonly scale?: readonly number[];
  readonly zeroPoint?: readonly number[];
  /** Axis of the scales. */
  readonly axis?: number;
  /** Integers of a constant, in order. */
  readonly values?: readonly number[];
  /** Axes of TFLite in the order that the Model has them. The same order unless given. */
  readonly order?: readonly number[];
  /** Only in the file, not in the Model. */
  readonly fileOnly?: boolean;
  /** State of an operator. */
  readonly variable?: boolean;
}

/** One operator, both as a TFLite file and as a Model. */
export interface CaseSpec {
  readonly id: string;
  readonly operator: BuiltinOperator;
  readonly version: number;
  readonly options?: NonNullable<
    NonNullable<NonNullable<TfliteDraft["subgraphs"]>[number]["operators"]>[number]["builtinOptions"]
  >;
  readonly tensors: readonly CaseTensor[];
  /** Operands of the TFLite operator; "" for one left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Inputs of the graph. */
  readonly feeds: readonly string[];
  /** The nodes of the Model, with names of `tensors` or of `extra`. */
  readonly nodes: readonly Node[];
  /** Constants that only the Model has. */
  readonly extra?: ReadonlyMap<string, Tensor>;
  /** Encodings that only the Model has. */
  readonly encodings?: ReadonlyMap<string, Encoding>;
  readonly intermediates?: readonly string[];
}

/** A case, ready to run. */
export interface IntegerCase {
  readonly id: string;
  readonly spec: CaseSpec;
  readonly model: Model;
  readonly plan: QuantPlan;
  /** Writes the file. */
  readonly file: () => Uint8Array;
}

/** Random integers over a range. */
export function randomInts(random: Random, count: number, [low, high]: readonly [number, number]): number[] {
  return Array.from({ length: count }, () => low + random.int(high - low + 1));
}

/** Values in the order of the Model from values in the order of TFLite, or back with the inverse order. */
export function reorder<T>(values: ArrayLike<T>, shape: readonly number[], order: readonly number[] | undefined): T[] {
  if (order === undefined) return Array.from(values);
  const strides: number[] = [];
  for (let d = shape.length - 1, stride = 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= shape[d] as number;
  }
  const outShape = order.map((d) => shape[d] as number);
  const outStrides = order.map((d) => strides[d] as number);
  return Array.from({ length: values.length }, (_, i) => {
    let rest = i;
    let at = 0;
    for (let d = outShape.length - 1; d >= 0; d--) {
      at += (rest % (outShape[d] as number)) * (outStrides[d] as number);
      rest = Math.floor(rest / (outShape[d] as number));
    }
    return values[at] as T;
  });
}

/** The order that undoes another. */
export function inverseOrder(order: readonly number[]): number[] {
  const out: number[] = [];
  order.forEach((d, i) => {
    out[d] = i;
  });
  return out;
}

function modelShape(t: CaseTensor): readonly number[] {
  return t.order === undefined ? t.shape : t.order.map((d) => t.shape[d] as number);
}

function encodingOf(t: CaseTensor): Encoding | undefined {
  if (t.scale === undefined || t.zeroPoint === undefined) return undefined;
  const axis = t.axis === undefined ? undefined : t.order === undefined ? t.axis : t.order.indexOf(t.axis);
  return {
    dtype: t.dtype as QuantDType,
    scale: t.scale,
    zeroPoint: t.zeroPoint,
    ...(axis === undefined ? {} : { axis }),
    reason: "case",
  };
}

function constantOf(t: CaseTensor): Tensor {
  const values = reorder(t.values ?? [], t.shape, t.order);
  const shape = modelShape(t);
  const encoding = encodingOf(t);
  if (encoding === undefined) return fromNumbers(t.dtype, shape, values);
  const { axis, scale, zeroPoint } = encoding;
  const inner = axis === undefined ? 1 : countOf(shape.slice(axis + 1));
  const reals = values.map((q, i) => {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % scale.length;
    return (q - (zeroPoint[c] as number)) * (scale[c] as number);
  });
  return fromNumbers("float32", shape, reals);
}

/** Makes a case out of its description. */
export function buildCase(spec: CaseSpec): IntegerCase {
  const tensors = new Map<string, Encoding>(spec.encodings);
  const constants = new Map<string, Tensor>(spec.extra);
  for (const t of spec.tensors) {
    if (t.fileOnly) continue;
    const encoding = encodingOf(t);
    if (encoding !== undefined) tensors.set(t.name, encoding);
    if (t.values !== undefined) constants.set(t.name, constantOf(t));
  }
  const info = (name: string) => {
    const t = tensorOf(spec, name);
    return { name, type: tensorType(t.scale === undefined ? t.dtype : "float32", modelShape(t)) };
  };
  const model: Model = {
    kind: "model",
    graph: {
      name: spec.id,
      inputs: spec.feeds.map(info),
      outputs: spec.outputs.map(info),
      nodes: spec.nodes,
      constants,
      types: new Map(),
    },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "tessera", version: "0" },
    source: { format: "built", opset: CANONICAL_OPSET },
  };
  const plan: QuantPlan = { kind: "quant-plan", version: 1, target: "tflite", tensors, nodes: new Map() };
  return { id: spec.id, spec, model, plan, file: () => writeTflite(draftOf(spec)) };
}

/** The tensor of a name. */
export function tensorOf(spec: CaseSpec, name: string): CaseTensor {
  const found = spec.tensors.find((t) => t.name === name);
  if (found === undefined) throw new Error(`the case ${spec.id} has no tensor ${name}`);
  return found;
}

function draftOf(spec: CaseSpec): TfliteDraft {
  const index = (name: string): number => (name === "" ? -1 : spec.tensors.findIndex((t) => t.name === name));
  const buffers: { data?: Uint8Array }[] = [{}];
  const tensors = spec.tensors.map((t) => {
    let buffer = 0;
    if (t.values !== undefined) {
      buffer = buffers.length;
      buffers.push({ data: fromNumbers(t.dtype, t.shape, t.values).bytes });
    }
    const quantization =
      t.scale === undefined
        ? {}
        : {
            quantization: {
              scale: Float32Array.from(t.scale),
              zeroPoint: BigInt64Array.from(t.zeroPoint ?? [], BigInt),
              quantizedDimension: t.axis ?? 0,
            },
          };
    return {
      shape: Int32Array.from(t.shape),
      type: TENSOR_TYPES[t.dtype.toUpperCase() as TensorTypeName],
      name: t.name,
      buffer,
      isVariable: t.variable ?? false,
      ...quantization,
    };
  });
  const operator = {
    inputs: Int32Array.from(spec.inputs, index),
    outputs: Int32Array.from(spec.outputs, index),
    ...(spec.options === undefined ? {} : { builtinOptions: spec.options }),
    ...(spec.intermediates === undefined ? {} : { intermediates: Int32Array.from(spec.intermediates, index) }),
  } satisfies Partial<Record<keyof Operator, unknown>>;
  return {
    version: 3,
    operatorCodes: [makeOperatorCode(spec.operator, spec.version)],
    subgraphs: [
      {
        tensors,
        inputs: Int32Array.from(spec.feeds, index),
        outputs: Int32Array.from(spec.outputs, index),
        operators: [operator],
        name: "main",
      },
    ],
    description: spec.id,
    buffers,
  };
}

/** Inputs of run `run` of a case, in the layout of TFLite: the first two runs are the ends of the range, the others random over all of it. */
export function caseInput(test: IntegerCase, name: string, run: number): Tensor {
  const t = tensorOf(test.spec, name);
  const seed = [...`${test.id} ${name}`].reduce((h, ch) => (Math.imul(h, 31) + ch.charCodeAt(0)) | 0, run);
  const levels = LEVELS[t.dtype as QuantDType];
  const count = countOf(t.shape);
  const [low, high] = levels;
  const values =
    run === 0 || run === 1
      ? Array.from({ length: count }, (_, i) => ((i + run) % 3 === 0 ? low : high))
      : randomInts(seededRandom(seed), count, levels);
  return fromNumbers(t.dtype, t.shape, values);
}
