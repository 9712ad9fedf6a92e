import type { Node } from "../../graph/model.ts";
import { attrInts, attrString } from "../../graph/node.ts";
import type { WindowSizes } from "./program.ts";

/** A shape of rank 4. */
export type Shape4 = readonly [number, number, number, number];

/** [N, C, H, W] of an image, or [N, C, 1, L] of a sequence; `undefined` for other ranks. */
export function spatial(shape: readonly number[]): Shape4 | undefined {
  const [n, c, a, b] = shape;
  if (shape.length === 3) return [n as number, c as number, 1, a as number];
  return shape.length === 4 ? [n as number, c as number, a as number, b as number] : undefined;
}

/** One number for each of height and width, from a list of one or two. */
function pair(values: readonly number[] | undefined, fallback: number): readonly [number, number] {
  if (values === undefined) return [fallback, fallback];
  return values.length === 1 ? [1, values[0] as number] : [values[0] as number, values[1] as number];
}

/** Sizes of a window, with the padding of `auto_pad` worked out. */
export function window(
  node: Node,
  sizes: { readonly shape: Shape4; readonly outShape: Shape4; readonly kernel: readonly [number, number] },
): WindowSizes {
  const { shape, outShape, kernel } = sizes;
  const strides = pair(attrInts(node, "strides"), 1);
  const dilations = pair(attrInts(node, "dilations"), 1);
  const given = attrInts(node, "pads");
  const auto = attrString(node, "auto_pad", "NOTSET");
  const same = (axis: 0 | 1): number => {
    const size = shape[axis + 2] as number;
    const total = Math.max(
      0,
      ((outShape[axis + 2] as number) - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - size,
    );
    return auto === "SAME_LOWER" ? Math.ceil(total / 2) : Math.floor(total / 2);
  };
  const pads: readonly [number, number] =
    auto === "SAME_UPPER" || auto === "SAME_LOWER"
      ? [same(0), same(1)]
      : given === undefined
        ? [0, 0]
        : given.length === 2
          ? [0, given[0] as number]
          : [given[0] as number, given[1] as number];
  return {
    batch: shape[0],
    channels: shape[1],
    height: shape[2],
    width: shape[3],
    outChannels: outShape[1],
    outHeight: outShape[2],
    outWidth: outShape[3],
    kernel,
    strides,
    dilations,
    pads,
  };
}
