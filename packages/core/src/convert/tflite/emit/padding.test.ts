import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PADDINGS } from "../../../formats/tflite/enums.ts";
import { makeNode } from "../../../graph/node.ts";
import { readWindow, windowPads, windowPositions } from "../../../ops/spatial.ts";
import { resolvePadding } from "./padding.ts";

const arbWindow = fc.record({
  size: fc.integer({ min: 3, max: 12 }),
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 4 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  pads: fc.tuple(fc.nat(3), fc.nat(3)),
  auto: fc.constantFrom("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
  ceil: fc.nat(1),
});

/** First input cell of each window position of TFLite: its documented SAME, or VALID over a padded input. */
function tfliteStarts(size: number, w: { stride: number; extent: number; code: number; begin: number; end: number }): number[] {
  const padded = size + w.begin + w.end;
  const isSame = w.code === PADDINGS.SAME;
  const positions = isSame ? Math.ceil(padded / w.stride) : Math.floor((padded - w.extent) / w.stride) + 1;
  const front = isSame ? Math.floor(Math.max(0, (positions - 1) * w.stride + w.extent - padded) / 2) : 0;
  return Array.from({ length: positions }, (_, i) => i * w.stride - front - w.begin);
}

describe("padding in the words of TFLite", () => {
  test("puts every window where ONNX puts it", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(arbWindow, ({ size, kernel, stride, dilation, pads, auto, ceil }) => {
        const extent = (kernel - 1) * dilation + 1;
        const node = makeNode(
          "MaxPool",
          { inputs: ["x"], outputs: ["y"] },
          {
            attributes: {
              strides: [stride],
              dilations: [dilation],
              ceil_mode: ceil,
              ...(auto === "NOTSET" ? { pads } : { auto_pad: auto }),
            },
          },
        );
        const window = readWindow(node, [kernel]);
        const positions = windowPositions(window, size, 0) as number;
        if (positions < 1) return;
        const [front] = windowPads(window, size, 0);
        const want = Array.from({ length: positions }, (_, i) => i * stride - front);
        for (const explicit of [false, true]) {
          const { code, pad } = resolvePadding(window, [size], { explicit });
          const [begin, end] = pad?.[0] ?? [0, 0];
          expect(tfliteStarts(size, { stride, extent, code, begin, end })).toEqual(want);
          if (explicit) expect(code).toBe(PADDINGS.VALID);
          seen.add(pad !== undefined ? "pad" : code === PADDINGS.SAME ? "same" : "valid");
        }
      }),
      { numRuns: 600, seed: 6 },
    );
    expect([...seen].sort()).toEqual(["pad", "same", "valid"]);
  });

  test("pads a stride of 2 over an even size in front only, for the last cell behind is never read", () => {
    const node = makeNode(
      "Conv",
      { inputs: ["x", "w"], outputs: ["y"] },
      { attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } },
    );
    const { code, pad } = resolvePadding(readWindow(node, [3, 3]), [112, 112]);
    expect(code).toBe(PADDINGS.VALID);
    expect(pad).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });
});
