import { describe, expect, it } from "vitest";
import { fuzzRaise } from "./fuzz-raise.ts";
import { goodFiles } from "./fuzz-seeds.ts";

describe("damaged TFLite files, raised", () => {
  const files = goodFiles();

  it("give a sound model or an error with a code, whatever they say", () => {
    const report = fuzzRaise(files, { count: 400, seed: 50_000, damage: "model" });
    expect(report.read).toBeGreaterThan(50);
    expect(report.refused.SHAPE_MISMATCH).toBeGreaterThan(0);
    expect(report.refused.DTYPE_MISMATCH).toBeGreaterThan(0);
  });

  it("give a sound model or an error with a code, whatever holds them together was hit", () => {
    const report = fuzzRaise(files, { count: 800, seed: 1, damage: "structure" });
    expect(report.read).toBeGreaterThan(50);
    expect(report.refused.UNSUPPORTED_OP).toBeGreaterThan(20);
    expect(report.refused.GRAPH_INVALID).toBeGreaterThan(5);
  });

  it("give a sound model or an error with a code, whatever bytes were hit", () => {
    const report = fuzzRaise(files, { count: 1500, seed: 10_000, damage: "bytes" });
    expect(report.read).toBeGreaterThan(30);
  });
});
