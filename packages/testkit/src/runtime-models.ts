import { seededRandom } from "@tessera/core/base/random";
import { byteLength, type DType } from "@tessera/core/graph/dtype";
import { makeNode } from "@tessera/core/graph/node";
import { f32, fromNumbers, stringTensor, type Tensor, view } from "@tessera/core/graph/tensor";
import { onnxFile } from "./onnx-file.ts";

/** Element types that every runtime takes and gives. */
export const IO_DTYPES = [
  "float32",
  "float64",
  "float16",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
  "string",
] as const satisfies readonly DType[];

/** `y_T = Identity(x_T)` of any length for each element type T. */
export function identityFile(dtypes: readonly DType[]): Uint8Array {
  return onnxFile({
    inputs: Object.fromEntries(dtypes.map((dtype) => [`x_${dtype}`, [dtype, ["N"]]])),
    outputs: Object.fromEntries(dtypes.map((dtype) => [`y_${dtype}`, [dtype, ["N"]]])),
    nodes: dtypes.map((dtype) => makeNode("Identity", { inputs: [`x_${dtype}`], outputs: [`y_${dtype}`] })),
  });
}

/** `y: f32[N, 3] = Relu(x: f32[N, 3] + constant)`. */
export function addFile(constant = 1): Uint8Array {
  return onnxFile({
    inputs: { x: ["float32", ["N", 3]] },
    outputs: { y: ["float32", ["N", 3]] },
    nodes: [makeNode("Add", { inputs: ["x", "c"], outputs: ["s"] }), makeNode("Relu", { inputs: ["s"], outputs: ["y"] })],
    constants: { c: f32([1], [constant]) },
  });
}

/** `y: f32[1, 16, 24, 24] = Relu(Conv(x: f32[1, 8, 24, 24]))`: enough work for threads and layouts to matter. */
export function convFile(): Uint8Array {
  const { w, b } = convWeights();
  return onnxFile({
    inputs: { x: ["float32", [1, 8, 24, 24]] },
    outputs: { y: ["float32", [1, 16, 24, 24]] },
    nodes: [
      makeNode("Conv", { inputs: ["x", "w", "b"], outputs: ["c"] }, { attributes: { pads: [1, 1, 1, 1], kernel_shape: [3, 3] } }),
      makeNode("Relu", { inputs: ["c"], outputs: ["y"] }),
    ],
    constants: { w: f32([16, 8, 3, 3], w), b: f32([16], b) },
  });
}

/** The weights [16, 8, 3, 3] and biases [16] of {@link convFile}. */
export function convWeights(): { readonly w: Float32Array; readonly b: Float32Array } {
  const random = seededRandom(7);
  const w = Float32Array.from({ length: 16 * 8 * 9 }, () => random.normal());
  return { w, b: Float32Array.from({ length: 16 }, () => random.normal()) };
}

/** A random input of {@link convFile}. */
export function convInput(seed = 1): Tensor {
  const random = seededRandom(seed);
  return f32(
    [1, 8, 24, 24],
    Array.from({ length: 8 * 24 * 24 }, () => random.normal()),
  );
}

/** The convolution of {@link convFile} summed in double precision, the long way. */
export function convByHand(x: Tensor): Float64Array {
  const { w, b } = convWeights();
  const input = view(x, "float32");
  const out = new Float64Array(16 * 24 * 24);
  for (let m = 0; m < 16; m++)
    for (let r = 0; r < 24; r++)
      for (let c = 0; c < 24; c++) {
        let sum = b[m] as number;
        for (let k = 0; k < 8 * 9; k++) {
          const [ch, dr, dc] = [Math.floor(k / 9), (Math.floor(k / 3) % 3) - 1, (k % 3) - 1];
          const inside = r + dr >= 0 && r + dr < 24 && c + dc >= 0 && c + dc < 24;
          if (inside) sum += (w[m * 72 + k] as number) * (input[(ch * 24 + r + dr) * 24 + c + dc] as number);
        }
        out[(m * 24 + r) * 24 + c] = Math.max(0, sum);
      }
  return out;
}

/** Values of a type, the ends of its range among them. */
export function sample(dtype: DType, count: number, seed: number): Tensor {
  if (dtype === "string")
    return stringTensor(
      [count],
      Array.from({ length: count }, (_, i) => ["", "tessera", "ψηφίς", "a".repeat(300)][i % 4] as string),
    );
  const random = seededRandom(seed);
  if (dtype === "bool")
    return fromNumbers(
      "bool",
      [count],
      Array.from({ length: count }, () => random.int(2)),
    );
  if (dtype === "float16") {
    const special = [0, -0, 65504, -65504, 6e-8, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1 / 3];
    return fromNumbers(
      "float16",
      [count],
      Array.from({ length: count }, (_, i) => special[i] ?? random.normal()),
    );
  }
  if (dtype === "float32" || dtype === "float64") {
    const special = [0, -0, 1e30, -1e-30, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1 / 3];
    return fromNumbers(
      dtype,
      [count],
      Array.from({ length: count }, (_, i) => special[i] ?? random.normal()),
    );
  }
  const bytes = Uint8Array.from({ length: byteLength(dtype, count) }, () => random.int(256));
  return { dtype, shape: [count], bytes };
}
