import { mutate } from "@tessera/testkit/mutate";
import { anatomyOf, mutateFlatbuffer } from "@tessera/testkit/mutate-flatbuffer";
import { fuzzReader } from "@tessera/testkit/reader-fuzz";
import { exoticTfliteModel, smallTfliteModel } from "@tessera/testkit/tflite-records";
import { describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../base/random.ts";
import { detectFormat } from "../detect-format.ts";
import { firstDifference } from "../flatbuffer/difference.ts";
import { listUnknown } from "../flatbuffer/unknown.ts";
import { readTflite } from "./read.ts";
import { MODEL } from "./schema.ts";
import { writeTflite } from "./write.ts";

const files = [writeTflite(smallTfliteModel()), writeTflite(exoticTfliteModel())];
const anatomies = new Map(files.map((file) => [file as Uint8Array, anatomyOf(MODEL, file)]));

function damageStructure(file: Uint8Array, random: Random): Uint8Array {
  const anatomy = anatomies.get(file);
  if (anatomy === undefined) throw new Error("Only whole files can be taken apart");
  return mutateFlatbuffer(file, anatomy, random);
}

/**
 * What can be read is written and read again with the same content; what a newer schema put there and was not kept is dropped, and a file
 * without buffers gets the empty one.
 */
function roundTrip(bytes: Uint8Array): void {
  detectFormat(bytes);
  const model = { buffers: [{ offset: 0, size: 0 }], ...readTflite(bytes) };
  const kept = listUnknown(model).every((unknown) => unknown.kept);
  const again = readTflite(writeTflite(model, { dropUnknown: !kept }));
  const difference = kept ? firstDifference(again, model) : undefined;
  if (difference !== undefined) throw new Error(`other content came out at ${difference}`);
}

describe("damaged TFLite files", () => {
  it("are read and written back with the same content, or refused with a code, whatever bytes were hit", () => {
    const report = fuzzReader({ files, count: 3000, seed: 1, read: roundTrip });
    expect(report.read).toBeGreaterThan(200);
    expect(report.refused.TRUNCATED).toBeGreaterThan(300);
    expect(report.refused.MALFORMED).toBeGreaterThan(30);
    expect(report.refused.UNSUPPORTED_FORMAT).toBeGreaterThan(10);
  });

  it("are read and written back with the same content, or refused with a code, whatever holds them together was hit", () => {
    const report = fuzzReader({ files, count: 3000, seed: 2, read: roundTrip, damage: damageStructure });
    expect(report.read).toBeGreaterThan(500);
    expect(report.refused.TRUNCATED).toBeGreaterThan(300);
    expect(report.refused.MALFORMED).toBeGreaterThan(100);
  });

  it("are the same on every run", () => {
    const file = files[0] ?? new Uint8Array();
    expect(damageStructure(file, seededRandom(5))).toEqual(damageStructure(file, seededRandom(5)));
    expect(damageStructure(file, seededRandom(5))).not.toEqual(damageStructure(file, seededRandom(6)));
    expect(mutate(file, seededRandom(5)).bytes).toEqual(mutate(file, seededRandom(5)).bytes);
  });
});
