import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import { toHalf } from "../../../graph/float16.ts";
import { closeFile, dataOf, namedOperators, type OperatorDraftRecord, openFile } from "./records.ts";

/** Smaller constants stay float32: the DEQUANTIZE of each would take the room that it saves. */
export const FLOAT16_MIN_ELEMENTS = 64;

/** Largest finite float16. */
const LARGEST = 65504;

/** What was stored otherwise. */
export interface StorageReport {
  /** Constants that were changed. */
  readonly changed: number;
  /** Constants that were large enough and were left, by tensor name, and why. */
  readonly kept: ReadonlyMap<string, string>;
}

/**
 * Stores float32 constants as float16 with a DEQUANTIZE before their readers: half the file, computed in float32. XNNPACK takes such a constant in as a
 * weight, and other kernels run the DEQUANTIZE once. Constants with numbers that float16 does not have (above 65504) stay.
 */
export function storeFloat16(records: TfliteDraft): { readonly records: TfliteDraft; readonly report: StorageReport } {
  const file = openFile(records);
  const operators = namedOperators(file);
  const outputs = new Set(file.graph.outputs ?? []);
  const kept = new Map<string, string>();
  const dequantized: { readonly name: "DEQUANTIZE"; readonly record: OperatorDraftRecord }[] = [];
  const replaced = new Map<number, number>();
  const halves = new Map<number, number>();
  file.tensors.slice().forEach((tensor, index) => {
    const data = dataOf(file, tensor);
    if (data === undefined || (tensor.type ?? TENSOR_TYPES.FLOAT32) !== TENSOR_TYPES.FLOAT32 || outputs.has(index)) return;
    if (data.length < 4 * FLOAT16_MIN_ELEMENTS || tensor.buffer === undefined) return;
    const values = new Float32Array(new Uint8Array(data).buffer);
    if (values.some((v) => !(Math.abs(v) <= LARGEST))) {
      kept.set(tensor.name ?? String(index), "it has numbers beyond float16");
      return;
    }
    let buffer = halves.get(tensor.buffer);
    if (buffer === undefined) {
      buffer = file.buffers.length;
      file.buffers.push({ data: new Uint8Array(Uint16Array.from(values, toHalf).buffer) });
      halves.set(tensor.buffer, buffer);
    }
    // The float tensor keeps its place and name, and is made by an operator from now on.
    file.tensors[index] = { ...tensor, buffer: 0 };
    file.tensors.push({ ...tensor, name: `${tensor.name ?? ""}_float16`, type: TENSOR_TYPES.FLOAT16, buffer });
    replaced.set(index, file.tensors.length - 1);
    dequantized.push({
      name: "DEQUANTIZE",
      record: {
        inputs: Int32Array.of(file.tensors.length - 1),
        outputs: Int32Array.of(index),
        builtinOptions: { kind: "DequantizeOptions" },
      },
    });
  });
  if (dequantized.length === 0) return { records, report: { changed: 0, kept } };
  return {
    records: closeFile(records, file, [...dequantized, ...operators]),
    report: { changed: dequantized.length, kept },
  };
}
