import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ACTIVATIONS, PADDINGS, TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { makeOperatorCode } from "@tessera/core/formats/tflite/operator-code";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { TfliteModel } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { sharedDir } from "../../shared.ts";
import { exoticTfliteModel, smallTfliteModel } from "../../tflite-records.ts";
import { fileOf } from "./one-operator.ts";
import { fed, grid, held, list, one, spec, state } from "./specs.ts";

const ints = (...values: readonly number[]): Int32Array => Int32Array.from(values);

/** A quantized convolution with a bias, its input quantized and its output dequantized by operators of their own. */
export function quantizedFile(): Uint8Array {
  const encoding = (scale: readonly number[], zeroPoint: readonly number[], axis = 0) => ({
    scale: Float32Array.from(scale),
    zeroPoint: BigInt64Array.from(zeroPoint, BigInt),
    quantizedDimension: axis,
  });
  const bytes = (...values: readonly number[]): Uint8Array => new Uint8Array(Int8Array.from(values).buffer);
  return writeTflite({
    operatorCodes: [makeOperatorCode("QUANTIZE", 1), makeOperatorCode("CONV_2D", 3), makeOperatorCode("DEQUANTIZE", 2)],
    subgraphs: [
      {
        tensors: [
          { name: "x", shape: ints(1, 2, 2, 2) },
          { name: "xq", shape: ints(1, 2, 2, 2), type: TENSOR_TYPES.INT8, quantization: encoding([0.05], [3]) },
          { name: "w", shape: ints(2, 1, 1, 2), type: TENSOR_TYPES.INT8, buffer: 1, quantization: encoding([0.1, 0.2], [0, 0]) },
          { name: "b", shape: ints(2), type: TENSOR_TYPES.INT32, buffer: 2, quantization: encoding([0.005, 0.01], [0, 0]) },
          { name: "yq", shape: ints(1, 2, 2, 2), type: TENSOR_TYPES.INT8, quantization: encoding([0.1], [-128]) },
          { name: "y", shape: ints(1, 2, 2, 2) },
        ],
        inputs: ints(0),
        outputs: ints(5),
        operators: [
          { opcodeIndex: 0, inputs: ints(0), outputs: ints(1) },
          {
            opcodeIndex: 1,
            inputs: ints(1, 2, 3),
            outputs: ints(4),
            builtinOptions: {
              kind: "Conv2DOptions",
              padding: PADDINGS.SAME,
              strideH: 1,
              strideW: 1,
              fusedActivationFunction: ACTIVATIONS.RELU,
            },
          },
          { opcodeIndex: 2, inputs: ints(4), outputs: ints(5) },
        ],
      },
    ],
    buffers: [{}, { data: bytes(1, -2, 127, -127) }, { data: new Uint8Array(ints(1000, -2000).buffer) }],
  });
}

/** A float16 constant and a sparse one on their way into products. */
export function storedFile(): Uint8Array {
  return writeTflite({
    operatorCodes: [makeOperatorCode("DEQUANTIZE", 3), makeOperatorCode("DENSIFY", 1), makeOperatorCode("FULLY_CONNECTED", 1)],
    subgraphs: [
      {
        tensors: [
          { name: "x", shape: ints(1, 4) },
          { name: "h", shape: ints(3, 4), type: TENSOR_TYPES.FLOAT16, buffer: 1 },
          { name: "hf", shape: ints(3, 4) },
          { name: "m", shape: ints(1, 3) },
          {
            name: "s",
            shape: ints(2, 3),
            buffer: 2,
            sparsity: {
              traversalOrder: ints(0, 1),
              blockMap: ints(),
              dimMetadata: [
                { denseSize: 2 },
                {
                  format: 1,
                  arraySegments: { kind: "Uint8Vector", values: Uint8Array.of(0, 1, 3) },
                  arrayIndices: { kind: "Uint8Vector", values: Uint8Array.of(2, 0, 1) },
                },
              ],
            },
          },
          { name: "d", shape: ints(2, 3) },
          { name: "y", shape: ints(1, 2) },
        ],
        inputs: ints(0),
        outputs: ints(6),
        operators: [
          { opcodeIndex: 0, inputs: ints(1), outputs: ints(2) },
          { opcodeIndex: 2, inputs: ints(0, 2, -1), outputs: ints(3), builtinOptions: { kind: "FullyConnectedOptions" } },
          { opcodeIndex: 1, inputs: ints(4), outputs: ints(5) },
          { opcodeIndex: 2, inputs: ints(3, 5, -1), outputs: ints(6), builtinOptions: { kind: "FullyConnectedOptions" } },
        ],
      },
    ],
    buffers: [
      {},
      { data: new Uint8Array(Uint16Array.from({ length: 12 }, (_, i) => 0x3c00 + i).buffer) },
      { data: new Uint8Array(Float32Array.of(1, 2, 3).buffer) },
    ],
  });
}

const image = [1, 4, 4, 2] as const;
const conv = { padding: PADDINGS.SAME, strideH: 1, strideW: 1 } as const;

