import { describe, expect, it } from "vitest";
import { CMU_KEY_CODES, keySequence, MEU_KEY_CODES, sequencesOf } from "./key-sequence.ts";
import { CMU_KEYS } from "./read-set.ts";
import type { KeystrokeSet } from "./samples.ts";
import { stackRows } from "./samples.ts";

const key = (pressSeconds: number, releaseSeconds: number, keyCode = 65) => ({ pressSeconds, releaseSeconds, keyCode });
const rounded = (values: Float32Array): readonly number[] => Array.from(values, (v) => Math.round(v * 1e5) / 1e5);

describe("a sequence of keys", () => {
  it("has five numbers a key by hand, overlaps negative, the last key without a next one, zeros behind", () => {
    const events = [key(10, 10.1, 16), key(10.05, 10.25, 84), key(10.4, 10.5, 255)];
    expect(rounded(keySequence(events, { length: 4 }))).toEqual([
      ...[0.1, -0.05, 0.05, 0.15, 0.06275],
      ...[0.2, 0.15, 0.35, 0.25, 0.32941],
      ...[0.1, 0, 0, 0, 1],
      ...[0, 0, 0, 0, 0],
    ]);
  });

  it("is ordered by press time, whatever order the releases came in, and cut at its length", () => {
    const events = [key(2, 2.1, 3), key(1, 3, 2), key(0, 0.1, 1)];
    const sequence = keySequence(events, { length: 2 });
    expect(sequence).toHaveLength(10);
    expect([sequence[4], sequence[9]].map((v) => Math.round((v as number) * 255))).toEqual([1, 2]);
    // The second key is cut off from the third in length, not in time: its latencies still reach to it.
    expect(rounded(sequence.subarray(5, 9))).toEqual([2, -1, 1, -0.9]);
  });

  it.each([
    ["no key", [], /there is none/],
    ["a key released before it is pressed", [key(1, 0.9)], /key 0 is released/],
    ["a key not held at all, which would look like padding", [key(0, 1), key(1, 1)], /key 1 is released 0 s/],
    ["a time that is none", [key(Number.NaN, 1)], /key 0 has a time that is not finite/],
    ["a code that is none", [key(0, 1, 256)], /code 256/],
  ])("refuses %s", (_, events, message) => {
    expect(() => keySequence(events, { length: 5 })).toThrow(
      expect.objectContaining({ code: "DATASET_INVALID", message: expect.stringMatching(message) }),
    );
  });
});

describe("sequences of a table", () => {
  const set: KeystrokeSet = {
    kind: "keystroke-set",
    name: "made",
    features: [
      { name: "H.a", kind: "hold" },
      { name: "DD.a.b", kind: "down-down" },
      { name: "UD.a.b", kind: "up-down" },
      { name: "H.b", kind: "hold" },
    ],
    subjects: [{ id: "x", samples: stackRows([[0.1, 0.3, 0.2, 0.15]]) }],
  };

  it("come from hold and down-down times; up-down times agree with what comes out", () => {
    const [[sequence] = []] = sequencesOf(set, { keyCodes: [65, 66], length: 2 });
    expect(rounded(sequence ?? new Float32Array())).toEqual([0.1, 0.2, 0.3, 0.35, 0.2549, 0.15, 0, 0, 0, 0.25882]);
  });

  it("add up the down-down times one by one", () => {
    const kinds = ["hold", "down-down", "hold", "down-down", "hold"] as const;
    const three = {
      ...set,
      features: kinds.map((kind, i) => ({ name: `${i}`, kind })),
      subjects: [{ id: "x", samples: stackRows([[0.1, 0.3, 0.15, 0.5, 0.2]]) }],
    };
    const [[sequence] = []] = sequencesOf(three, { keyCodes: [65, 66, 67], length: 3 });
    // Pressed at 0, 0.3 and 0.8, released at 0.1, 0.45 and 1.
    expect(rounded(sequence ?? new Float32Array()).filter((_, i) => i % 5 < 4)).toEqual([
      0.1, 0.2, 0.3, 0.35, 0.15, 0.35, 0.5, 0.55, 0.2, 0, 0, 0,
    ]);
  });

  it("refuse another number of keys than the table has", () => {
    expect(() => sequencesOf(set, { keyCodes: [65], length: 2 })).toThrow(/made has 2 hold and 1 down-down times for 1 keys/);
  });

  it("know the keys of both tables", () => {
    expect(MEU_KEY_CODES).toHaveLength(14);
    expect(CMU_KEY_CODES).toHaveLength(CMU_KEYS.length);
  });
});
