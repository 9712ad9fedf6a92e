import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { StorageReport } from "./float16.ts";
import { closeFile, dataOf, namedOperators, type OpenFile, openFile, type TensorDraft } from "./records.ts";
import { needsRowScales, type RowScaled, scaleRows } from "./row-scales.ts";

/** Smaller weights stay float32, as in TensorFlow's converter: they save little, and their products lose digits. */
export const DYNAMIC_INT8_MIN_ELEMENTS = 1024;

/** Operators whose kernels take float activations with int8 weights: axis of the scales, or one scale for the whole. */
const HYBRID: Readonly<Partial<Record<BuiltinOperator, { readonly axis: number | undefined }>>> = {
  CONV_2D: { axis: 0 },
  DEPTHWISE_CONV_2D: { axis: 3 },
  // Per channel is version 12, which runtimes of 2023 refuse.
  FULLY_CONNECTED: { axis: undefined },
};

/** Position of the weights among the inputs. */
const WEIGHTS = 1;

/** Operators that only move elements. */
const MOVES: ReadonlySet<BuiltinOperator> = new Set<BuiltinOperator>(["RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS"]);

/** FULLY_CONNECTED of the model's own inputs stays float where its weights are at most this share of all: a file grows by 3/40 of its weights. */
const SMALL_SHARE = 0.1;

/**
 * Stores the weights of CONV_2D, DEPTHWISE_CONV_2D (a scale for each output channel) and FULLY_CONNECTED (one scale) as int8 in [-127, 127]. The kernels
 * quantize their float inputs as they run: a quarter of the file, and integer products without calibration.
 *
 * Where one scale loses a bit against a scale for each row, the rows of a FULLY_CONNECTED are brought to one magnitude, and its sums multiplied by it
 * again. Small products of the model's own inputs stay in float: features such as the power of a spectrum have no 8 bits in common. Both were found on
 * a speaker encoder of three LSTM: with one scale for weights whose rows lie 30 dB apart it keeps a cosine of 0.7, in any arithmetic.
 */
export function storeDynamicInt8(records: TfliteDraft): { readonly records: TfliteDraft; readonly report: StorageReport } {
  const file = openFile(records);
  const operators = namedOperators(file);
  const kept = new Map<string, string>();
  // A weight may have several readers; it is changed when all of them take int8 with the same axis.
  const readers = new Map<number, { axes: Set<number | undefined | "other"> }>();
  for (const { name, record } of operators) {
    Array.from(record.inputs ?? []).forEach((index, position) => {
      if (index < 0) return;
      const entry = readers.get(index) ?? { axes: new Set() };
      const hybrid = position === WEIGHTS ? HYBRID[name] : undefined;
      const isFloat = (file.tensors[record.inputs?.[0] ?? -1]?.type ?? TENSOR_TYPES.FLOAT32) === TENSOR_TYPES.FLOAT32;
      entry.axes.add(hybrid === undefined || !isFloat ? "other" : hybrid.axis);
      readers.set(index, entry);
    });
  }
  const small = smallInputProducts(file, operators);
  const scaled = new Map<number, RowScaled>();
  let changed = 0;
  // Several tensors may be the same bytes, as the weights of unrolled steps are: their integers are the same bytes too.
  const stored = new Map<string, { readonly buffer: number; readonly scale: Float32Array; readonly rows?: RowScaled }>();
  for (const [index, { axes }] of readers) {
    const tensor = file.tensors[index] as TensorDraft;
    const data = dataOf(file, tensor);
    if (data === undefined || (tensor.type ?? TENSOR_TYPES.FLOAT32) !== TENSOR_TYPES.FLOAT32) continue;
    if (data.length < 4 * DYNAMIC_INT8_MIN_ELEMENTS) continue;
    const [axis] = axes;
    if (axes.size !== 1 || axis === "other") {
      kept.set(tensor.name ?? String(index), "a reader of it has no kernel for float inputs with int8 weights");
      continue;
    }
    if (small.has(index)) {
      kept.set(tensor.name ?? String(index), "it multiplies inputs of the model, of which no scale is known, and is small");
      continue;
    }
    const shape = Array.from(tensor.shape ?? []);
    const key = `${tensor.buffer} [${shape}] ${axis}`;
    let integers = stored.get(key);
    if (integers === undefined) {
      const values = new Float32Array(new Uint8Array(data).buffer);
      const name = tensor.name ?? "";
      const rows = axis === undefined && needsRowScales(values, shape) ? scaleRows(file, { name, values, shape }) : undefined;
      const { bytes, scale } = quantized(rows?.values ?? values, shape, axis);
      integers = { buffer: file.buffers.push({ data: bytes }) - 1, scale, ...(rows === undefined ? {} : { rows }) };
      stored.set(key, integers);
    }
    if (integers.rows !== undefined) scaled.set(index, integers.rows);
    const { buffer, scale } = integers;
    file.tensors[index] = {
      ...tensor,
      type: TENSOR_TYPES.INT8,
      buffer,
      quantization: { scale, zeroPoint: new BigInt64Array(scale.length), quantizedDimension: axis ?? 0 },
    };
    changed++;
  }
  if (changed === 0) return { records, report: { changed, kept } };
  const whole = operators.flatMap((operator) => {
    const rows = operator.name === "FULLY_CONNECTED" ? scaled.get(operator.record.inputs?.[WEIGHTS] ?? -1) : undefined;
    return rows === undefined ? [operator] : rows.apply(operator.record);
  });
  return { records: closeFile(records, file, whole), report: { changed, kept } };
}

/** Constant weights of FULLY_CONNECTED that read an input of the model, but for its shape as it is, and are few of all. */
function smallInputProducts(file: OpenFile, operators: ReturnType<typeof namedOperators>): ReadonlySet<number> {
  const raw = new Set<number>(file.graph.inputs ?? []);
  const found = new Set<number>();
  const weights = new Map<number, number>();
  for (const { name, record } of operators) {
    const [x = -1, w = -1] = record.inputs ?? [];
    if (MOVES.has(name) && raw.has(x)) for (const output of record.outputs ?? []) raw.add(output);
    const data = HYBRID[name] === undefined ? undefined : dataOf(file, file.tensors[w]);
    if (data === undefined) continue;
    weights.set(file.tensors[w]?.buffer ?? 0, data.length);
    if (name === "FULLY_CONNECTED" && raw.has(x)) found.add(w);
  }
  const all = [...weights.values()].reduce((sum, length) => sum + length, 0);
  return new Set([...found].filter((w) => (dataOf(file, file.tensors[w])?.length ?? 0) <= SMALL_SHARE * all));
}

/** Integers in [-127, 127] and their scales, largest magnitude / 127, by index of `axis`. */
function quantized(
  values: Float32Array,
  shape: readonly number[],
  axis: number | undefined,
): { readonly bytes: Uint8Array; readonly scale: Float32Array } {
  const count = axis === undefined ? 1 : (shape[axis] as number);
  const inner = axis === undefined ? values.length : shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const largest = new Float64Array(count);
  for (let i = 0; i < values.length; i++) {
    const channel = Math.floor(i / inner) % count;
    largest[channel] = Math.max(largest[channel] as number, Math.abs(values[i] as number));
  }
  const scale = Float32Array.from(largest, (v) => (v === 0 ? 1 : v / 127));
  const bytes = new Int8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const q = Math.round((values[i] as number) / (scale[Math.floor(i / inner) % count] as number));
    bytes[i] = Math.max(-127, Math.min(127, q));
  }
  return { bytes: new Uint8Array(bytes.buffer), scale };
}
