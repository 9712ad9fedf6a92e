import { decodeRoot } from "@tessera/core/formats/flatbuffer/decode";
import { firstDifference } from "@tessera/core/formats/flatbuffer/difference";
import { encodeChunks, joinChunks } from "@tessera/core/formats/flatbuffer/encode";
import { MODEL } from "@tessera/core/formats/tflite/schema";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flatArbitrary } from "../flat-arbitrary.ts";
import { buildWithOracle, readWithOracle } from "./flatbuffers-oracle.ts";

/** The package cannot hold texts that are not UTF-8, or what its schema does not know. */
const models = flatArbitrary(MODEL, { foreign: false });

/** The same record with every vector as its bytes. */
function asBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asBytes);
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, asBytes(field)]));
}

describe("our flatbuffers and those of the flatbuffers package", () => {
  it("what the package builds, we read", () => {
    fc.assert(
      fc.property(models, (model) => {
        const file = buildWithOracle(MODEL, model, "TFL3");
        expect(firstDifference(decodeRoot(MODEL, file, { identifier: "TFL3" }), model)).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it("what we write, the package reads, everything aligned", () => {
    fc.assert(
      fc.property(models, (model) => {
        const file = joinChunks(encodeChunks(MODEL, model, { identifier: "TFL3" }));
        expect(firstDifference(readWithOracle(MODEL, file), asBytes(model))).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });
});
