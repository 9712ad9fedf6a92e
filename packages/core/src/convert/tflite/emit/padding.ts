import { PADDINGS } from "../../../formats/tflite/enums.ts";
import { type Window, windowExtent, windowPads, windowPositions } from "../../../ops/spatial.ts";

/** Padding of a sliding window at static sizes, in the words of TFLite. */
export interface Padding {
  /** Code of PADDINGS for the operator itself. */
  readonly code: number;
  /** Cells before and behind each spatial axis that a PAD must add first; `undefined` when none is needed. */
  readonly pad?: readonly (readonly [number, number])[];
  /** Number of window positions on each axis. */
  readonly positions: readonly number[];
}

/** Where TensorFlow's SAME begins: positions = ceil(size / stride), and the smaller half of what is missing stands in front. */
function sameBegin(size: number, window: { readonly stride: number; readonly extent: number }): number {
  const positions = Math.ceil(size / window.stride);
  return Math.floor(Math.max(0, (positions - 1) * window.stride + window.extent - size) / 2);
}

/**
 * VALID where no window reaches over the border, SAME where every axis begins and counts as TensorFlow's SAME would, and otherwise explicit cells in
 * front of VALID. Cells behind the last window that no position reads are not padded. `explicit` rules SAME out.
 */
export function resolvePadding(window: Window, sizes: readonly number[], options: { readonly explicit?: boolean } = {}): Padding {
  const positions = sizes.map((size, axis) => windowPositions(window, size, axis) as number);
  const needs = sizes.map((size, axis) => {
    const stride = window.strides[axis] as number;
    const extent = windowExtent(window, axis) as number;
    const [begin] = windowPads(window, size, axis);
    const end = ((positions[axis] as number) - 1) * stride + extent - size - begin;
    // Where strides jump over cells, XNNPACK as of 2023 takes SAME to need fewer than none and computes zeros.
    const reaches = (Math.ceil(size / stride) - 1) * stride + extent >= size;
    const isSame = reaches && positions[axis] === Math.ceil(size / stride) && begin === sameBegin(size, { stride, extent });
    return { begin, end: Math.max(0, end), isSame };
  });
  if (needs.every((n) => n.begin === 0 && n.end === 0)) return { code: PADDINGS.VALID, positions };
  if (!options.explicit && needs.every((n) => n.isSame)) return { code: PADDINGS.SAME, positions };
  return { code: PADDINGS.VALID, positions, pad: needs.map((n) => [n.begin, n.end] as const) };
}

/** Cells of the input, or of its declared padding when `padded`, that the window at `position` covers on an axis. */
export function coveredCells(
  window: Window,
  sizes: readonly number[],
  at: { readonly axis: number; readonly position: number; readonly padded: boolean },
): number {
  const { axis, position, padded } = at;
  const size = sizes[axis] as number;
  const [begin, end] = windowPads(window, size, axis);
  const first = position * (window.strides[axis] as number) - begin;
  const [low, high] = padded ? [-begin, size + end] : [0, size];
  let count = 0;
  for (let k = 0; k < (window.kernel[axis] as number); k++) {
    const cell = first + k * (window.dilations[axis] as number);
    if (cell >= low && cell < high) count++;
  }
  return count;
}
