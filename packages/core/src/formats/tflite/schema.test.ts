import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, it } from "vitest";
import type { TableType } from "../flatbuffer/table.ts";
import { BUILTIN_OPERATOR_NAMES, BUILTIN_OPERATORS, builtinOperatorName } from "./builtin-operators.ts";
import { ACTIVATIONS, enumName, PADDINGS, TENSOR_TYPES } from "./enums.ts";
import { BUILTIN_OPTIONS, BUILTIN_OPTIONS_2 } from "./options.ts";
import { BASIC_OPTIONS } from "./options-basic.ts";
import { NN_OPTIONS } from "./options-nn.ts";
import { STABLEHLO_OPTIONS } from "./options-stablehlo.ts";
import { readTflite } from "./read.ts";
import { BUFFER, MODEL, OPERATOR, OPERATOR_CODE, SIGNATURE_DEF, SUB_GRAPH } from "./schema.ts";
import { QUANTIZATION_PARAMETERS, TENSOR } from "./tensor-tables.ts";

function slotsOf(table: TableType): Record<string, number> {
  return Object.fromEntries(table.fields.map(({ key, slot }) => [key, slot]));
}

function codeOf(union: { readonly members: readonly TableType[] }, name: string): number {
  return union.members.findIndex((member) => member.name === name) + 1;
}

/** Every table that can be reached from a model: one line for each field and each member of a union. */
function listing(table: TableType, lines = new Map<string, string[]>()): typeof lines {
  if (lines.has(table.name)) return lines;
  const own: string[] = [];
  lines.set(table.name, own);
  for (const { key, slot, shape } of table.fields) {
    const { kind } = shape;
    const inner = kind === "table" || kind === "tables" ? shape.table() : undefined;
    const type = kind === "scalar" ? `${shape.type} = ${shape.initial}` : kind === "vector" ? `${shape.type}[]` : "";
    const members = kind === "union" ? shape.union.members : [];
    own.push([slot, key, kind, type, inner?.name ?? "", ...members.map(({ name }) => name)].join(" "));
    if (inner !== undefined) listing(inner, lines);
    for (const member of members) listing(member, lines);
  }
  return lines;
}

// Slots as in the vtable offsets of the generated C++ header: slot = (offset - 4) / 2.
describe("the TFLite schema", () => {
  it("has the slots of the C++ header", () => {
    expect(slotsOf(TENSOR)).toMatchObject({ shape: 0, buffer: 2, quantization: 4, sparsity: 6, hasRank: 8, externalBuffer: 10 });
    expect(slotsOf(QUANTIZATION_PARAMETERS)).toMatchObject({ zeroPoint: 3, details: 4, quantizedDimension: 6 });
    expect(slotsOf(OPERATOR)).toMatchObject({
      builtinOptions: 3,
      customOptions: 5,
      intermediates: 8,
      largeCustomOptionsSize: 10,
      builtinOptions2: 11,
      debugMetadataIndex: 13,
    });
    expect(slotsOf(OPERATOR_CODE)).toEqual({ deprecatedBuiltinCode: 0, customCode: 1, version: 2, builtinCode: 3 });
    expect(slotsOf(SUB_GRAPH)).toMatchObject({ operators: 3, debugMetadataIndex: 5 });
    expect(slotsOf(BUFFER)).toEqual({ data: 0, offset: 1, size: 2 });
    expect(slotsOf(SIGNATURE_DEF)).toEqual({ inputs: 0, outputs: 1, signatureKey: 2, deprecatedTag: 3, subgraphIndex: 4 });
    expect(slotsOf(MODEL)).toMatchObject({ buffers: 4, metadataBuffer: 5, metadata: 6, signatureDefs: 7, externalBuffers: 9 });
  });

  it("has the codes of the C++ header", () => {
    expect(BUILTIN_OPTIONS.members.length).toBe(126);
    expect(BUILTIN_OPTIONS_2.members.length).toBe(23);
    const named = ["ReshapeOptions", "PackOptions", "LeakyReluOptions", "QuantizeOptions", "BatchMatMulOptions", "GeluOptions"];
    expect(named.map((name) => codeOf(BUILTIN_OPTIONS, name))).toEqual([17, 59, 75, 89, 101, 116]);
    expect(codeOf(BUILTIN_OPTIONS_2, "DilateOptions")).toBe(18);
    expect(codeOf(BUILTIN_OPTIONS_2, "StableHLOCompositeOptions")).toBe(21);
    expect(BUILTIN_OPERATOR_NAMES.length).toBe(210);
    const operators = [BUILTIN_OPERATORS.PRELU, BUILTIN_OPERATORS.QUANTIZE, BUILTIN_OPERATORS.GELU, BUILTIN_OPERATORS.DILATE];
    expect(operators).toEqual([54, 114, 150, 203]);
    expect([builtinOperatorName(117), builtinOperatorName(210)]).toEqual(["HARD_SWISH", undefined]);
    expect([enumName(TENSOR_TYPES, 9), enumName(TENSOR_TYPES, 99), enumName(PADDINGS, 1), enumName(ACTIVATIONS, 3)]).toEqual([
      "INT8",
      undefined,
      "VALID",
      "RELU6",
    ]);
  });

  // Of these 170 tables, 165 were compared field by field (slot, type, default, order of unions) with the code that the FlatBuffers
  // compiler generated for the Python package tflite 2.18.0, without a difference; the five others are younger. Compare again before
  // pinning another sum.
  it("is the one that was compared with generated code", () => {
    const lines = [...listing(MODEL)].map(([name, fields]) => [name, ...fields].join("\n")).toSorted();
    expect(lines.length).toBe(170);
    expect(createHash("sha256").update(lines.join("\n")).digest("hex")).toBe(
      "e8a0c8a5fac0adf68457a02dedc7e9b8eda2fba5ebdd5bcbbc6c0ce7b1506c3d",
    );
  });

  it("has no name twice, and no fields for a table that is in no union", () => {
    for (const union of [BUILTIN_OPTIONS, BUILTIN_OPTIONS_2]) {
      expect(new Set(union.members.map(({ name }) => name)).size).toBe(union.members.length);
    }
    for (const name of Object.keys({ ...NN_OPTIONS, ...BASIC_OPTIONS })) expect(codeOf(BUILTIN_OPTIONS, name)).toBeGreaterThan(0);
    for (const name of Object.keys(STABLEHLO_OPTIONS)) expect(codeOf(BUILTIN_OPTIONS_2, name)).toBeGreaterThan(0);
    expect(new Set(BUILTIN_OPERATOR_NAMES).size).toBe(BUILTIN_OPERATOR_NAMES.length);
  });
});

