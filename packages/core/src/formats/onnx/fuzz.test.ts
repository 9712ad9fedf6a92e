import { mutate } from "@tessera/testkit/mutate";
import { mutateProtobuf } from "@tessera/testkit/mutate-protobuf";
import { exoticOnnxModel, smallOnnxModel } from "@tessera/testkit/onnx-records";
import { fuzzReader } from "@tessera/testkit/reader-fuzz";
import { describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../base/random.ts";
import { detectFormat } from "../detect-format.ts";
import { hasExternalData, resolveExternalData } from "./external-data.ts";
import { readOnnx } from "./read.ts";
import { MODEL } from "./schema.ts";
import { writeOnnx } from "./write.ts";

const files = [writeOnnx(smallOnnxModel()), writeOnnx(exoticOnnxModel())];

/** A record in which unknown fields that stood apart stand together, as they do once written. */
function joined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(joined);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [key, key === "unknown" ? Buffer.concat(field) : joined(field)]),
  );
}

function roundTrip(bytes: Uint8Array): void {
  detectFormat(bytes);
  const model = readOnnx(bytes);
  if (Buffer.compare(writeOnnx(model), bytes) !== 0) throw new Error("other bytes came out");
  for (const tensor of model.graph?.initializer ?? []) if (hasExternalData(tensor)) resolveExternalData(tensor, () => bytes);
}

const damageContent = (file: Uint8Array, random: Random): Uint8Array => mutateProtobuf(MODEL, file, random);

describe("damaged ONNX files", () => {
  it("are read and written back byte for byte, or refused with a code, whatever bytes were hit", () => {
    const report = fuzzReader({ files, count: 4000, seed: 1, read: roundTrip });
    expect(report.read).toBeGreaterThan(200);
    expect(report.refused.TRUNCATED).toBeGreaterThan(500);
    expect(report.refused.MALFORMED).toBeGreaterThan(500);
  });

  it("are read and written back byte for byte where only their content was hit", () => {
    const report = fuzzReader({ files, count: 2000, seed: 2, read: roundTrip, damage: damageContent });
    expect(report.read).toBeGreaterThan(1000);
  });

  it("say nothing else without the memory of the file", () => {
    let compared = 0;
    const read = (bytes: Uint8Array): void => {
      const model = structuredClone(readOnnx(bytes));
      expect(joined(readOnnx(writeOnnx(model)))).toEqual(joined(model));
      compared++;
    };
    fuzzReader({ files, count: 500, seed: 3, read });
    fuzzReader({ files, count: 500, seed: 3, read, damage: damageContent });
    expect(compared).toBeGreaterThan(250);
  });

  it("are the same on every run", () => {
    const file = files[0] ?? new Uint8Array();
    const mutant = (seed: number): Uint8Array => mutate(file, seededRandom(seed), { donors: files }).bytes;
    expect(mutant(5)).toEqual(mutant(5));
    expect(mutant(5)).not.toEqual(mutant(6));
    expect(damageContent(file, seededRandom(5))).toEqual(damageContent(file, seededRandom(5)));
  });
});
