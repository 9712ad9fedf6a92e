import type { Shape } from "@tessera/core/graph/dim";
import type { DType } from "@tessera/core/graph/dtype";
import { makeNode } from "@tessera/core/graph/node";
import type { Encoding } from "@tessera/core/graph/plan";
import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";
import { onnxFile } from "./onnx-file.ts";
import { addFile, convByHand, convFile, convInput, IO_DTYPES, identityFile } from "./runtime-models.ts";

/** The same small functions in the format that a runtime reads. All have an input `x` and an output `y` unless said otherwise. */
export interface RuntimeFiles {
  readonly format: "onnx" | "tflite";
  /** `y: f32[N, 3] = relu(x: f32[N, 3] + constant)`; the constant is 1 unless given. */
  add(constant?: number): Uint8Array;
  /** How a session states the shape of `add`: some formats name the open size, some declare a first one. */
  readonly addShape: Shape;
  /** The name of the open size of `add`; absent in formats that have none. */
  readonly symbol?: string;
  /** `y_T = x_T` of any length for each element type T of `dtypes`. */
  readonly dtypes: readonly DType[];
  identity(): Uint8Array;
  readonly identityShape: Shape;
  /** `y: f32[] = -x`. */
  negateScalar(): Uint8Array;
  /** `y = relu(convolution of x)`: enough work for threads and layouts to matter. */
  readonly conv: {
    bytes(): Uint8Array;
    /** A random input. */
    input(seed?: number): Tensor;
    readonly outputShape: readonly number[];
    /** The output, summed in double precision. */
    expected(x: Tensor): Float64Array;
    /** Checks what a profile of 3 runs says of it. */
    checkProfile(profile: RuntimeProfile): void;
  };
  /** A model with an operator that nobody knows. */
  unknown(): Uint8Array;
  /** `y: f32[1, 3] = x + c` with c in a file `weights.bin` of its own; absent in formats without. */
  external?(c: Tensor): Uint8Array;
  /**
   * `y: int8[1, 3] = x + 2` in real numbers, where both have the step 0.5 and the zero points of `encodings`: two steps more in integers.
   * Absent in formats whose integers have no meaning of their own.
   */
  readonly integer?: { bytes(): Uint8Array; readonly encodings: Readonly<Record<"x" | "y", Encoding>> };
}

/** The functions as ONNX. `checkProfile`: convolution and rectifier apart. */
export const ONNX_FILES: RuntimeFiles = {
  format: "onnx",
  add: addFile,
  addShape: ["N", 3],
  symbol: "N",
  dtypes: IO_DTYPES,
  identity: () => identityFile(IO_DTYPES),
  identityShape: ["N"],
  negateScalar: () =>
    onnxFile({
      inputs: { x: ["float32", []] },
      outputs: { y: ["float32", []] },
      nodes: [makeNode("Neg", { inputs: ["x"], outputs: ["y"] })],
    }),
  conv: {
    bytes: convFile,
    input: convInput,
    outputShape: [1, 16, 24, 24],
    expected: convByHand,
    checkProfile({ operators }) {
      const seen = operators.map(({ op, calls, outputBytes }) => ({ op, calls, outputBytes }));
      const row = { calls: 3, outputBytes: 16 * 24 * 24 * 4 };
      const wanted = [
        { op: "Conv", ...row },
        { op: "Relu", ...row },
      ];
      if (JSON.stringify(seen) !== JSON.stringify(wanted)) throw new Error(`the profile has ${JSON.stringify(seen)}`);
    },
  },
  unknown: () =>
    onnxFile({
      inputs: { x: ["float32", [1]] },
      outputs: { y: ["float32", [1]] },
      nodes: [makeNode("NoSuchOperator", { inputs: ["x"], outputs: ["y"] })],
    }),
  external: (c) =>
    onnxFile({
      inputs: { x: ["float32", [1, 3]] },
      outputs: { y: ["float32", [1, 3]] },
      nodes: [makeNode("Add", { inputs: ["x", "c"], outputs: ["y"] })],
      constants: { c },
      external: { c: "weights.bin" },
    }),
};