/** Options that real files give these operators; those of RESHAPE may be missing. */
const OPTIONS_OF: Readonly<Record<string, string>> = {
  CONV_2D: "Conv2DOptions",
  DEPTHWISE_CONV_2D: "DepthwiseConv2DOptions",
  AVERAGE_POOL_2D: "Pool2DOptions",
  FULLY_CONNECTED: "FullyConnectedOptions",
  SOFTMAX: "SoftmaxOptions",
  ADD: "AddOptions",
  MUL: "MulOptions",
  CONCATENATION: "ConcatenationOptions",
  STRIDED_SLICE: "StridedSliceOptions",
  PACK: "PackOptions",
  UNIDIRECTIONAL_SEQUENCE_LSTM: "UnidirectionalSequenceLSTMOptions",
  CAST: "CastOptions",
};

const shared = sharedDir();
const names =
  shared === undefined
    ? []
    : readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tflite"));

describe.skipIf(shared === undefined)("real files (skipped without the shared models)", () => {
  it.each(names)("%s has the options that belong to its operators, and indices that are there", (name) => {
    const model = readTflite(new Uint8Array(readFileSync(join(shared ?? "", "models", name))));
    const [graph] = model.subgraphs ?? [];
    const tensors = graph?.tensors ?? [];
    let seen = 0;
    for (const operator of graph?.operators ?? []) {
      const operatorName = builtinOperatorName(model.operatorCodes?.[operator.opcodeIndex]?.builtinCode ?? -1) ?? "?";
      const expected = OPTIONS_OF[operatorName];
      if (expected !== undefined) {
        expect([operatorName, operator.builtinOptions?.kind]).toEqual([operatorName, expected]);
        seen++;
      }
      for (const i of [...(operator.inputs ?? []), ...(operator.outputs ?? [])]) expect(i).toBeLessThan(tensors.length);
    }
    expect(seen).toBeGreaterThan(2);
    for (const { buffer, type, name: tensorName } of tensors) {
      expect(buffer).toBeLessThan(model.buffers?.length ?? 0);
      expect(enumName(TENSOR_TYPES, type)).toBeDefined();
      expect(tensorName).not.toBe("");
    }
  });
});
