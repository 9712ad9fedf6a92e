import { describe, expect, it } from "vitest";
import type { ReaderFuzzReport } from "../../reader-fuzz.ts";
import { fuzzRaise } from "./fuzz-raise.ts";
import { goodFiles, realFiles } from "./fuzz-seeds.ts";

const MAX_GROWTH_BYTES = 512e6;
const MAX_HANG_MS = 3000;
const startBytes = process.memoryUsage.rss();
/** How far resident memory has ever risen above what it was before the first file, in bytes. */
const growthBytes = (): number => process.resourceUsage().maxRSS * 1024 - startBytes;

describe("damaged TFLite files, raised, many", () => {
  it("200,000 of them do no harm", { timeout: 3_600_000 }, () => {
    const built = goodFiles();
    const real = realFiles();
    const small = real.length === 0 ? built : real;
    const runs: ReaderFuzzReport[] = [
      fuzzRaise(built, { count: 50_000, seed: 100_000, damage: "model" }),
      fuzzRaise(built, { count: 60_000, seed: 600_000, damage: "structure" }),
      fuzzRaise(built, { count: 80_000, seed: 200_000, damage: "bytes" }),
      fuzzRaise(small, { count: 5000, seed: 300_000, damage: "structure" }),
      fuzzRaise(small, { count: 5000, seed: 400_000, damage: "bytes" }),
    ];
    for (const report of runs) {
      expect(report.slowestMs).toBeLessThan(MAX_HANG_MS);
      expect(report.read).toBeGreaterThan(100);
    }
    const refused = (report: ReaderFuzzReport): number => Object.values(report.refused).reduce((sum, n) => sum + n, 0);
    expect(runs.reduce((sum, report) => sum + report.read + refused(report), 0)).toBe(200_000);
    expect(growthBytes()).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
