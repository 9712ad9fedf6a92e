import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import type { Model } from "../graph/model.ts";
import { float, makeNode } from "../graph/node.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { verifyModel } from "../graph/verify.ts";
import { interpret } from "../interp/run.ts";
import { LITERT } from "../targets/litert.ts";
import { ORT_X64 } from "../targets/ort.ts";
import { placeIntegers } from "./placement.ts";
import { prepareForIntegers } from "./prepare.ts";
import { spellBatchNorm } from "./spell-norm.ts";

const random = seededRandom(5);
const noise = (shape: readonly number[], offset = 0): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => offset + random.normal()),
  );

function normalised(shape: readonly number[], attributes = {}): Model {
  const inputs = ["x", "g", "b", "m", "v"];
  const channels = shape[1] as number;
  return smallModel({
    x: shape,
    nodes: [makeNode("BatchNormalization", { inputs, outputs: ["y"] }, { name: "bn", attributes })],
    constants: Object.fromEntries(
      new Map([
        ["g", noise([channels])],
        ["b", noise([channels])],
        ["m", noise([channels])],
        [
          "v",
          f32(
            [channels],
            Array.from(toNumbers(noise([channels])), (z) => z * z),
          ),
        ],
      ]),
    ),
  });
}

describe("a BatchNormalization that stands by itself", () => {
  test("is a convolution by channel, and computes the same", () => {
    for (const attributes of [{}, { epsilon: float(0.25) }]) {
      const model = normalised([2, 3, 4, 5], attributes);
      const spelled = spellBatchNorm(model);
      verifyModel(spelled);
      expect(spelled.graph.nodes.map((n) => [n.op, n.name, n.outputs])).toEqual([["Conv", "bn", ["y"]]]);
      const feeds = new Map([["x", noise([2, 3, 4, 5])]]);
      const before = toNumbers(interpret(model.graph, feeds).get("y") as Tensor);
      const after = toNumbers(interpret(spelled.graph, feeds).get("y") as Tensor);
      before.forEach((value, i) => {
        expect(Math.abs(value - (after[i] as number))).toBeLessThan(1e-5 * (1 + Math.abs(value)));
      });
    }
  });

  test("stays as it is where it has no picture or is trained", () => {
    for (const model of [normalised([2, 3]), normalised([2, 3, 4]), normalised([2, 3, 4, 5], { training_mode: 1 })])
      expect(spellBatchNorm(model)).toBe(model);
  });

  test("is integer for targets that say so, and untouched for the others", () => {
    const model = normalised([2, 3, 4, 5]);
    const ready = prepareForIntegers(model, LITERT);
    expect(placeIntegers(ready, LITERT).choices.get("bn")?.precision).toBe("int8");
    expect(prepareForIntegers(model, ORT_X64)).toBe(model);
  });
});