/** Good files, small, that between them go through most rows of the table. */
export function goodFiles(): Uint8Array[] {
  const groups = [
    [
      spec("CONV_2D", [fed(image, 1), held([2, 3, 3, 2], 2), held([2], 3)], { kind: "Conv2DOptions", ...conv }),
      spec("DEPTHWISE_CONV_2D", [fed(image, 1), held([1, 3, 3, 4], 2), held([4], 3)], {
        kind: "DepthwiseConv2DOptions",
        ...conv,
        depthMultiplier: 2,
      }),
      spec("TRANSPOSE_CONV", [list([1, 8, 8, 2]), held([2, 3, 3, 2], 2), fed(image, 1)], {
        kind: "TransposeConvOptions",
        padding: 0,
        strideH: 2,
        strideW: 2,
      }),
      spec("MAX_POOL_2D", [fed(image, 1)], { kind: "Pool2DOptions", ...conv, filterHeight: 2, filterWidth: 2 }),
      spec("RESIZE_BILINEAR", [fed(image, 1), list([5, 3])], { kind: "ResizeBilinearOptions", halfPixelCenters: true }),
    ],
    [
      spec("SPACE_TO_BATCH_ND", [fed(image, 1), list([2, 2]), grid([2, 2], [0, 0, 0, 0])], { kind: "SpaceToBatchNDOptions" }),
      spec("BATCH_TO_SPACE_ND", [fed([4, 2, 2, 1], 1), list([2, 2]), grid([2, 2], [0, 1, 0, 1])], {
        kind: "BatchToSpaceNDOptions",
      }),
      spec("PAD", [fed(image, 1), grid([4, 2], [0, 0, 1, 1, 0, 2, 0, 0])], { kind: "PadOptions" }),
      spec("MIRROR_PAD", [fed(image, 1), grid([4, 2], [0, 0, 1, 1, 0, 2, 0, 0])], { kind: "MirrorPadOptions", mode: 1 }),
      spec("STRIDED_SLICE", [fed(image, 1), list([0, 1, -1, 0]), list([1, 3, -4, 2]), list([1, 1, -1, 1])], {
        kind: "StridedSliceOptions",
        shrinkAxisMask: 8,
      }),
      spec("DEPTH_TO_SPACE", [fed([1, 2, 2, 4], 1)], { kind: "DepthToSpaceOptions", blockSize: 2 }),
    ],
    [
      spec("RESHAPE", [fed(image, 1), list([4, -1])], { kind: "ReshapeOptions" }),
      spec("SPLIT", [one(3), fed(image, 1)], { kind: "SplitOptions", numSplits: 1 }),
      spec("CONCATENATION", [fed(image, 1), fed(image, 2)], { kind: "ConcatenationOptions", axis: 3 }),
      spec("PACK", [fed([2], 1), fed([2], 2)], { kind: "PackOptions", axis: 1 }),
      spec("MEAN", [fed(image, 1), list([1, 2])], { kind: "ReducerOptions" }),
      spec("GATHER", [fed(image, 1), list([1, 0])], { kind: "GatherOptions", axis: 3 }),
      spec("TILE", [fed(image, 1), list([1, 1, 2, 1])], { kind: "TileOptions" }),
      spec("BROADCAST_TO", [fed([1, 2], 1), list([3, 2])], { kind: "BroadcastToOptions" }),
      spec("FILL", [list([2, 3]), fed([], 1)], { kind: "FillOptions" }),
      spec("ONE_HOT", [fed([3], 1, { dtype: "int32" }), one(4), held([], 1), held([], 2)], { kind: "OneHotOptions", axis: -1 }),
      spec("SCATTER_ND", [grid([2, 1], [1, 0]), fed([2, 2], 1), list([3, 2])], { kind: "ScatterNdOptions" }),
    ],
    [
      spec("ADD", [fed(image, 1), held([2], 2)], { kind: "AddOptions", fusedActivationFunction: 1 }),
      spec("PRELU", [fed(image, 1), held([1, 1, 2], 2)]),
      spec("SELECT_V2", [fed([1, 2], 1, { dtype: "bool" }), fed([2, 2], 1), fed([2, 2], 2)], { kind: "SelectV2Options" }),
      spec("FULLY_CONNECTED", [fed(image, 1), held([3, 8], 2), held([3], 3)], {
        kind: "FullyConnectedOptions",
        keepNumDims: true,
      }),
      spec("BATCH_MATMUL", [fed([2, 3], 1), fed([2, 4], 2)], { kind: "BatchMatMulOptions", adjX: true }),
      spec("CUMSUM", [fed(image, 1), one(1)], { kind: "CumsumOptions", reverse: true }),
      spec("SOFTMAX", [fed(image, 1)], { kind: "SoftmaxOptions", beta: 0.5 }),
      {
        ...spec("TOPK_V2", [fed([3, 4], 1), one(2)], { kind: "TopKV2Options" }),
        outputs: ["float32" as const, "int32" as const],
      },
    ],
    [
      spec(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        [
          fed([1, 3, 2], 1),
          ...[1, 2, 3, 4].map((i) => held([2, 2], i)),
          ...[5, 6, 7, 8].map((i) => held([2, 2], i)),
          undefined,
          undefined,
          undefined,
          ...[1, 2, 3, 4].map((i) => held([2], i)),
          undefined,
          undefined,
          state([1, 2]),
          state([1, 2]),
        ],
        { kind: "UnidirectionalSequenceLSTMOptions", fusedActivationFunction: ACTIVATIONS.TANH },
      ),
    ],
  ];
  return [
    ...groups.map((group) => fileOf(group, [])),
    quantizedFile(),
    storedFile(),
    writeTflite(smallTfliteModel()),
    writeTflite(exoticTfliteModel()),
  ];
}

/** The shared models without most of their weights, so that a change hits what holds them together; none where they are not there. */
export function realFiles(): Uint8Array[] {
  const shared = sharedDir();
  if (shared === undefined) return [];
  const names = readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".tflite"),
  );
  return names
    .map((name) => new Uint8Array(readFileSync(join(shared, "models", name))))
    .filter((file) => file.length < 100_000)
    .map((file) => writeTflite(readTflite(file) as TfliteModel));
}
