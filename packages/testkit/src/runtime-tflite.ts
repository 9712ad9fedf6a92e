import type { BuiltinOperator } from "@tessera/core/formats/tflite/builtin-operators";
import { ACTIVATIONS, PADDINGS, TENSOR_TYPES, type TensorTypeName } from "@tessera/core/formats/tflite/enums";
import { makeOperatorCode } from "@tessera/core/formats/tflite/operator-code";
import type { TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { DType } from "@tessera/core/graph/dtype";
import type { Encoding } from "@tessera/core/graph/plan";
import { f32, fromNumbers, type Tensor, view } from "@tessera/core/graph/tensor";
import type { RuntimeFiles } from "./runtime-files.ts";
import { convByHand, convInput, convWeights } from "./runtime-models.ts";

/** A tensor of a small graph; the first size is open unless `fixed`. */
export interface Spec {
  readonly type: TensorTypeName;
  readonly shape: readonly number[];
  readonly data?: Tensor;
  readonly open?: boolean;
  readonly encoding?: Encoding;
  /** A state that lives from one run to the next. */
  readonly variable?: boolean;
}

/** An operator of a small graph, with its options as the file has them. */
interface Call {
  readonly op: BuiltinOperator;
  readonly version?: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly options?: NonNullable<
    NonNullable<NonNullable<TfliteDraft["subgraphs"]>[number]["operators"]>[number]["builtinOptions"]
  >;
}

/** A graph of tensors by name; those named in `inputs` and `outputs` are its own. */
export interface TfliteSketch {
  readonly tensors: Readonly<Record<string, Spec>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly calls: readonly Call[];
  /** Names of a signature for inputs and outputs, in its own order. */
  readonly signature?: Readonly<Record<"inputs" | "outputs", Readonly<Record<string, string>>>>;
}

/** The bytes of a small graph: every tensor with data has a buffer of its own, every call an operator code of its own. */
export function sketchTflite({ tensors, inputs, outputs, calls, signature }: TfliteSketch): Uint8Array {
  const names = Object.keys(tensors);
  const indices = (list: readonly string[]): Int32Array => Int32Array.from(list, (name) => names.indexOf(name));
  const buffers: { data?: Uint8Array }[] = [{}];
  const records = names.map((name) => {
    const { type, shape, data, open, encoding, variable = false } = tensors[name] as Spec;
    if (data) buffers.push({ data: data.bytes });
    return {
      name,
      type: TENSOR_TYPES[type],
      shape: Int32Array.from(shape),
      ...(open && { shapeSignature: Int32Array.from(shape, (size, axis) => (axis === 0 ? -1 : size)) }),
      buffer: data ? buffers.length - 1 : 0,
      isVariable: variable,
      ...(encoding && {
        quantization: {
          scale: Float32Array.from(encoding.scale),
          zeroPoint: BigInt64Array.from(encoding.zeroPoint, BigInt),
        },
      }),
    };
  });
  const mapped = (byName: Readonly<Record<string, string>>) =>
    Object.entries(byName).map(([name, tensor]) => ({ name, tensorIndex: names.indexOf(tensor) }));
  return writeTflite({
    ...(signature && {
      signatureDefs: [
        { signatureKey: "main", inputs: mapped(signature.inputs), outputs: mapped(signature.outputs), subgraphIndex: 0 },
      ],
    }),
    operatorCodes: calls.map(({ op, version = 1 }) => makeOperatorCode(op, version)),
    subgraphs: [
      {
        tensors: records,
        inputs: indices(inputs),
        outputs: indices(outputs),
        operators: calls.map((call, opcodeIndex) => ({
          opcodeIndex,
          inputs: indices(call.inputs),
          outputs: indices(call.outputs),
          ...(call.options && { builtinOptions: call.options }),
        })),
      },
    ],
    buffers,
  });
}

function addTflite(constant = 1): Uint8Array {
  return sketchTflite({
    tensors: {
      x: { type: "FLOAT32", shape: [1, 3], open: true },
      c: { type: "FLOAT32", shape: [1], data: f32([1], [constant]) },
      y: { type: "FLOAT32", shape: [1, 3], open: true },
    },
    inputs: ["x"],
    outputs: ["y"],
    calls: [
      {
        op: "ADD",
        inputs: ["x", "c"],
        outputs: ["y"],
        options: { kind: "AddOptions", fusedActivationFunction: ACTIVATIONS.RELU },
      },
    ],
  });
}

/** Element types that TFLite runtimes pass in and out, with the format's names. */
const TFLITE_DTYPES = {
  float32: "FLOAT32",
  float64: "FLOAT64",
  float16: "FLOAT16",
  int8: "INT8",
  uint8: "UINT8",
  int16: "INT16",
  uint16: "UINT16",
  int32: "INT32",
  uint32: "UINT32",
  int64: "INT64",
  uint64: "UINT64",
  bool: "BOOL",
} as const satisfies Partial<Record<DType, TensorTypeName>>;

function identityTflite(dtypes: readonly (keyof typeof TFLITE_DTYPES)[]): Uint8Array {
  const tensors: Record<string, Spec> = { all: { type: "INT32", shape: [1], data: fromNumbers("int32", [1], [-1]) } };
  for (const dtype of dtypes) {
    for (const side of ["x", "y"]) tensors[`${side}_${dtype}`] = { type: TFLITE_DTYPES[dtype], shape: [1], open: true };
  }
  return sketchTflite({
    tensors,
    inputs: dtypes.map((dtype) => `x_${dtype}`),
    outputs: dtypes.map((dtype) => `y_${dtype}`),
    calls: dtypes.map((dtype) => ({
      op: "RESHAPE",
      inputs: [`x_${dtype}`, "all"],
      outputs: [`y_${dtype}`],
      options: { kind: "ReshapeOptions" },
    })),
  });
}

/** Between channels first and channels last, for one image of `channels` planes of `side` squared. */
function moved(
  from: ArrayLike<number>,
  { channels, side, first }: { channels: number; side: number; first: boolean },
): Float64Array {
  const out = new Float64Array(from.length);
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < side * side; p++) {
      const [planes, pixels] = [c * side * side + p, p * channels + c];
      if (first) out[planes] = from[pixels] as number;
      else out[pixels] = from[planes] as number;
    }
  return out;
}

