import { countOf } from "../graph/tensor.ts";
import { COLUMN_BLOCK, multiplyPanels, packRows } from "./gemm.ts";
import type { Reals } from "./reals.ts";
import { type Slide, type SlideGeometry, slide } from "./slide.ts";

/** A convolution at static sizes: x [batch, channelsIn, ...input], w [channelsOut, channelsIn / groups, ...kernel]. */
export interface ConvJob extends SlideGeometry {
  readonly batch: number;
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly groups: number;
  readonly x: Reals;
  readonly w: Reals;
  /** One number for each output channel. */
  readonly bias: Reals | undefined;
  /** [batch, channelsOut, ...output], written completely. */
  readonly out: Reals;
}

/**
 * Convolution with sums in double, rounded once. Windows are gathered into packed columns, a few at a time, and multiplied like matrices; groups with
 * few output channels (depthwise) are summed directly, because there a gathered column would serve too few rows to pay.
 */
export function convolve(job: ConvJob): void {
  const table = slide(job);
  const perGroup = job.channelsOut / job.groups;
  for (let n = 0; n < job.batch; n++) {
    for (let g = 0; g < job.groups; g++) {
      if (perGroup < 4) sumDirectly(job, table, { n, g });
      else multiplyGathered(job, table, { n, g });
    }
  }
}

interface Part {
  readonly n: number;
  readonly g: number;
}

function multiplyGathered(job: ConvJob, table: Slide, part: Part): void {
  const { x, w, out, bias } = job;
  const rows = job.channelsOut / job.groups;
  const channels = job.channelsIn / job.groups;
  const cells = countOf(job.input);
  const { positions, taps, tapOffset, base, edge, edgeTaps } = table;
  const depth = channels * taps;
  const left = packRows(w, { rows, depth }, { offset: part.g * rows * depth, rowStride: depth, columnStride: 1 });
  const columns = new Float64Array(COLUMN_BLOCK * depth);
  const from = (part.n * job.channelsIn + part.g * channels) * cells;
  const target = { out, rowStride: positions, columnStride: 1, bias, biasOffset: part.g * rows };
  const to = (part.n * job.channelsOut + part.g * rows) * positions;
  for (let p = 0; p < positions; p += COLUMN_BLOCK) {
    const count = Math.min(COLUMN_BLOCK, positions - p);
    for (let j = 0; j < count; j++) {
      let q = (j >> 1) * depth * 2 + (j & 1);
      const row = edge[p + j] as number;
      const whole = row < 0;
      const first = from + (base[p + j] as number);
      if (whole && taps === 1) {
        for (let c = 0, i = first; c < channels; c++, i += cells, q += 2) columns[q] = x[i] as number;
      } else if (whole) {
        for (let c = 0, i = first; c < channels; c++, i += cells) {
          for (let t = 0; t < taps; t++, q += 2) columns[q] = x[i + (tapOffset[t] as number)] as number;
        }
      } else {
        for (let t = 0; t < taps; t++) {
          const at = edgeTaps[row + t] as number;
          for (let c = 0; c < channels; c++) columns[q + 2 * (c * taps + t)] = at < 0 ? 0 : (x[from + c * cells + at] as number);
        }
      }
    }
    multiplyPanels(left, columns, { ...target, offset: to + p, count });
  }
}

function sumDirectly(job: ConvJob, table: Slide, part: Part): void {
  const { x, w, out, bias } = job;
  const rows = job.channelsOut / job.groups;
  const channels = job.channelsIn / job.groups;
  const cells = countOf(job.input);
  const { positions, taps, tapOffset, base, edge, edgeTaps } = table;
  const nine = taps === 9 && channels === 1;
  for (let r = 0; r < rows; r++) {
    const m = part.g * rows + r;
    const weights = Float64Array.from(w.subarray(m * channels * taps, (m + 1) * channels * taps));
    const start = bias === undefined ? 0 : (bias[m] as number);
    const from = (part.n * job.channelsIn + part.g * channels) * cells;
    const to = (part.n * job.channelsOut + m) * positions;
    for (let p = 0; p < positions; p++) {
      let sum = 0;
      const row = edge[p] as number;
      if (row < 0) {
        if (nine) sum = nineTaps(x, weights, from + (base[p] as number), tapOffset);
        else {
          for (let c = 0, k = 0, i = from + (base[p] as number); c < channels; c++, i += cells) {
            for (let t = 0; t < taps; t++, k++) sum += (x[i + (tapOffset[t] as number)] as number) * (weights[k] as number);
          }
        }
      } else {
        for (let t = 0; t < taps; t++) {
          const at = edgeTaps[row + t] as number;
          if (at < 0) continue;
          for (let c = 0; c < channels; c++) sum += (x[from + c * cells + at] as number) * (weights[c * taps + t] as number);
        }
      }
      out[to + p] = sum + start;
    }
  }
}

// The 3x3 depthwise window, unrolled: half of the time of the loop.
function nineTaps(x: Reals, w: Float64Array, at: number, offset: Int32Array): number {
  return (
    (x[at] as number) * (w[0] as number) +
    (x[at + (offset[1] as number)] as number) * (w[1] as number) +
    (x[at + (offset[2] as number)] as number) * (w[2] as number) +
    (x[at + (offset[3] as number)] as number) * (w[3] as number) +
    (x[at + (offset[4] as number)] as number) * (w[4] as number) +
    (x[at + (offset[5] as number)] as number) * (w[5] as number) +
    (x[at + (offset[6] as number)] as number) * (w[6] as number) +
    (x[at + (offset[7] as number)] as number) * (w[7] as number) +
    (x[at + (offset[8] as number)] as number) * (w[8] as number)
  );
}
