import fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { makeNode } from "../../graph/node.ts";
import { countOf, f32, type Tensor, toNumbers } from "../../graph/tensor.ts";
import type { KernelContext } from "../kernel.ts";
import { RECURRENT_KERNELS } from "./recurrent.ts";

function random(shape: readonly number[], seed: number): Tensor {
  const { next } = seededRandom(seed);
  return f32(
    shape,
    Array.from({ length: countOf(shape) }, () => next() - 0.5),
  );
}

/** The same elements with axes 0 and 1 exchanged. */
function swapped(t: Tensor): Tensor {
  const [a, b] = t.shape as [number, number];
  const inner = countOf(t.shape.slice(2));
  const data = toNumbers(t);
  const out = new Float32Array(data.length);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) out.set(data.subarray((i * b + j) * inner, (i * b + j + 1) * inner), (j * a + i) * inner);
  return f32([b, a, ...t.shape.slice(2)], out);
}

/** Y of layout 0, [seq, dirs, batch, hidden], as layout 1 has it, [batch, seq, dirs, hidden]. */
function batchFirst(y: Tensor): Tensor {
  const [seq, dirs, batch, hidden] = y.shape as [number, number, number, number];
  const data = toNumbers(y);
  const out: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < seq; t++)
      for (let d = 0; d < dirs; d++)
        for (let h = 0; h < hidden; h++) out.push(data[((t * dirs + d) * batch + b) * hidden + h] as number);
  }
  return f32([batch, seq, dirs, hidden], out);
}

// onnxruntime has no layout 1, so it is held against layout 0 here.
test("layout 1 is layout 0 with batch and sequence exchanged", () => {
  const op = fc.constantFrom("GRU", "LSTM", "RNN");
  const size = fc.integer({ min: 1, max: 4 });
  fc.assert(
    fc.property(op, fc.tuple(size, size, size, size), fc.boolean(), fc.nat(), (name, [seq, batch, width, hidden], both, seed) => {
      const gates = { GRU: 3, LSTM: 4, RNN: 1 }[name];
      const dirs = both ? 2 : 1;
      const x = random([seq, batch, width], seed);
      const w = random([dirs, gates * hidden, width], seed + 1);
      const r = random([dirs, gates * hidden, hidden], seed + 2);
      const h = random([dirs, batch, hidden], seed + 3);
      const run = (layout: number, inputs: readonly (Tensor | undefined)[]): readonly (Tensor | undefined)[] => {
        const attributes = { layout, direction: both ? "bidirectional" : "forward", hidden_size: hidden };
        const node = makeNode(name, { inputs: ["x"], outputs: ["y", "h"] }, { attributes });
        const context: KernelContext = { node, outputCount: 2, runGraph: () => [] };
        return RECURRENT_KERNELS[name](inputs, context);
      };
      const plain = run(0, [x, w, r, undefined, undefined, h]);
      const turned = run(1, [swapped(x), w, r, undefined, undefined, swapped(h)]);
      expect(turned[0]).toEqual(batchFirst(plain[0] as Tensor));
      expect(turned[1]).toEqual(swapped(plain[1] as Tensor));
    }),
    { seed: 11, numRuns: 60 },
  );
});
