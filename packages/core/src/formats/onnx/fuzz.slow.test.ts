import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutateProtobuf } from "@tessera/testkit/mutate-protobuf";
import { exoticOnnxModel, smallOnnxModel, withoutWeights } from "@tessera/testkit/onnx-records";
import { fuzzReader, type ReaderFuzzReport } from "@tessera/testkit/reader-fuzz";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, it } from "vitest";
import type { Random } from "../../base/random.ts";
import { readOnnx } from "./read.ts";
import { MODEL } from "./schema.ts";
import { writeOnnx } from "./write.ts";

const MAX_GROWTH_BYTES = 512e6;
const MAX_HANG_MS = 2000;

const startBytes = process.memoryUsage.rss();

/** How far resident memory has ever risen above what it was before the first file, in bytes. */
const growthBytes = (): number => process.resourceUsage().maxRSS * 1024 - startBytes;

/** Two models built here, and the real ones where they are there, whole and without their weights. */
function seeds(): { readonly built: Uint8Array[]; readonly stripped: Uint8Array[]; readonly whole: Uint8Array[] } {
  const built = [writeOnnx(smallOnnxModel()), writeOnnx(exoticOnnxModel())];
  const shared = sharedDir();
  if (shared === undefined) return { built, stripped: built, whole: built };
  const names = readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".onnx"),
  );
  const whole = names.map((name) => new Uint8Array(readFileSync(join(shared, "models", name))));
  return { built, stripped: whole.map((file) => writeOnnx(withoutWeights(readOnnx(file)))), whole };
}

function roundTrip(bytes: Uint8Array): void {
  if (Buffer.compare(writeOnnx(readOnnx(bytes)), bytes) !== 0) throw new Error("other bytes came out");
}

function refusals(report: ReaderFuzzReport): number {
  return Object.values(report.refused).reduce((sum, count) => sum + count, 0);
}

const damageContent = (file: Uint8Array, random: Random): Uint8Array => mutateProtobuf(MODEL, file, random);

describe("damaged ONNX files, many", () => {
  const { built, stripped, whole } = seeds();

  it("200,000 of them do no harm", () => {
    const runs: ReaderFuzzReport[] = [
      fuzzReader({ files: built, count: 98_000, seed: 1000, read: roundTrip }),
      fuzzReader({ files: stripped, count: 50_000, seed: 200_000, read: roundTrip }),
      fuzzReader({ files: built, count: 40_000, seed: 300_000, read: roundTrip, damage: damageContent }),
      fuzzReader({ files: stripped, count: 10_000, seed: 400_000, read: roundTrip, damage: damageContent }),
      fuzzReader({ files: whole, count: 2000, seed: 500_000, read: roundTrip }),
    ];
    for (const report of runs) {
      expect(report.slowestMs).toBeLessThan(MAX_HANG_MS);
      expect(report.read).toBeGreaterThan(100);
    }
    expect(runs.reduce((sum, report) => sum + report.read + refusals(report), 0)).toBe(200_000);
    expect(growthBytes()).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
