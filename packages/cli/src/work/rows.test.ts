import { tensorType, type ValueInfo } from "@tessera/core/graph/model";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { countOf, f32, type Tensor, view } from "@tessera/core/graph/tensor";
import { describe, expect, test } from "vitest";
import { commonBatch, inRuns } from "./rows.ts";

/** A session of a fixed batch that adds 1 to everything and counts its runs. */
function adder(batch: number | string, width = 3): Session & { readonly runs: number[] } {
  const value = (name: string): ValueInfo => ({ name, type: tensorType("float32", [batch, width]) });
  const runs: number[] = [];
  return {
    runs,
    inputs: [value("x")],
    outputs: [value("y")],
    run: async (feeds) => {
      const x = feeds.get("x") as Tensor;
      runs.push(x.shape[0] as number);
      return new Map([
        [
          "y",
          f32(
            x.shape,
            view(x, "float32").map((v) => v + 1),
          ),
        ],
      ]);
    },
    time: async () => ({ wallMs: [], cpuMs: 0 }),
    close: async () => {},
  };
}

const counted = (shape: readonly number[]): Feeds =>
  new Map([
    [
      "x",
      f32(
        shape,
        Array.from({ length: countOf(shape) }, (_, i) => i),
      ),
    ],
  ]);

describe("sessions of different fixed batches", () => {
  test("meet at the least batch that both divide", () => {
    expect(commonBatch(adder(2), adder(3))).toBe(6);
    expect(commonBatch(adder(4), adder(6))).toBe(12);
    expect(commonBatch(adder(2), adder(1))).toBe(2);
    expect(commonBatch(adder(2), adder(2))).toBeUndefined();
    expect(commonBatch(adder("N"), adder(2))).toBeUndefined();
  });

  test("make as many runs as it takes, and give their rows in order", async () => {
    const own = adder(2);
    const six = inRuns(own, 6);
    expect(six.inputs[0]?.type).toEqual(tensorType("float32", [6, 3]));
    const y = (await six.run(counted([6, 3]))).get("y");
    expect(own.runs).toEqual([2, 2, 2]);
    expect(y).toEqual(
      f32(
        [6, 3],
        Array.from({ length: 18 }, (_, i) => i + 1),
      ),
    );
    expect(inRuns(own, 2)).toBe(own);
  });
});