function convTflite(): Uint8Array {
  const { w, b } = convWeights();
  // OIHW to OHWI.
  const weights = new Float32Array(16 * 9 * 8);
  for (let o = 0; o < 16; o++)
    for (let i = 0; i < 8; i++) for (let k = 0; k < 9; k++) weights[(o * 9 + k) * 8 + i] = w[(o * 8 + i) * 9 + k] as number;
  return sketchTflite({
    tensors: {
      x: { type: "FLOAT32", shape: [1, 24, 24, 8] },
      w: { type: "FLOAT32", shape: [16, 3, 3, 8], data: f32([16, 3, 3, 8], weights) },
      b: { type: "FLOAT32", shape: [16], data: f32([16], b) },
      y: { type: "FLOAT32", shape: [1, 24, 24, 16] },
    },
    inputs: ["x"],
    outputs: ["y"],
    calls: [
      {
        op: "CONV_2D",
        inputs: ["x", "w", "b"],
        outputs: ["y"],
        options: {
          kind: "Conv2DOptions",
          padding: PADDINGS.SAME,
          strideW: 1,
          strideH: 1,
          fusedActivationFunction: ACTIVATIONS.RELU,
        },
      },
    ],
  });
}

const STEP = { dtype: "int8", scale: [0.5], reason: "written in the file" } as const;
const ENCODINGS = { x: { ...STEP, zeroPoint: [3] }, y: { ...STEP, zeroPoint: [1] } } as const satisfies Record<string, Encoding>;

function integerTflite(): Uint8Array {
  return sketchTflite({
    tensors: {
      x: { type: "INT8", shape: [1, 3], encoding: ENCODINGS.x },
      // (7 - 3) * 0.5 = 2
      c: { type: "INT8", shape: [1, 3], encoding: ENCODINGS.x, data: fromNumbers("int8", [1, 3], [7, 7, 7]) },
      y: { type: "INT8", shape: [1, 3], encoding: ENCODINGS.y },
    },
    inputs: ["x"],
    outputs: ["y"],
    calls: [{ op: "ADD", version: 2, inputs: ["x", "c"], outputs: ["y"], options: { kind: "AddOptions" } }],
  });
}

/** Element types by which a file can differ from another in {@link tfliteFiles}. */
export type TfliteDtype = keyof typeof TFLITE_DTYPES;

/** {@link TFLITE_FILES} for a runtime that cannot pass some element types. */
export function tfliteFiles({ without }: { readonly without: readonly TfliteDtype[] }): RuntimeFiles {
  const dtypes = (Object.keys(TFLITE_DTYPES) as TfliteDtype[]).filter((dtype) => !without.includes(dtype));
  return { ...TFLITE_FILES, dtypes, identity: () => identityTflite(dtypes) };
}

/** The functions as TFLite, channels last. `checkProfile`: something of XNNPACK that convolves. */
export const TFLITE_FILES: RuntimeFiles = {
  format: "tflite",
  add: addTflite,
  addShape: [1, 3],
  dtypes: Object.keys(TFLITE_DTYPES) as (keyof typeof TFLITE_DTYPES)[],
  identity: () => identityTflite(Object.keys(TFLITE_DTYPES) as (keyof typeof TFLITE_DTYPES)[]),
  identityShape: [1],
  negateScalar: () =>
    sketchTflite({
      tensors: { x: { type: "FLOAT32", shape: [] }, y: { type: "FLOAT32", shape: [] } },
      inputs: ["x"],
      outputs: ["y"],
      calls: [{ op: "NEG", inputs: ["x"], outputs: ["y"], options: { kind: "NegOptions" } }],
    }),
  conv: {
    bytes: convTflite,
    input: (seed) =>
      f32([1, 24, 24, 8], Float32Array.from(moved(view(convInput(seed), "float32"), { channels: 8, side: 24, first: false }))),
    outputShape: [1, 24, 24, 16],
    expected(x) {
      const first = f32([1, 8, 24, 24], Float32Array.from(moved(view(x, "float32"), { channels: 8, side: 24, first: true })));
      return moved(convByHand(first), { channels: 16, side: 24, first: false });
    },
    checkProfile({ operators }) {
      const [conv] = operators.filter(
        ({ op, by, calls }) => /^Convolution \(NHWC, F32\)/.test(op) && by === "xnnpack" && calls === 3,
      );
      if (!conv || conv.timeUs <= 0) throw new Error(`the profile has ${JSON.stringify(operators)}`);
    },
  },
  unknown: () =>
    sketchTflite({
      tensors: { x: { type: "FLOAT32", shape: [1] }, y: { type: "FLOAT32", shape: [1] } },
      inputs: ["x"],
      outputs: ["y"],
      calls: [{ op: "CUSTOM", inputs: ["x"], outputs: ["y"] }],
    }),
  integer: { bytes: integerTflite, encodings: ENCODINGS },
};
