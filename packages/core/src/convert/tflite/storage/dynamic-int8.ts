import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { StorageReport } from "./float16.ts";
import { closeFile, dataOf, namedOperators, openFile, type TensorDraft } from "./records.ts";

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

/**
 * Stores the weights of CONV_2D, DEPTHWISE_CONV_2D (a scale for each output channel) and FULLY_CONNECTED (one scale) as int8 in [-127, 127]. The kernels
 * quantize their float inputs as they run: a quarter of the file, and integer products without calibration.
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
  let changed = 0;
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
    const { bytes, scale } = quantized(new Float32Array(new Uint8Array(data).buffer), Array.from(tensor.shape ?? []), axis);
    file.buffers.push({ data: bytes });
    file.tensors[index] = {
      ...tensor,
      type: TENSOR_TYPES.INT8,
      buffer: file.buffers.length - 1,
      quantization: { scale, zeroPoint: new BigInt64Array(scale.length), quantizedDimension: axis ?? 0 },
    };
    changed++;
  }
  if (changed === 0) return { records, report: { changed, kept } };
  return { records: closeFile(records, file, operators), report: { changed, kept } };
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
