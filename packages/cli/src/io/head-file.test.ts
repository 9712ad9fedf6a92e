import { isTesseraError } from "@tessera/core/base/error";
import { toNumbers } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseHeadWeights } from "./head-file.ts";

const GOOD = {
  layers: [
    {
      weight: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      bias: [7, 8, 9],
      activation: "tanh",
    },
    { weight: [[1, 0, 2]] },
  ],
};

function refusal(value: unknown): string {
  try {
    parseHeadWeights(typeof value === "string" ? value : JSON.stringify(value));
    return "none";
  } catch (error) {
    if (isTesseraError(error)) return error.code;
    throw error;
  }
}

describe("parseHeadWeights", () => {
  it("reads rows of weights, biases and activations", () => {
    const [first, second] = parseHeadWeights(JSON.stringify(GOOD));
    expect([first?.weight.shape, first?.activation]).toEqual([[3, 2], "tanh"]);
    expect([...toNumbers(first?.weight as never)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...toNumbers(first?.bias as never)]).toEqual([7, 8, 9]);
    expect([second?.bias, second?.activation]).toEqual([undefined, "none"]);
  });

  it("refuses rows of different lengths, biases that do not fit, unknown words and what float32 does not have", () => {
    const [first] = GOOD.layers;
    const layer = (change: object): unknown => ({ layers: [{ ...first, ...change }] });
    for (const bad of [
      layer({ weight: [[1, 2], [3]] }),
      layer({ bias: [1] }),
      layer({ activation: "gelu" }),
      layer({ weight: [[1e300, 1]], bias: [1] }),
      layer({ weight: [["1", 2]], bias: [1] }),
      layer({ weight: [] }),
      layer({ scale: 1 }),
      { layers: [] },
      { layers: 3 },
      { Layers: [] },
      [],
      null,
      "{",
    ])
      expect([JSON.stringify(bad), refusal(bad)]).toEqual([JSON.stringify(bad), "MALFORMED"]);
    expect(refusal({ layers: Array(17).fill(first) })).toBe("LIMIT_EXCEEDED");
  });

  it("refuses any other JSON with a code", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(["MALFORMED", "LIMIT_EXCEEDED"]).toContain(refusal(text));
      }),
      { numRuns: 300, seed: 2 },
    );
  });
});
