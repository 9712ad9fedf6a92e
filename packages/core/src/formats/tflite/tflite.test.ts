import { flatArbitrary } from "@tessera/testkit/flat-arbitrary";
import { exoticTfliteModel, smallTfliteModel } from "@tessera/testkit/tflite-records";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../../base/error.ts";
import { detectFormat } from "../detect-format.ts";
import { decodeRoot } from "../flatbuffer/decode.ts";
import { firstDifference } from "../flatbuffer/difference.ts";
import { encodeChunks, joinChunks } from "../flatbuffer/encode.ts";
import { listUnknown } from "../flatbuffer/unknown.ts";
import { makeOperatorCode, withBothCodes } from "./operator-code.ts";
import { readTflite } from "./read.ts";
import { MODEL, type TfliteDraft, type TfliteModel } from "./schema.ts";
import { writeTflite, writeTfliteChunks } from "./write.ts";

/** What a reader returns: codes in both fields, nothing outside, and what the writer adds to a draft. */
function settled(model: TfliteModel): TfliteModel {
  const operatorCodes = model.operatorCodes?.map(withBothCodes);
  const buffers = (model.buffers ?? [{ offset: 0, size: 0 }]).map((buffer) => ({ ...buffer, offset: 0, size: 0 }));
  const subgraphs = model.subgraphs?.map((graph) => {
    const operators = graph.operators?.map((operator) => ({ ...operator, largeCustomOptionsOffset: 0 }));
    return { ...graph, ...(operators && { operators }) };
  });
  return { ...model, buffers, ...(operatorCodes && { operatorCodes }), ...(subgraphs && { subgraphs }) };
}

/** A file as another writer would put it: nothing is completed. */
function rawFile(draft: TfliteDraft): Uint8Array {
  return joinChunks(encodeChunks(MODEL, draft, { identifier: "TFL3" }));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isTesseraError(error)) return error.code;
    throw error;
  }
  return "";
}

describe("a TFLite file", () => {
  it("is written and read back with the same content", () => {
    fc.assert(
      fc.property(flatArbitrary(MODEL).map(settled), (model) => {
        const bytes = writeTflite(model);
        expect(firstDifference(readTflite(bytes), model)).toBeUndefined();
        expect(Buffer.compare(joinChunks(writeTfliteChunks(readTflite(bytes))), bytes)).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ["small", smallTfliteModel()],
    ["exotic", exoticTfliteModel()],
  ])("is the same content with its data behind the flatbuffer: %s", (_, draft) => {
    const inside = readTflite(writeTflite(draft));
    const bytes = writeTflite(draft, { data: "outside" });
    const outside = readTflite(bytes);
    const buffers = outside.buffers?.map(({ data }) => data ?? new Uint8Array()) ?? [];
    expect(firstDifference(outside, inside)).toBeUndefined();
    expect(buffers.every((data) => data.length === 0 || data.byteOffset % 16 === 0)).toBe(true);
    expect(detectFormat(bytes)).toBe("tflite");
    expect(codeOf(() => readTflite(bytes.subarray(0, bytes.length - 1)))).toBe("TRUNCATED");
  });

  it("puts its data behind the flatbuffer by itself when it would pass 2 GiB", () => {
    // The same 64 MiB again and again: chunks share it, so nothing of that size is made.
    const data = new Uint8Array(2 ** 26);
    const draft = { buffers: [{}, ...Array.from({ length: 33 }, () => ({ data }))] };
    expect(codeOf(() => writeTfliteChunks(draft, { data: "inside" }))).toBe("TOO_LARGE");
    const chunks = writeTfliteChunks(draft);
    const flat = decodeRoot(MODEL, chunks[0] ?? new Uint8Array());
    const starts = new Map<number, Uint8Array>();
    let pos = 0;
    for (const chunk of chunks) {
      starts.set(pos, chunk);
      pos += chunk.length;
    }
    expect(pos).toBeGreaterThan(2 ** 31);
    for (const { offset, size } of flat.buffers?.slice(1) ?? []) {
      expect([Number(offset) % 16, size]).toEqual([0, data.length]);
      expect(starts.get(Number(offset))).toBe(data);
    }
    expect(flat.buffers?.length).toBe(34);
  });

  it("keeps every kind of table, and codes without a value", () => {
    const model = readTflite(writeTflite(exoticTfliteModel()));
    const [graph, second] = model.subgraphs ?? [];
    expect(graph?.tensors?.[0]?.quantization?.zeroPoint).toEqual(BigInt64Array.of(0n, -(2n ** 40n)));
    expect(graph?.tensors?.[1]?.sparsity?.dimMetadata?.[1]?.arrayIndices).toMatchObject({ kind: "Uint16Vector" });
    expect(graph?.operators?.[0]?.builtinOptions).toMatchObject({
      strideW: 2,
      strideH: 0,
      dilationWFactor: 3,
      dilationHFactor: 1,
    });
    expect(graph?.operators?.[4]?.builtinOptions).toEqual({ kind: "opaque", code: 200, hasValue: false });
    expect(second?.name).toBe("\udcff\udcfe not UTF-8");
    expect(model.externalBuffers?.[0]?.offset).toBe(2n ** 60n);
    expect(listUnknown(model)).toEqual([
      { path: "subgraphs[0].operators[4].builtinOptions", what: { kind: "opaque", code: 200, hasValue: false }, kept: true },
    ]);
  });

  it("has operator codes in both fields, whichever one an old or new file had", () => {
    const codes = [
      { deprecatedBuiltinCode: 3 },
      { builtinCode: 3 },
      { builtinCode: 150 },
      { deprecatedBuiltinCode: 127, builtinCode: 150, version: 2 },
    ];
    const both = readTflite(rawFile({ operatorCodes: codes })).operatorCodes;
    expect(both).toEqual([
      { deprecatedBuiltinCode: 3, version: 1, builtinCode: 3 },
      { deprecatedBuiltinCode: 3, version: 1, builtinCode: 3 },
      { deprecatedBuiltinCode: 127, version: 1, builtinCode: 150 },
      { deprecatedBuiltinCode: 127, version: 2, builtinCode: 150 },
    ]);
    expect(makeOperatorCode("CONV_2D", 1)).toEqual(both?.[0]);
    expect(makeOperatorCode("GELU", 2)).toEqual(both?.[3]);
  });

  it("gets version 3 and the empty first buffer where a draft has none", () => {
    const model = readTflite(writeTflite({}));
    expect(model).toEqual({ version: 3, buffers: [{ offset: 0, size: 0 }] });
  });

  it("is refused if its data lies beyond the end, or in two places", () => {
    expect(codeOf(() => readTflite(rawFile({ buffers: [{ offset: 100, size: 2 ** 40 }] })))).toBe("TRUNCATED");
    expect(codeOf(() => readTflite(rawFile({ buffers: [{ offset: 2n ** 63n, size: 2n ** 63n }] })))).toBe("TRUNCATED");
    expect(codeOf(() => readTflite(rawFile({ buffers: [{ offset: 8, size: 1, data: Uint8Array.of(1) }] })))).toBe("MALFORMED");
    const operators = [{ largeCustomOptionsOffset: 1000, largeCustomOptionsSize: 1 }];
    expect(codeOf(() => readTflite(rawFile({ subgraphs: [{ operators }] })))).toBe("TRUNCATED");
  });

  it("is refused if it is none", () => {
    expect(codeOf(() => readTflite(new Uint8Array()))).toBe("TRUNCATED");
    expect(codeOf(() => readTflite(new Uint8Array(100)))).toBe("UNSUPPORTED_FORMAT");
  });
});
