import { countOf } from "../graph/tensor.ts";

/** A window that slides over a row-major block of cells, all sizes static. Lists go by spatial axis. */
export interface SlideGeometry {
  readonly input: readonly number[];
  readonly kernel: readonly number[];
  readonly output: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding in front. */
  readonly begin: readonly number[];
}

/** Where the taps of each window position lie. */
export interface Slide {
  readonly positions: number;
  readonly taps: number;
  /** Offset of tap t from the cell of the first tap. */
  readonly tapOffset: Int32Array;
  /** Offset of the first tap of position p; may lie outside the block. */
  readonly base: Int32Array;
  /** -1 where the whole window of position p is inside the block, otherwise where its row in `edgeTaps` begins. */
  readonly edge: Int32Array;
  /** For each position at the edge and each tap: the offset of the cell, or -1 outside the block. */
  readonly edgeTaps: Int32Array;
}

function stridesOf(sizes: readonly number[]): number[] {
  const out = new Array<number>(sizes.length).fill(1);
  for (let i = sizes.length - 2; i >= 0; i--) out[i] = (out[i + 1] as number) * (sizes[i + 1] as number);
  return out;
}

/** Tables of a sliding window. They hold a number for each position and tap, and for each pair only at the edges. */
export function slide(geometry: SlideGeometry): Slide {
  const { input, kernel, output, strides, dilations, begin } = geometry;
  const rank = input.length;
  const positions = countOf(output);
  const taps = countOf(kernel);
  const step = stridesOf(input);
  const tapShift: Int32Array[] = [];
  const origin: Int32Array[] = [];
  const tapOffset = new Int32Array(taps);
  const base = new Int32Array(positions);
  const edge = new Int32Array(positions).fill(-1);
  const kernelStep = stridesOf(kernel);
  const outputStep = stridesOf(output);
  for (let axis = 0; axis < rank; axis++) {
    const [size, cells, dilation] = [kernel[axis] as number, input[axis] as number, dilations[axis] as number];
    const shift = new Int32Array(taps);
    for (let t = 0; t < taps; t++) {
      shift[t] = (Math.floor(t / (kernelStep[axis] as number)) % size) * dilation;
      tapOffset[t] = (tapOffset[t] as number) + (shift[t] as number) * (step[axis] as number);
    }
    const first = new Int32Array(positions);
    for (let p = 0; p < positions; p++) {
      const at =
        (Math.floor(p / (outputStep[axis] as number)) % (output[axis] as number)) * (strides[axis] as number) -
        (begin[axis] as number);
      first[p] = at;
      base[p] = (base[p] as number) + at * (step[axis] as number);
      if (at < 0 || at + (size - 1) * dilation >= cells) edge[p] = 0;
    }
    tapShift.push(shift);
    origin.push(first);
  }
  let edges = 0;
  for (let p = 0; p < positions; p++) if (edge[p] === 0) edge[p] = edges++ * taps;
  const edgeTaps = new Int32Array(edges * taps);
  for (let p = 0; p < positions; p++) {
    if (edge[p] === -1) continue;
    for (let t = 0; t < taps; t++) {
      let inside = true;
      for (let axis = 0; axis < rank; axis++) {
        const at = ((origin[axis] as Int32Array)[p] as number) + ((tapShift[axis] as Int32Array)[t] as number);
        if (at < 0 || at >= (input[axis] as number)) inside = false;
      }
      edgeTaps[(edge[p] as number) + t] = inside ? (base[p] as number) + (tapOffset[t] as number) : -1;
    }
  }
  return { positions, taps, tapOffset, base, edge, edgeTaps };
}

/** Offset of tap t of position p in its block, or -1 outside. */
export function tapAt(table: Slide, p: number, t: number): number {
  const row = table.edge[p] as number;
  return row < 0 ? (table.base[p] as number) + (table.tapOffset[t] as number) : (table.edgeTaps[row + t] as number);
}
