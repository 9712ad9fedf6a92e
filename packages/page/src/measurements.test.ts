import type { Decision } from "@tessera/core/protocol/gateway-api";
import { describe, expect, it } from "vitest";
import { qualityFigures, qualityTables, scoreRows, stageBars } from "./measurements.ts";

const DECISION: Decision = { decision: "accept", reasons: [], modalities: [], stages: [], totalMs: 1 };

describe("stageBars()", () => {
  it("lays face and voice side by side, and what belongs to neither before or after them", () => {
    const bars = stageBars([
      { stage: "queue", ms: 10 },
      { stage: "decode", modality: "face", ms: 20 },
      { stage: "embed", modality: "face", ms: 60 },
      { stage: "vad", modality: "voice", ms: 30 },
      { stage: "compare", ms: 10 },
    ]);
    expect(bars.map(({ lane, start, share }) => [lane, start, share])).toEqual([
      ["shared", 0, 0.1],
      ["face", 0.1, 0.2],
      ["face", 0.3, 0.6],
      ["voice", 0.1, 0.3],
      ["shared", 0.9, 0.1],
    ]);
  });

  it("has no bars without stages, and none that is wider than nothing when nothing took time", () => {
    expect(stageBars([])).toEqual([]);
    expect(stageBars([{ stage: "queue", ms: 0 }])[0]).toMatchObject({ start: 0, share: 0 });
  });
});

describe("scoreRows()", () => {
  it("places scores and thresholds on their scales", () => {
    const rows = scoreRows({
      ...DECISION,
      modalities: [{ modality: "face", outcome: "match", notes: [], quality: {}, score: 0.5, threshold: 0, liveness: 0.9 }],
      fusedScore: 99,
    });
    expect(rows).toEqual([
      { what: "Face: comparison", score: 0.5, threshold: 0, at: 0.75, thresholdAt: 0.5 },
      { what: "Face: P(real)", score: 0.9, at: 0.9 },
      { what: "Fused, log-likelihood ratio", score: 99, at: 1 },
    ]);
  });

  it("has no rows for a caller who is told no scores", () => {
    expect(scoreRows({ ...DECISION, modalities: [{ modality: "face", outcome: "match", notes: [], quality: {} }] })).toEqual([]);
  });
});

describe("figures of quality", () => {
  it("come with their units, in a fixed order, whatever the order of the answer; the box is no figure", () => {
    const quality = { clippedShare: 0.004, box: [1, 2, 3, 4], yawDegrees: -12.4, faceShare: 0.42, levelDb: -21.3 } as const;
    expect(qualityFigures({ quality })).toEqual([
      ["Share of the frame", "42 %"],
      ["Turned", "\u221212°"],
      ["Level", "\u221221 dBFS"],
      ["At full scale", "0.40 %"],
    ]);
  });

  it("make a table for each modality, with a column for each capture", () => {
    const face = { modality: "face", outcome: "match", notes: [] } as const;
    const tables = qualityTables([
      { ...face, quality: { sharpness: 100 } },
      { ...face, quality: { sharpness: 200, brightness: 90 } },
    ]);
    expect(tables).toEqual([
      {
        modality: "face",
        count: 2,
        rows: [
          ["Sharpness", "100", "200"],
          ["Brightness, 0 to 255", "", "90"],
        ],
      },
    ]);
  });
});
