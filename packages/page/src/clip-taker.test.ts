import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ClipState, clipTaker } from "./clip-taker.ts";

const RATE = 1000;
const OPTIONS = { clipSeconds: 1, leadSeconds: 0.2, patienceSeconds: 2 };

/** A block that counts its samples from `from`, loud enough for speech, so that a test sees which samples were kept. */
function counting(from: number, length: number, step = 1e-4): Float32Array {
  return Float32Array.from({ length }, (_, i) => 0.5 + step * (from + i));
}

function run(blocks: readonly Float32Array[]): readonly ClipState[] {
  const taker = clipTaker(RATE, OPTIONS);
  return blocks.map((block) => taker.add(block));
}

describe("clipTaker()", () => {
  it("waits in silence, and says after a while that nothing is heard", () => {
    const states = run(Array.from({ length: 25 }, () => new Float32Array(100)));
    expect(states[0]).toEqual({ kind: "waiting" });
    expect(states[18]).toEqual({ kind: "waiting" });
    expect(states[19]).toEqual({ kind: "waiting", note: "silent" });
    expect(states[24]).toEqual({ kind: "waiting", note: "silent" });
  });

  it("keeps the last moments before speech began, in their order", () => {
    const quiet = Float32Array.from({ length: 500 }, (_, i) => 1e-6 * i);
    const states = run([quiet, ...Array.from({ length: 8 }, (_, i) => counting(100 * i, 100))]);
    const last = states.at(-1);
    if (last?.kind !== "taken") throw new Error(`Expected a clip, got ${last?.kind}`);
    expect([...last.samples.subarray(0, 200)]).toEqual([...quiet.subarray(300)]);
    expect([...last.samples.subarray(200)]).toEqual([...counting(0, 800)]);
  });

  it("grows from waiting to a full clip of just the wanted length, whatever the size of the blocks", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 40, maxLength: 60 }), (sizes) => {
        const taker = clipTaker(RATE, OPTIONS);
        let share = 0;
        let given = 0;
        for (const size of sizes) {
          const state = taker.add(counting(given, size, 1e-6));
          given += size;
          if (state.kind === "taken") {
            expect([...state.samples]).toEqual([...counting(0, 1000, 1e-6)]);
            return given >= 1000;
          }
          expect(state.kind).toBe("hearing");
          const now = state.kind === "hearing" ? state.share : 0;
          expect(now).toBeGreaterThan(share);
          share = now;
        }
        return given < 1000;
      }),
    );
  });

  it("tells of a clip that is too loud", () => {
    const loud = new Float32Array(1000).fill(1);
    expect(run([loud])[0]).toMatchObject({ kind: "taken", note: "clipped" });
  });
});
