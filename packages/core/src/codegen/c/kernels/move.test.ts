import { type CheckedCase, channelsLast, int8Data, joined, useKernels } from "@tessera/testkit/kernel-cases";
import { type CaseCode, sanitizingCompiler } from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { describe, test } from "vitest";
import { runResize } from "../../../interp/integer/pool.ts";

const compiler = sanitizingCompiler();

const CASES = {
  resize: {
    kernels: ["ts_resize_bilinear"],
    code: `
      const int h = number(), w = number(), c = number(), oh = number(), ow = number(), align = number(), half = number();
      const int8_t *x = odd();
      int8_t *y = room((size_t)(oh * ow * c));
      ts_resize_bilinear(x, h, w, c, oh, ow, align, half, y);
      give(y, (size_t)(oh * ow * c));`,
  },
  copy: {
    kernels: ["ts_copy"],
    code: `
      const int count = number(), x_step = number(), y_step = number(), bytes = number();
      const int8_t *x = odd();
      int8_t *y = odd();
      ts_copy(x, x_step, y, y_step, count, bytes);
      give(y, (size_t)(((count - 1) * y_step + 1) * bytes));`,
  },
  gather: {
    kernels: ["ts_gather"],
    code: `
      const int outer = number(), depth = number(), run = number(), count = number();
      const int8_t *x = odd();
      const uint16_t *indices = array();
      int8_t *y = room((size_t)(outer * count * run));
      ts_gather(x, outer, depth, run, indices, count, y);
      give(y, (size_t)(outer * count * run));`,
  },
} as const satisfies Record<string, CaseCode>;

const named = { node: "n", inputs: ["a", "b"], output: "y" } as const;

const resizeCase: fc.Arbitrary<CheckedCase> = fc
  .record({
    size: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })),
    to: fc.tuple(fc.integer({ min: 1, max: 17 }), fc.integer({ min: 1, max: 17 })),
    channels: fc.integer({ min: 1, max: 3 }),
    mode: fc.constantFrom("align", "half", "plain"),
  })
  .chain((of) => int8Data(of.channels * of.size[0] * of.size[1]).map((data) => ({ ...of, data })))
  .map(({ size: [height, width], to: [outHeight, outWidth], channels, data, mode }) => {
    const of = { alignCorners: mode === "align", halfPixel: mode === "half" };
    const planes = new Int8Array(channels * outHeight * outWidth);
    const step = {
      kind: "resizeBilinear",
      ...named,
      fine: false,
      planes: channels,
      height,
      width,
      outHeight,
      outWidth,
      ...of,
    } as const;
    runResize(step, data, planes);
    const numbers = [height, width, channels, outHeight, outWidth, of.alignCorners ? 1 : 0, of.halfPixel ? 1 : 0];
    return [["resize", ...numbers, channelsLast(data, channels)], joined(channelsLast(planes, channels))];
  });

const moveCase: fc.Arbitrary<CheckedCase> = fc.oneof(
  fc
    .record({
      count: fc.integer({ min: 1, max: 9 }),
      from: fc.integer({ min: 0, max: 4 }),
      to: fc.integer({ min: 1, max: 4 }),
      size: fc.constantFrom(1, 2, 4),
    })
    .chain((of) =>
      fc
        .tuple(int8Data(((of.count - 1) * of.from + 1) * of.size), int8Data(((of.count - 1) * of.to + 1) * of.size))
        .map(([x, y]) => ({ ...of, x, y })),
    )
    .map(({ count, from, to, size, x, y }): CheckedCase => {
      const wanted = y.slice();
      for (let i = 0; i < count; i++) wanted.set(x.subarray(i * from * size, (i * from + 1) * size), i * to * size);
      return [["copy", count, from, to, size, x, y], joined(wanted)];
    }),
  fc
    .record({
      outer: fc.integer({ min: 1, max: 3 }),
      depth: fc.integer({ min: 1, max: 5 }),
      run: fc.integer({ min: 1, max: 6 }),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 7 }),
    })
    .chain((of) => int8Data(of.outer * of.depth * of.run).map((x) => ({ ...of, x })))
    .map(({ outer, depth, run, picks, x }): CheckedCase => {
      const indices = Uint16Array.from(picks, (pick) => pick % depth);
      const runs = Array.from({ length: outer }, (_, o) =>
        Array.from(indices, (i) => x.subarray((o * depth + i) * run, (o * depth + i + 1) * run)),
      ).flat();
      return [["gather", outer, depth, run, indices.length, x, indices], joined(...runs)];
    }),
);

describe.skipIf(compiler === undefined)("kernels that move", () => {
  const holds = useKernels(compiler, CASES, "double");
  test("bilinear resizing equals the integer interpreter", () => holds(resizeCase, 5));
  test("copies and gathers move what they should and nothing beside", () => holds(moveCase, 5));
});
