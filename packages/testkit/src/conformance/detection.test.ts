import { seededRandom } from "@tessera/core/base/random";
import { float } from "@tessera/core/graph/node";
import { f32, i64 } from "@tessera/core/graph/tensor";
import { DETECTION } from "@tessera/core/ops/detection";
import fc from "fast-check";
import { seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

function suppressionCase(): fc.Arbitrary<OpCase> {
  return fc
    .record({
      batch: fc.integer({ min: 1, max: 2 }),
      classes: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 12 }),
      most: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
      iou: fc.option(fc.constantFrom(0, 0.3, 0.5, 0.9), { nil: undefined }),
      least: fc.option(fc.constantFrom(0.1, 0.5), { nil: undefined }),
      centre: fc.nat({ max: 1 }),
      seed: fc.nat(),
    })
    .map(({ batch, classes, count, most, iou, least, centre, seed }) => {
      const random = seededRandom(seed);
      // Boxes on a coarse grid overlap often; the corners come in either order.
      const boxes = Array.from({ length: batch * count }, () => {
        const [y, x, h, w] = [random.int(8), random.int(8), 1 + random.int(6), 1 + random.int(6)];
        if (centre === 1) return [x + w / 2, y + h / 2, w, h];
        return random.int(2) === 0 ? [y, x, y + h, x + w] : [y + h, x + w, y, x];
      }).flat();
      const scalar = (v: number | undefined) => (v === undefined ? undefined : f32([1], [v]));
      return {
        op: "NonMaxSuppression",
        inputs: [
          f32([batch, count, 4], boxes),
          seededTensor("float32", [batch, classes, count], { seed, min: 0, max: 1 }),
          most === undefined ? (iou === undefined && least === undefined ? undefined : i64([1], [3])) : i64([1], [most]),
          scalar(iou),
          scalar(least),
        ],
        constant: [2, 3, 4],
        attributes: { center_point_box: centre },
      };
    });
}

function alignCase(): fc.Arbitrary<OpCase> {
  return fc
    .record({
      size: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 2, maxLength: 2 }),
      channels: fc.integer({ min: 1, max: 3 }),
      count: fc.integer({ min: 1, max: 4 }),
      height: fc.integer({ min: 1, max: 4 }),
      width: fc.integer({ min: 1, max: 4 }),
      ratio: fc.integer({ min: 0, max: 3 }),
      mode: fc.constantFrom("half_pixel", "output_half_pixel"),
      scale: fc.constantFrom(0.5, 1),
      seed: fc.nat(),
    })
    .map((c) => {
      const random = seededRandom(c.seed);
      const rois = Array.from({ length: c.count }, () => {
        const [x, y] = [random.next() * 8 - 2, random.next() * 8 - 2];
        return [x, y, x + 0.3 + random.next() * 8, y + 0.3 + random.next() * 8];
      }).flat();
      return {
        op: "RoiAlign",
        inputs: [
          seededTensor("float32", [2, c.channels, ...c.size], { seed: c.seed }),
          f32([c.count, 4], rois),
          i64(
            [c.count],
            Array.from({ length: c.count }, () => random.int(2)),
          ),
        ],
        attributes: {
          output_height: c.height,
          output_width: c.width,
          sampling_ratio: c.ratio,
          coordinate_transformation_mode: c.mode,
          spatial_scale: float(c.scale),
        },
      };
    });
}

opConformance("detection operators", {
  family: DETECTION,
  rows: {
    NonMaxSuppression: { cases: suppressionCase(), runs: 150 },
    // Averages only: onnxruntime's maximum is taken over weighted corners, not over sampled values as the specification says.
    RoiAlign: { cases: alignCase(), tolerance: { relative: 1e-4, absolute: 1e-4 }, runs: 100 },
  },
  apart: { MaxRoiPool: "there is no kernel" },
});
