import type { LiveMessage, QualityCode } from "@tessera/core/protocol/gateway-api";
import { describe, expect, it } from "vitest";
import { type Aim, aimAfter, DWELL_MS, mostPressing, shownAfter } from "./guidance.ts";
import { GUIDANCE } from "./sentences.ts";

function note(code: string) {
  return { code: code as QualityCode, says: code };
}

function message(good: boolean): LiveMessage {
  return { kind: "quality", modality: "face", good, notes: [], quality: {}, ms: 1 };
}

describe("guidance", () => {
  it("names one thing at a time: what makes the others moot comes first", () => {
    expect(mostPressing([note("blurred"), note("face-small"), note("dark")])?.code).toBe("face-small");
    expect(mostPressing([note("dark"), note("no-face")])?.code).toBe("no-face");
    expect(mostPressing([])).toBeUndefined();
  });

  it("ranks every code that has a sentence, and lets an unknown one come last", () => {
    for (const code of Object.keys(GUIDANCE)) expect(mostPressing([note("new-code"), note(code)])?.code).toBe(code);
    expect(mostPressing([note("new-code")])?.code).toBe("new-code");
  });

  it("leaves a sentence on show long enough to be read", () => {
    const first = { text: "Come closer", sinceMs: 1000 };
    expect(shownAfter(first, "Hold still", 1000 + DWELL_MS - 1)).toBe(first);
    expect(shownAfter(first, "Hold still", 1000 + DWELL_MS)).toEqual({ text: "Hold still", sinceMs: 1000 + DWELL_MS });
    expect(shownAfter(first, "Come closer", 9e9)).toBe(first);
  });

  it("takes a picture at the second good frame in a row, and not before", () => {
    let aim: Aim = { good: 0 };
    const taken = [true, false, true, true].map((good, i) => {
      const next = aimAfter(aim, message(good), 100 * i);
      aim = next.aim;
      return next.take;
    });
    expect(taken).toEqual([false, false, false, true]);
  });

  it("leaves time between two pictures", () => {
    let aim: Aim = { good: 0 };
    const takenAt: number[] = [];
    for (let ms = 0; ms < 3000; ms += 100) {
      const next = aimAfter(aim, message(true), ms);
      aim = next.aim;
      if (next.take) takenAt.push(ms);
    }
    expect(takenAt).toEqual([100, 1000, 1900, 2800]);
  });
});
