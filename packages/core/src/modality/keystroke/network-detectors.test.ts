import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { networkAutoAssociative, networkStandard } from "./network-detectors.ts";
import { stackRows } from "./samples.ts";

const squash = (x: number): number => 1 / (1 + Math.exp(-x));

/** One input, one hidden unit, one output, taught as the textbook says, with four numbers and no arrays. */
function textbook(
  seed: number,
  xs: readonly number[],
  how: { readonly rate: number; readonly momentum: number; readonly logistic: boolean },
) {
  const random = seededRandom(seed);
  const draw = (): number => (2 * random.next() - 1) * 0.3;
  let [w, b, v, c] = [draw(), draw(), draw(), draw()];
  let [dw, db, dv, dc] = [0, 0, 0, 0];
  const out = (x: number): number => {
    const y = v * squash(w * x + b) + c;
    return how.logistic ? squash(y) : y;
  };
  for (let epoch = 0; epoch < 500; epoch++)
    for (const x of xs) {
      const hidden = squash(w * x + b);
      const y = out(x);
      const target = how.logistic ? 1 : x;
      const outer = (y - target) * (how.logistic ? y * (1 - y) : 1);
      const inner = outer * v * hidden * (1 - hidden);
      dv = how.momentum * dv - how.rate * outer * hidden;
      dc = how.momentum * dc - how.rate * outer;
      dw = how.momentum * dw - how.rate * inner * x;
      db = how.momentum * db - how.rate * inner;
      [w, b, v, c] = [w + dw, b + db, v + dv, c + dc];
    }
  return out;
}

const XS = [0.4, 1.1, 0.7];
const samples = stackRows(XS.map((x) => [x]));

describe("back-propagation", () => {
  it.each([1, 2, 3])("teaches the standard network as the textbook does (seed %d)", (seed) => {
    const out = textbook(seed, XS, { rate: 0.001, momentum: 0, logistic: true });
    const network = networkStandard.train(samples, { seed });
    for (const x of [0, 0.5, 2]) expect(networkStandard.score(network, [x])).toBeCloseTo(1 - out(x), 12);
  });

  it.each([1, 2, 3])("teaches the auto-associative network as the textbook does (seed %d)", (seed) => {
    const out = textbook(seed, XS, { rate: 1e-4, momentum: 3e-4, logistic: false });
    const network = networkAutoAssociative.train(samples, { seed });
    for (const x of [0, 0.5, 2]) expect(networkAutoAssociative.score(network, [x])).toBeCloseTo(Math.abs(x - out(x)), 12);
  });
});
