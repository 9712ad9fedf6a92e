import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import { closeFile, dataOf, namedOperators, openFile, type TensorDraft } from "./records.ts";

/**
 * Leaves out of a file what no runtime reads: the description, the name of the graph, names of tensors that are no inputs or outputs, ranges seen in
 * calibration, and constants that are there twice (the same bytes, type, shape and quantization). Inputs, outputs and the signature keep their names.
 * Zero points of channels stay, one for each scale: LiteRT and its predecessor refuse a list of another length, and none at all. Write the result with
 * `writeTflite(records, { share: true })`, which stores equal lists of them once.
 */
export function slimTflite(records: TfliteDraft): TfliteDraft {
  const file = openFile(records);
  const { inputs, outputs } = file.graph;
  const io = new Set<number>([...(inputs ?? []), ...(outputs ?? [])]);
  const bufferOf = mergedBuffers(file.buffers);
  const place = new Map<number, number>();
  const byKey = new Map<string, number>();
  const tensors: TensorDraft[] = [];
  file.tensors.forEach((tensor, index) => {
    const isConstant = dataOf(file, tensor) !== undefined && !io.has(index);
    const buffer = tensor.buffer === undefined ? 0 : (bufferOf[tensor.buffer] ?? 0);
    const key = isConstant ? `${buffer} ${tensor.type ?? TENSOR_TYPES.FLOAT32} ${tensor.shape} ${quantizationKey(tensor)}` : "";
    const known = isConstant ? byKey.get(key) : undefined;
    if (known !== undefined) {
      place.set(index, known);
      return;
    }
    place.set(index, tensors.length);
    if (isConstant) byKey.set(key, tensors.length);
    const { name, hasRank, quantization, ...rest } = tensor;
    tensors.push({
      ...rest,
      ...(quantization && { quantization: essential(quantization) }),
      buffer,
      ...(io.has(index) && name !== undefined && { name }),
      // An empty shape without this flag may be of any rank.
      ...(hasRank && (tensor.shape?.length ?? 0) === 0 && { hasRank }),
    });
  });
  const moved = (list: Int32Array | undefined): Int32Array | undefined =>
    list?.map((index) => (index < 0 ? index : (place.get(index) as number)));
  const operators = namedOperators(file).map(({ name, record }) => ({
    name,
    record: {
      ...record,
      ...moves("inputs", moved(record.inputs)),
      ...moves("outputs", moved(record.outputs)),
      ...moves("intermediates", moved(record.intermediates)),
    },
  }));
  const { name: _name, ...graph } = file.graph;
  const { description: _description, ...plain } = records;
  const closed = closeFile(
    plain,
    {
      ...file,
      tensors,
      graph: { ...graph, ...moves("inputs", moved(inputs)), ...moves("outputs", moved(outputs)) },
    },
    operators,
  );
  const signatureDefs = records.signatureDefs?.map((signature) => ({
    ...signature,
    inputs: signature.inputs?.map((m) => ({ ...m, tensorIndex: place.get(m.tensorIndex ?? 0) ?? 0 })) ?? [],
    outputs: signature.outputs?.map((m) => ({ ...m, tensorIndex: place.get(m.tensorIndex ?? 0) ?? 0 })) ?? [],
  }));
  return { ...closed, ...(signatureDefs !== undefined && { signatureDefs }) };
}

/** Without the ranges seen in calibration. */
function essential(quantization: NonNullable<TensorDraft["quantization"]>): NonNullable<TensorDraft["quantization"]> {
  const { min: _min, max: _max, ...rest } = quantization;
  return rest;
}

function moves<K extends string>(key: K, list: Int32Array | undefined): Partial<Record<K, Int32Array>> {
  return (list === undefined ? {} : { [key]: list }) as Partial<Record<K, Int32Array>>;
}

function quantizationKey({ quantization }: TensorDraft): string {
  if (quantization === undefined || quantization === null) return "";
  return `${quantization.scale} ${quantization.zeroPoint} ${quantization.quantizedDimension ?? 0}`;
}

/** For each buffer the first one with the same bytes. */
function mergedBuffers(buffers: readonly { readonly data?: Uint8Array }[]): number[] {
  const bySize = new Map<number, number[]>();
  return buffers.map(({ data }, index) => {
    if (data === undefined || data.length === 0) return index;
    const same = bySize.get(data.length) ?? [];
    const found = same.find((i) => {
      const other = buffers[i]?.data as Uint8Array;
      return other.every((byte, k) => byte === data[k]);
    });
    if (found !== undefined) return found;
    bySize.set(data.length, [...same, index]);
    return index;
  });
}
