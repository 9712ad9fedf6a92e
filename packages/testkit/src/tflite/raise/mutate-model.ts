import type { Random } from "@tessera/core/base/random";
import type { Operator, SubGraph, TfliteModel } from "@tessera/core/formats/tflite/schema";
import type { Tensor } from "@tessera/core/formats/tflite/tensor-tables";

/** Numbers that have broken readers before. */
const TELLING = [-1, 0, 1, 2, 3, 4, 5, 7, 16, 31, 32, 127, 128, 255, 65_536, 2 ** 20, 2 ** 31 - 1, -2, -(2 ** 31)];
const REALS = [0, -1, 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e-45, 3e38, -0.25];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)] as T;
}

function changedAt<T>(list: readonly T[], at: number, change: (item: T) => T): T[] {
  return list.map((item, i) => (i === at ? change(item) : item));
}

/** A list of integers with one of them changed, one more or one less. */
function changedInts(list: Int32Array, random: Random): Int32Array {
  const kind = random.int(5);
  if (kind === 0 || list.length === 0) return Int32Array.of(...list, pick(random, TELLING));
  if (kind === 1) return list.slice(0, -1);
  if (kind === 2) return list.slice().reverse();
  const out = list.slice();
  out[random.int(out.length)] = random.int(2) === 0 ? pick(random, TELLING) : random.int(8);
  return out;
}

/** Options with one field changed. */
function changedOptions(
  options: NonNullable<Operator["builtinOptions"]>,
  random: Random,
): NonNullable<Operator["builtinOptions"]> {
  const entries = Object.entries(options).filter(([key]) => key !== "kind" && key !== "unknown");
  if (entries.length === 0) return options;
  const [key, value] = pick(random, entries) as [string, unknown];
  const changed = ((): unknown => {
    if (typeof value === "boolean") return !value;
    if (value instanceof Int32Array) return changedInts(value, random);
    if (typeof value !== "number") return value;
    // Codes are bytes in the file, the rest are wider.
    const isCode = /padding|activation|type|mode|format/i.test(key);
    return Number.isInteger(value) && !/alpha|beta|clip/i.test(key)
      ? isCode
        ? random.int(8)
        : pick(random, TELLING)
      : pick(random, REALS);
  })();
  return { ...options, [key]: changed } as NonNullable<Operator["builtinOptions"]>;
}

function changedTensor(tensor: Tensor, random: Random): Tensor {
  switch (random.int(5)) {
    case 0:
      return { ...tensor, shape: changedInts(tensor.shape ?? new Int32Array(0), random) };
    case 1:
      return { ...tensor, type: random.int(20) };
    case 2:
      return { ...tensor, buffer: random.int(12) };
    case 3:
      return { ...tensor, isVariable: !tensor.isVariable };
    default: {
      const scale = Float32Array.from({ length: random.int(4) }, () => pick(random, [0.1, 0.01, ...REALS]));
      const zeroPoint = BigInt64Array.from({ length: random.int(4) }, () => BigInt(pick(random, TELLING)));
      const quantization = { ...tensor.quantization, scale, zeroPoint, quantizedDimension: pick(random, [0, 1, 3, ...TELLING]) };
      return { ...tensor, quantization };
    }
  }
}

function changedOperator(operator: Operator, random: Random): Operator {
  switch (random.int(4)) {
    case 0:
      return { ...operator, inputs: changedInts(operator.inputs ?? new Int32Array(0), random) };
    case 1:
      return { ...operator, outputs: changedInts(operator.outputs ?? new Int32Array(0), random) };
    case 2:
      return operator.builtinOptions === undefined
        ? operator
        : { ...operator, builtinOptions: changedOptions(operator.builtinOptions, random) };
    default:
      return { ...operator, opcodeIndex: random.int(12) };
  }
}

/** Constant data with an integer of it changed, or shorter. */
function changedData(data: Uint8Array, random: Random): Uint8Array {
  const out = data.slice();
  if (random.int(6) === 0) return out.subarray(0, random.int(out.length + 1));
  const view = new DataView(out.buffer);
  if (out.length >= 4) view.setInt32(4 * random.int(Math.floor(out.length / 4)), pick(random, TELLING), true);
  return out;
}

function changedGraph(graph: SubGraph, random: Random): SubGraph {
  const { tensors = [], operators = [] } = graph;
  switch (random.int(6)) {
    case 0:
    case 1:
      return { ...graph, tensors: changedAt(tensors, random.int(tensors.length), (tensor) => changedTensor(tensor, random)) };
    case 2:
    case 3:
      return {
        ...graph,
        operators: changedAt(operators, random.int(operators.length), (operator) => changedOperator(operator, random)),
      };
    case 4:
      return { ...graph, inputs: changedInts(graph.inputs ?? new Int32Array(0), random) };
    default:
      return random.int(2) === 0
        ? { ...graph, outputs: changedInts(graph.outputs ?? new Int32Array(0), random) }
        : { ...graph, operators: [...operators].reverse() };
  }
}

/** A model with one to three things changed that a reader lets through: sizes, types, indices, options, quantization, constants, the order of operators. */
export function mutateTfliteModel(model: TfliteModel, random: Random): TfliteModel {
  let changed = model;
  for (let left = 1 + random.int(3); left > 0; left--) {
    const { subgraphs = [], buffers = [], operatorCodes = [] } = changed;
    const kind = random.int(8);
    if (kind === 0 && operatorCodes.length > 0) {
      const codes = changedAt(operatorCodes, random.int(operatorCodes.length), (code) => ({
        ...code,
        builtinCode: random.int(160),
        deprecatedBuiltinCode: 0,
      }));
      changed = { ...changed, operatorCodes: codes };
    } else if (kind <= 2 && buffers.length > 1) {
      const at = 1 + random.int(buffers.length - 1);
      changed = {
        ...changed,
        buffers: changedAt(buffers, at, (buffer) =>
          buffer.data === undefined ? buffer : { ...buffer, data: changedData(buffer.data, random) },
        ),
      };
    } else if (subgraphs.length > 0)
      changed = { ...changed, subgraphs: changedAt(subgraphs, 0, (graph) => changedGraph(graph, random)) };
  }
  return changed;
}
