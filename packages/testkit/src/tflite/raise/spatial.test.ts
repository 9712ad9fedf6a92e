import { fromNumbers } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { describe, it } from "vitest";
import { arbShape } from "../../op-arbitraries.ts";
import { holds, realRuntimes } from "./check.ts";
import { fed, grid, held, list, spec } from "./specs.ts";

const runtimes = realRuntimes();
const seed = fc.integer({ min: 1, max: 2 ** 30 });
const shapes = arbShape({ minRank: 1, maxRank: 4, minSize: 1, maxSize: 4 });
const image = fc.record({
  n: fc.integer({ min: 1, max: 2 }),
  h: fc.integer({ min: 1, max: 6 }),
  w: fc.integer({ min: 1, max: 6 }),
  c: fc.integer({ min: 1, max: 3 }),
  seed,
});

describe("spatial operators of TFLite, raised", () => {
  it("PAD and PADV2", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc
          .tuple(
            fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2 * shape.length, maxLength: 2 * shape.length }),
            fc.boolean(),
            seed,
          )
          .map(([pads, hasValue, from]) => {
            const value = { tensor: fromNumbers("float32", [], [1.5]), isConstant: true };
            return spec(
              hasValue ? "PADV2" : "PAD",
              [fed(shape, from), grid([shape.length, 2], pads), ...(hasValue ? [value] : [])],
              { kind: hasValue ? "PadV2Options" : "PadOptions" },
            );
          }),
      ),
    ));

  it("MIRROR_PAD with and without the border", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc
          .tuple(
            fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2 * shape.length, maxLength: 2 * shape.length }),
            fc.constantFrom(0, 1),
            seed,
          )
          .map(([pads, mode, from]) => {
            const most = (i: number): number => (shape[Math.floor(i / 2)] as number) - (mode === 0 ? 1 : 0);
            return spec(
              "MIRROR_PAD",
              [
                fed(shape, from),
                grid(
                  [shape.length, 2],
                  pads.map((n, i) => Math.min(n, most(i))),
                ),
              ],
              { kind: "MirrorPadOptions", mode },
            );
          }),
      ),
    ));

  const size = fc.integer({ min: 1, max: 9 });
  const coordinates = fc.constantFrom({}, { alignCorners: true }, { halfPixelCenters: true });

  it("RESIZE_BILINEAR, all three meanings of a position", () =>
    holds(
      runtimes,
      fc.tuple(image, size, size, coordinates).map(([at, h, w, flags]) =>
        spec("RESIZE_BILINEAR", [fed([at.n, at.h, at.w, at.c], at.seed), list([h, w])], {
          kind: "ResizeBilinearOptions",
          ...flags,
        }),
      ),
      { files: 5 },
    ));

  it("RESIZE_NEAREST_NEIGHBOR, all three meanings of a position", () =>
    holds(
      runtimes,
      fc.tuple(image, size, size, coordinates).map(([at, h, w, flags]) =>
        spec("RESIZE_NEAREST_NEIGHBOR", [fed([at.n, at.h, at.w, at.c], at.seed), list([h, w])], {
          kind: "ResizeNearestNeighborOptions",
          ...flags,
        }),
      ),
      { files: 5 },
    ));

  it("SPACE_TO_DEPTH and DEPTH_TO_SPACE", () =>
    holds(
      runtimes,
      fc.tuple(image, fc.integer({ min: 2, max: 3 }), fc.boolean()).map(([at, blockSize, isDeep]) =>
        isDeep
          ? spec("DEPTH_TO_SPACE", [fed([at.n, at.h, at.w, at.c * blockSize ** 2], at.seed)], {
              kind: "DepthToSpaceOptions",
              blockSize,
            })
          : spec("SPACE_TO_DEPTH", [fed([at.n, at.h * blockSize, at.w * blockSize, at.c], at.seed)], {
              kind: "SpaceToDepthOptions",
              blockSize,
            }),
      ),
    ));

  const blocks = fc.record({
    block: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    edges: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
  });

  it("SPACE_TO_BATCH_ND", () =>
    holds(
      runtimes,
      fc.tuple(image, blocks).map(([at, { block, edges }]) => {
        // The last pad rounds the size up to whole blocks.
        const rest = [at.h, at.w].map((own, i) => {
          const sum = own + (edges[2 * i] as number) + (edges[2 * i + 1] as number);
          return ((block[i] as number) - (sum % (block[i] as number))) % (block[i] as number);
        });
        const pads = edges.map((n, i) => (i % 2 === 1 ? n + (rest[(i - 1) / 2] as number) : n));
        return spec("SPACE_TO_BATCH_ND", [fed([at.n, at.h, at.w, at.c], at.seed), list(block), grid([2, 2], pads)], {
          kind: "SpaceToBatchNDOptions",
        });
      }),
    ));

  it("BATCH_TO_SPACE_ND", () =>
    holds(
      runtimes,
      fc.tuple(image, blocks).map(([at, { block, edges }]) => {
        const sizes = [at.h * block[0], at.w * block[1]];
        const crops = edges.map((n, i) => Math.min(n, Math.floor(((sizes[Math.floor(i / 2)] as number) - 1) / 2)));
        return spec(
          "BATCH_TO_SPACE_ND",
          [fed([at.n * block[0] * block[1], at.h, at.w, at.c], at.seed), list(block), grid([2, 2], crops)],
          { kind: "BatchToSpaceNDOptions" },
        );
      }),
    ));

  it("PRELU behind nothing keeps slopes by channel", () =>
    holds(
      runtimes,
      image.map((at) => spec("PRELU", [fed([at.n, at.h, at.w, at.c], at.seed), held([1, 1, at.c], at.seed + 1)])),
      { files: 1 },
    ));
});
