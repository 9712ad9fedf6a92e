import { makeOperatorCode } from "@tessera/core/formats/tflite/operator-code";
import type { TfliteDraft } from "@tessera/core/formats/tflite/schema";

const ints = (...values: readonly number[]): Int32Array => Int32Array.from(values);

/** A small model that computes something: y = relu(x W + b), `f32[1, 2]` -> `f32[1, 3]`, with metadata and a signature. */
export function smallTfliteModel(): TfliteDraft {
  const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
  return {
    operatorCodes: [makeOperatorCode("FULLY_CONNECTED", 1)],
    subgraphs: [
      {
        tensors: [
          { shape: ints(1, 2), name: "x", shapeSignature: ints(-1, 2) },
          { shape: ints(3, 2), name: "w", buffer: 1 },
          { shape: ints(3), name: "b", buffer: 2 },
          { shape: ints(1, 3), name: "y" },
        ],
        inputs: ints(0),
        outputs: ints(3),
        operators: [
          {
            inputs: ints(0, 1, 2),
            outputs: ints(3),
            builtinOptions: { kind: "FullyConnectedOptions", fusedActivationFunction: 1 },
          },
        ],
        name: "main",
      },
    ],
    description: "small",
    buffers: [
      {},
      { data: floats(1, 2, 3, 4, -5, -6) },
      { data: floats(0.5, -1, 2) },
      { data: new TextEncoder().encode("1.14.0") },
    ],
    metadata: [{ name: "min_runtime_version", buffer: 3 }],
    signatureDefs: [{ inputs: [{ name: "in" }], outputs: [{ name: "out", tensorIndex: 3 }], signatureKey: "serving_default" }],
  };
}

/** A model that has about everything the format has: quantization, sparsity, variants, StableHLO, custom options, several graphs. */
export function exoticTfliteModel(): TfliteDraft {
  const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
  return {
    version: 3,
    operatorCodes: [
      makeOperatorCode("CONV_2D", 5),
      makeOperatorCode("GELU", 2),
      { ...makeOperatorCode("CUSTOM", 1), customCode: "Mine" },
      makeOperatorCode("STABLEHLO_COMPOSITE", 1),
    ],
    subgraphs: [
      {
        tensors: [
          {
            shape: ints(2, 4),
            type: 9,
            buffer: 1,
            name: "per channel",
            quantization: {
              min: Float32Array.of(-1, -2),
              max: Float32Array.of(1, 2),
              scale: Float32Array.of(0.1, 0.2),
              zeroPoint: BigInt64Array.of(0n, -(2n ** 40n)),
              quantizedDimension: 1,
            },
            hasRank: true,
          },
          {
            shape: ints(4, 4),
            sparsity: {
              traversalOrder: ints(0, 1),
              blockMap: ints(),
              dimMetadata: [
                { denseSize: 4 },
                {
                  format: 1,
                  arraySegments: { kind: "Uint8Vector", values: bytes(0, 1, 2) },
                  arrayIndices: { kind: "Uint16Vector", values: Uint16Array.of(3, 500) },
                },
              ],
            },
          },
          { type: 14, variantTensors: [{ shape: ints(1), type: 2, hasRank: true }], isVariable: true, externalBuffer: 7 },
          { quantization: { details: { kind: "BlockwiseQuantization", scales: 1, zeroPoints: -1, blockSize: 32 } } },
          { quantization: { details: { kind: "CustomQuantization", custom: bytes(1, 2, 3) } } },
        ],
        operators: [
          { inputs: ints(0, -1), outputs: ints(1), builtinOptions: { kind: "Conv2DOptions", strideW: 2, dilationWFactor: 3 } },
          { opcodeIndex: 1, builtinOptions: { kind: "GeluOptions", approximate: true }, mutatingVariableInputs: bytes(0, 1) },
          { opcodeIndex: 2, customOptions: bytes(1, 0, 36, 1), intermediates: ints(4), debugMetadataIndex: 2 },
          {
            opcodeIndex: 3,
            builtinOptions2: { kind: "StableHLOCompositeOptions", name: "odd.gelu", decompositionSubgraphIndex: 1, version: 1 },
          },
          { builtinOptions: { kind: "opaque", code: 200, hasValue: false } },
        ],
      },
      { name: "\udcff\udcfe not UTF-8", debugMetadataIndex: 3 },
    ],
    buffers: [{}, { data: new Uint8Array(2000).fill(7) }, { data: bytes() }],
    metadataBuffer: ints(1),
    externalBufferGroups: [{ name: "weights.bin" }],
    externalBuffers: [{ id: 7, offset: 2n ** 60n, length: 12, packing: "raw" }],
  };
}
