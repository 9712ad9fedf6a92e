import { fail } from "../base/error.ts";
import { type Dim, dimAdd, dimFloorDiv, UNKNOWN_DIM } from "../graph/dim.ts";
import type { Node } from "../graph/model.ts";
import { attrInt, attrInts, attrString } from "../graph/node.ts";

/** A window that slides over the spatial axes of a tensor, as Conv and the pools describe it in their attributes. */
export interface Window {
  readonly autoPad: "NOTSET" | "VALID" | "SAME_UPPER" | "SAME_LOWER";
  /** Window sizes, one for each spatial axis. */
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** All begins, then all ends; zeros unless autoPad is NOTSET. */
  readonly pads: readonly number[];
  /** Round the number of positions up instead of down. */
  readonly ceil: boolean;
}

const AUTO_PADS = ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"] as const;

function sized(node: Node, name: string, length: number, fallback: number, least: number): readonly number[] {
  const list = attrInts(node, name) ?? new Array<number>(length).fill(fallback);
  if (list.length !== length || list.some((v) => v < least)) {
    throw fail(
      "ATTRIBUTE_INVALID",
      `Cannot use ${name} [${list}] of ${node.op}: expected ${length} values of at least ${least}`,
      {
        at: { node: node.name },
      },
    );
  }
  return list;
}

/** Reads strides, dilations, pads, auto_pad and ceil_mode of a node whose window has the given sizes. @throws ATTRIBUTE_INVALID */
export function readWindow(node: Node, kernel: readonly Dim[]): Window {
  const rank = kernel.length;
  const word = attrString(node, "auto_pad", "NOTSET");
  const autoPad = AUTO_PADS.find((name) => name === (word === "" ? "NOTSET" : word));
  if (autoPad === undefined) {
    throw fail("ATTRIBUTE_INVALID", `Cannot use auto_pad "${word}" of ${node.op}: expected ${AUTO_PADS.join(", ")}`, {
      at: { node: node.name },
    });
  }
  return {
    autoPad,
    kernel,
    strides: sized(node, "strides", rank, 1, 1),
    dilations: sized(node, "dilations", rank, 1, 1),
    // Negative pads crop; the specification does not forbid them and exporters do not write them.
    pads: autoPad === "NOTSET" ? sized(node, "pads", 2 * rank, 0, 0) : new Array<number>(2 * rank).fill(0),
    ceil: attrInt(node, "ceil_mode", 0) !== 0,
  };
}

/** Cells between the first and last element of a dilated window, both included. */
export function windowExtent(window: Window, axis: number): Dim {
  const size = window.kernel[axis] ?? UNKNOWN_DIM;
  if (typeof size !== "number") return UNKNOWN_DIM;
  return (size - 1) * (window.dilations[axis] ?? 1) + 1;
}

/** Padding in front of and behind spatial axis `axis` of size `size`. */
export function windowPads(window: Window, size: number, axis: number): readonly [number, number] {
  const rank = window.kernel.length;
  if (window.autoPad === "NOTSET") return [window.pads[axis] ?? 0, window.pads[axis + rank] ?? 0];
  if (window.autoPad === "VALID") return [0, 0];
  const stride = window.strides[axis] ?? 1;
  const positions = Math.ceil(size / stride);
  const total = Math.max(0, (positions - 1) * stride + Number(windowExtent(window, axis)) - size);
  const less = Math.floor(total / 2);
  return window.autoPad === "SAME_UPPER" ? [less, total - less] : [total - less, less];
}

/**
 * Positions of the window along spatial axis `axis` of size `size`: floor((size + pads - extent) / stride) + 1, or with ceil in place of floor, where
 * windows that would begin in the end padding do not count; ceil(size / stride) for SAME. "?" where it cannot be told; below 1 never.
 */
export function windowPositions(window: Window, size: Dim, axis: number): Dim {
  const stride = window.strides[axis] ?? 1;
  const extent = windowExtent(window, axis);
  if (window.autoPad === "SAME_UPPER" || window.autoPad === "SAME_LOWER") return dimFloorDiv(dimAdd(size, stride - 1), stride);
  if (typeof extent !== "number") return UNKNOWN_DIM;
  const begin = window.pads[axis] ?? 0;
  const end = window.pads[axis + window.kernel.length] ?? 0;
  const free = dimAdd(size, begin + end - extent);
  if (!window.ceil || window.autoPad === "VALID") return dimAdd(dimFloorDiv(free, stride), 1);
  const positions = dimAdd(dimFloorDiv(dimAdd(free, stride - 1), stride), 1);
  if (typeof positions === "number" && typeof size === "number") {
    return (positions - 1) * stride >= size + begin ? positions - 1 : positions;
  }
  // The last window of a symbolic size surely begins before the end padding only if rounding up cannot carry it there.
  return end + stride - 1 < extent ? positions : UNKNOWN_DIM;
}
