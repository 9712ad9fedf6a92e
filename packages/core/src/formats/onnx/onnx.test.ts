import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { exoticOnnxModel, smallOnnxModel } from "@tessera/testkit/onnx-records";
import { recordArbitrary } from "@tessera/testkit/record-arbitrary";
import { sharedDir } from "@tessera/testkit/shared";
import fc from "fast-check";
import { ModelProtoSchema } from "onnx-buf";
import { describe, expect, it } from "vitest";
import { detectFormat } from "../detect-format.ts";
import { readOnnx } from "./read.ts";
import type { ModelProto } from "./records.ts";
import { MODEL } from "./schema.ts";
import { writeOnnx, writeOnnxChunks } from "./write.ts";

const shared = sharedDir();
const models = shared === undefined ? undefined : join(shared, "models");

function filesEnding(ending: string): string[] {
  if (models === undefined) return [];
  return readdirSync(models, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .toSorted();
}

const load = (name: string): Uint8Array => new Uint8Array(readFileSync(join(models ?? "", name)));

/** Equality without the slow element by element comparison of large arrays. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe.skipIf(models === undefined)("the shared models (skipped: ../shared is absent)", () => {
  /** Written by tools that put fields in another order than protobuf's own libraries do. */
  const irregular = new Set(["keystroke/typenet-triplet-m50-128.onnx", "voice/tinysv-dvector-256.onnx"]);

  it.each(filesEnding(".onnx"))("%s comes out byte for byte", (name) => {
    const file = load(name);
    expect(detectFormat(file)).toBe("onnx");
    const model = readOnnx(file);
    expect(model.graph?.node?.length).toBeGreaterThan(10);
    expect(same(writeOnnx(model), file)).toBe(true);
    expect(same(Buffer.concat(writeOnnxChunks(model)), file)).toBe(true);
    // A clone has no memory of the file: this is written from the records alone.
    const rewritten = writeOnnx(structuredClone(model));
    expect(same(rewritten, file)).toBe(!irregular.has(name));
    expect(same(rewritten, toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, file)))).toBe(true);
  });

  it.each(filesEnding(".onnx"))("%s shares its weights with the file", (name) => {
    const file = load(name);
    const model = readOnnx(file);
    const tensors = [
      ...(model.graph?.initializer ?? []),
      ...(model.graph?.node ?? []).flatMap((node) => node.attribute ?? []).flatMap(({ t }) => t ?? []),
    ];
    const raw = tensors.flatMap(({ rawData }) => rawData ?? []);
    expect(raw.length).toBeGreaterThan(0);
    for (const data of raw) expect(data.buffer).toBe(file.buffer);
  });

  it.each(filesEnding(".tflite"))("%s is told apart", (name) => {
    expect(detectFormat(load(name))).toBe("tflite");
  });
});

describe("ONNX records", () => {
  it.each([
    ["small", smallOnnxModel()],
    ["exotic", exoticOnnxModel()],
  ])("of the %s model read by onnx-buf are written by it to the same bytes", (_, model) => {
    const file = writeOnnx(model);
    const theirs = fromBinary(ModelProtoSchema, file);
    expect(theirs.graph?.node.map((node) => node.opType)).toEqual(model.graph?.node?.map((node) => node.opType));
    expect(theirs.$unknown).toBeUndefined();
    expect(same(toBinary(ModelProtoSchema, theirs), file)).toBe(true);
    expect(writeOnnx(structuredClone(readOnnx(file)))).toEqual(file);
  });

  it("come back as they were written", () => {
    const { graph, ...model } = exoticOnnxModel();
    const back = readOnnx(writeOnnx({ ...model, ...(graph === undefined ? {} : { graph }) }));
    expect(back.functions).toEqual(model.functions);
    expect(back.trainingInfo).toEqual(model.trainingInfo);
    expect(back.configuration).toEqual(model.configuration);
    expect(back.metadataProps).toEqual(model.metadataProps);
    expect(back.graph?.node).toEqual(graph?.node);
    expect(back.graph?.initializer).toEqual(graph?.initializer);
    // An empty list is the same as none.
    expect(back.graph?.valueInfo).toEqual(graph?.valueInfo?.map(({ metadataProps: _, ...info }) => info));
  });

  it("come back as they were written, whatever they hold", () => {
    fc.assert(
      fc.property(recordArbitrary(MODEL, 3), (record) => {
        const model: ModelProto = { ...record, irVersion: 8 };
        const file = writeOnnx(model);
        expect(readOnnx(file)).toEqual(model);
        expect(writeOnnx(structuredClone(readOnnx(file)))).toEqual(file);
      }),
      { numRuns: 40 },
    );
  });

  it("keep what a newer ONNX added while the rest is changed", () => {
    // Field 99 of the model, of its graph and of a node: a message, a varint, a float.
    const unknown = [
      Uint8Array.of(0x9a, 0x06, 0x02, 0x08, 0x01),
      Uint8Array.of(0x98, 0x06, 0x2a),
      Uint8Array.of(0x9d, 0x06, 0, 0, 0x80, 0x3f),
    ] as const;
    const node = { opType: "Relu", unknown: [unknown[2]] };
    const model = readOnnx(writeOnnx({ irVersion: 99, graph: { node: [node], unknown: [unknown[1]] }, unknown: [unknown[0]] }));
    const changed = readOnnx(writeOnnx({ ...model, producerName: "tessera", graph: { ...model.graph, name: "renamed" } }));
    expect(changed.unknown).toEqual([unknown[0]]);
    expect(changed.graph?.unknown).toEqual([unknown[1]]);
    expect(changed.graph?.node?.[0]?.unknown).toEqual([unknown[2]]);
  });

  it("are refused where the file is none", () => {
    expect(() => readOnnx(new Uint8Array())).toThrow(expect.objectContaining({ code: "TRUNCATED" }));
    expect(() => readOnnx(Uint8Array.of(0x12, 0x01, 0x61))).toThrow(expect.objectContaining({ code: "UNSUPPORTED_FORMAT" }));
    const file = writeOnnx(smallOnnxModel());
    expect(() => readOnnx(file.subarray(0, file.length - 1))).toThrow(expect.objectContaining({ code: "TRUNCATED" }));
  });
});
