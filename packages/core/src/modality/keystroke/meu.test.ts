import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, it } from "vitest";
import { parseCsv } from "../../biometrics/csv.ts";
import { DETECTOR_IDS, DETECTORS } from "./detectors.ts";
import { MEU_KEY_CODES, sequencesOf } from "./key-sequence.ts";
import { evaluateDetector } from "./protocol.ts";
import { readMeuSet } from "./read-set.ts";
import { selectFeatures, TIMING_KINDS } from "./samples.ts";

const shared = sharedDir();
const text = (path: string): string => readFileSync(join(shared ?? "", "data", path), "utf8");

describe.skipIf(shared === undefined)("real data (needs ../shared)", () => {
  it("has the published figures of all fourteen detectors as the paper has them", () => {
    const { rows } = parseCsv(text("published/killourhy_maxion_2009_table2.csv"));
    const published = new Map(rows.map(([title, ...figures]) => [title, figures.map(Number)]));
    expect(published.size).toBe(DETECTOR_IDS.length);
    for (const id of DETECTOR_IDS) {
      const { title, published: ours } = DETECTORS[id];
      expect([title, [...ours.eer, ...ours.zeroMissFalseAlarm]]).toEqual([title, published.get(title)]);
    }
  });

  it("reads MEU-Mobile: 28 people, 51 repetitions, 40 times of 71 features, down-down = hold + up-down", () => {
    const whole = readMeuSet(text("keystroke-meu/meu-mobile-ksd.csv"), { manifest: text("keystroke-meu/manifest.csv") });
    expect(whole.subjects.map((s) => s.samples.rows)).toEqual(Array(28).fill(51));
    expect(whole.features).toHaveLength(71);
    const set = selectFeatures(whole, TIMING_KINDS);
    expect(set.features).toHaveLength(40);
    for (const { samples } of set.subjects)
      for (let row = 0; row < samples.rows; row++)
        for (let key = 0; key < 13; key++) {
          const at = (column: number): number => samples.data[row * samples.cols + column] as number;
          // Milliseconds: what is left is the rounding of a double.
          expect(Math.abs(at(14 + key) - at(key) - at(27 + key))).toBeLessThan(1e-9);
        }
    expect(sequencesOf(set, { keyCodes: MEU_KEY_CODES, length: 50 }).flat()).toHaveLength(28 * 51);
  });

  it("ranks the detectors on MEU-Mobile as measured: scaling by spread pays, plain distances come last", () => {
    const set = selectFeatures(readMeuSet(text("keystroke-meu/meu-mobile-ksd.csv")), TIMING_KINDS);
    const eer = (id: (typeof DETECTOR_IDS)[number]): number => evaluateDetector(set, id).eer.mean;
    // Recorded, not published: a change of a detector or of the protocol shows here first.
    expect(eer("manhattan-scaled")).toBeCloseTo(0.157, 3);
    expect(eer("outlier-count")).toBeCloseTo(0.1546, 3);
    expect(eer("manhattan")).toBeCloseTo(0.2303, 3);
    expect(eer("euclidean")).toBeCloseTo(0.2629, 3);
  });
});
