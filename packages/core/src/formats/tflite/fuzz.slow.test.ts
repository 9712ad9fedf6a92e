import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { anatomyOf, mutateFlatbuffer } from "@tessera/testkit/mutate-flatbuffer";
import { fuzzReader, type ReaderFuzzReport } from "@tessera/testkit/reader-fuzz";
import { sharedDir } from "@tessera/testkit/shared";
import { exoticTfliteModel, smallTfliteModel } from "@tessera/testkit/tflite-records";
import { describe, expect, it } from "vitest";
import type { Random } from "../../base/random.ts";
import { firstDifference } from "../flatbuffer/difference.ts";
import { listUnknown } from "../flatbuffer/unknown.ts";
import { readTflite } from "./read.ts";
import { MODEL, type TfliteModel } from "./schema.ts";
import { writeTflite } from "./write.ts";

const MAX_GROWTH_BYTES = 512e6;
const MAX_HANG_MS = 2000;

const startBytes = process.memoryUsage.rss();

/** How far resident memory has ever risen above what it was before the first file, in bytes. */
const growthBytes = (): number => process.resourceUsage().maxRSS * 1024 - startBytes;

/** A real model without its weights, so that a change hits the structure. */
function withoutWeights(model: TfliteModel): TfliteModel {
  return {
    ...model,
    buffers: (model.buffers ?? []).map(({ data, ...rest }) => ({ ...rest, ...(data && { data: data.subarray(0, 8) }) })),
  };
}

/** Two models built here, and the real ones where they are there, whole and without their weights. */
function seeds(): { readonly built: Uint8Array[]; readonly stripped: Uint8Array[]; readonly whole: Uint8Array[] } {
  const built = [writeTflite(smallTfliteModel()), writeTflite(exoticTfliteModel())];
  const shared = sharedDir();
  if (shared === undefined) return { built, stripped: built, whole: built };
  const names = readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".tflite"),
  );
  const whole = names.map((name) => new Uint8Array(readFileSync(join(shared, "models", name))));
  return { built, stripped: whole.map((file) => writeTflite(withoutWeights(readTflite(file)))), whole };
}

function roundTrip(bytes: Uint8Array): void {
  const model = { buffers: [{ offset: 0, size: 0 }], ...readTflite(bytes) };
  const kept = listUnknown(model).every((unknown) => unknown.kept);
  const again = readTflite(writeTflite(model, { dropUnknown: !kept }));
  const difference = kept ? firstDifference(again, model) : undefined;
  if (difference !== undefined) throw new Error(`other content came out at ${difference}`);
}

function refusals(report: ReaderFuzzReport): number {
  return Object.values(report.refused).reduce((sum, count) => sum + count, 0);
}

describe("damaged TFLite files, many", () => {
  const { built, stripped, whole } = seeds();
  const anatomies = new Map([...built, ...stripped].map((file) => [file, anatomyOf(MODEL, file)]));
  const damage = (file: Uint8Array, random: Random): Uint8Array => {
    const anatomy = anatomies.get(file);
    if (anatomy === undefined) throw new Error("Only whole files can be taken apart");
    return mutateFlatbuffer(file, anatomy, random);
  };

  it("200,000 of them do no harm", () => {
    const runs: ReaderFuzzReport[] = [
      fuzzReader({ files: built, count: 89_500, seed: 1000, read: roundTrip }),
      fuzzReader({ files: built, count: 90_000, seed: 200_000, read: roundTrip, damage }),
      fuzzReader({ files: stripped, count: 10_000, seed: 300_000, read: roundTrip }),
      fuzzReader({ files: stripped, count: 10_000, seed: 400_000, read: roundTrip, damage }),
      fuzzReader({ files: whole, count: 500, seed: 500_000, read: roundTrip }),
    ];
    for (const report of runs) {
      expect(report.slowestMs).toBeLessThan(MAX_HANG_MS);
      expect(report.read).toBeGreaterThan(30);
    }
    expect(runs.reduce((sum, report) => sum + report.read + refusals(report), 0)).toBe(200_000);
    expect(growthBytes()).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
