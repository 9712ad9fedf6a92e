import { ACTIVATIONS, TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import { dataOf, type namedOperators, type OpenFile, type OperatorDraftRecord } from "./records.ts";

/** Weights of FULLY_CONNECTED with rows of one magnitude, and what makes up for it. */
export interface RowScaled {
  /** [rows, columns], the largest magnitude of each row 1. */
  readonly values: Float32Array;
  /** The operators that stand for a FULLY_CONNECTED with the first weights: one with these, and a MUL by the magnitudes. */
  apply(record: OperatorDraftRecord): ReturnType<typeof namedOperators>;
}

/** Noise of one scale over that of a scale for each row, from which rows are scaled: 4 is one bit. */
const WORTH = 4;

/** Rows are not brought up from further below the largest one, so that their biases stay finite. */
const DEEPEST = 2 ** -20;

/**
 * Whether 8 bits with one scale for all rows lose a bit against 8 bits with a scale for each: squared error over energy, the mean of all rows, for a row
 * counts whatever its size. `shape` is [rows, columns].
 */
export function needsRowScales(values: Float32Array, shape: readonly number[]): boolean {
  const [rows = 0, columns = 0] = shape;
  const magnitudes = rowMagnitudes(values, rows, columns);
  const largest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  let one = 0;
  let each = 0;
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * columns, (r + 1) * columns);
    const energy = row.reduce((sum, v) => sum + v * v, 0);
    if (energy === 0) continue;
    one += squaredError(row, largest) / energy;
    each += squaredError(row, magnitudes[r] as number) / energy;
  }
  return one > 0 && one >= WORTH * each;
}

function squaredError(values: Float32Array, magnitude: number): number {
  const scale = magnitude / 127;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i] as number;
    const d = v - Math.round(v / scale) * scale;
    sum += d * d;
  }
  return sum;
}

/** The largest magnitude of each row; 1 where all are zero. */
function rowMagnitudes(values: Float32Array, rows: number, columns: number): Float32Array {
  const magnitudes = new Float32Array(rows);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      magnitudes[r] = Math.max(magnitudes[r] as number, Math.abs(values[r * columns + c] as number));
  const least = magnitudes.reduce((a, b) => Math.max(a, b), 0) * DEEPEST;
  return magnitudes.map((m) => Math.max(m, least) || 1);
}

/** Divides each row of weights by its largest magnitude, and adds the magnitudes to the file, [rows] of float32. `name` is that of the weights. */
export function scaleRows(
  file: OpenFile,
  weights: { readonly name: string; readonly values: Float32Array; readonly shape: readonly number[] },
): RowScaled {
  const { name, values, shape } = weights;
  const [rows = 0, columns = 0] = shape;
  const magnitudes = rowMagnitudes(values, rows, columns);
  const constant = (called: string, data: Float32Array): number =>
    file.tensors.push({
      name: called,
      shape: Int32Array.of(rows),
      type: TENSOR_TYPES.FLOAT32,
      buffer: file.buffers.push({ data: new Uint8Array(data.buffer) }) - 1,
      hasRank: true,
    }) - 1;
  const factor = constant(`${name}_rows`, magnitudes);
  const biases = new Map<number, number>();
  // The bias, always a constant in files that are made here, is added before the sums are multiplied.
  const biasOf = (index: number): number => {
    const data = dataOf(file, file.tensors[index]);
    if (index < 0 || data === undefined || data.every((byte) => byte === 0)) return index;
    const known = biases.get(index);
    if (known !== undefined) return known;
    const bias = new Float32Array(new Uint8Array(data).buffer).map((b, r) => b / (magnitudes[r] as number));
    const made = constant(`${file.tensors[index]?.name ?? name}_by_row`, bias);
    biases.set(index, made);
    return made;
  };
  return {
    values: values.map((v, i) => v / (magnitudes[Math.floor(i / columns)] as number)),
    apply(record) {
      const [x = -1, w = -1, b = -1] = record.inputs ?? [];
      const [y = -1] = record.outputs ?? [];
      const options = record.builtinOptions as { readonly fusedActivationFunction?: number } | undefined;
      const sums = file.tensors.push({ ...file.tensors[y], name: `${file.tensors[y]?.name ?? ""}_sums` }) - 1;
      const plain = {
        ...record.builtinOptions,
        fusedActivationFunction: ACTIVATIONS.NONE,
      } as OperatorDraftRecord["builtinOptions"];
      return [
        {
          name: "FULLY_CONNECTED",
          record: {
            ...record,
            inputs: Int32Array.of(x, w, biasOf(b)),
            outputs: Int32Array.of(sums),
            ...(plain === undefined ? {} : { builtinOptions: plain }),
          },
        },
        {
          name: "MUL",
          record: {
            inputs: Int32Array.of(sums, factor),
            outputs: Int32Array.of(y),
            builtinOptions: { kind: "MulOptions", fusedActivationFunction: options?.fusedActivationFunction ?? ACTIVATIONS.NONE },
          },
        },
      ];
    },
  };
}
