import type { Reals } from "./reals.ts";

/** Rows of the left matrix that are worked on together. */
const PANEL = 4;

/** Columns of the right matrix that are packed at once: 16 columns of depth 1,000 stay in the second-level cache. */
export const COLUMN_BLOCK = 16;

/** A left matrix, laid out in panels of four rows so that the inner loop reads it from front to back, in doubles. */
export interface PackedRows {
  readonly panels: Float64Array;
  readonly rows: number;
  readonly depth: number;
}

/** Where a matrix lies in an array: element (r, c) is `data[offset + r * rowStride + c * columnStride]`. */
export interface Layout {
  readonly offset: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** Packs the left matrix [rows, depth]; missing rows of the last panel are zero. */
export function packRows(data: Reals, size: { readonly rows: number; readonly depth: number }, layout: Layout): PackedRows {
  const { rows, depth } = size;
  const panels = new Float64Array(Math.ceil(rows / PANEL) * PANEL * depth);
  for (let r = 0; r < rows; r++) {
    const to = Math.floor(r / PANEL) * PANEL * depth + (r % PANEL);
    const from = layout.offset + r * layout.rowStride;
    for (let k = 0; k < depth; k++) panels[to + k * PANEL] = data[from + k * layout.columnStride] as number;
  }
  return { panels, rows, depth };
}

/** Where {@link multiplyPanels} writes: element (r, c) goes to `out[offset + r * rowStride + c * columnStride]`. */
export interface Target {
  readonly out: Reals;
  readonly rowStride: number;
  readonly columnStride: number;
  /** Added to every element of row r: `bias[biasOffset + r]`. */
  readonly bias: Reals | undefined;
  readonly biasOffset: number;
}

/**
 * left [rows, depth] times a block of packed columns, `count` <= COLUMN_BLOCK. `columns` holds pairs of columns interleaved: element k of columns 2j and
 * 2j+1 is at (j * depth + k) * 2. Sums in double; the bias is added last; rounds once on the store. Four rows by two columns is what V8 keeps in
 * registers; larger tiles spill.
 */
export function multiplyPanels(
  left: PackedRows,
  columns: Float64Array,
  job: Target & { readonly offset: number; readonly count: number },
): void {
  const { panels, rows, depth } = left;
  const { out, offset, rowStride, columnStride, bias, biasOffset, count } = job;
  for (let r = 0; r < rows; r += PANEL) {
    const panel = r * depth;
    const b0 = bias === undefined ? 0 : (bias[biasOffset + r] as number);
    const b1 = bias === undefined || r + 1 >= rows ? 0 : (bias[biasOffset + r + 1] as number);
    const b2 = bias === undefined || r + 2 >= rows ? 0 : (bias[biasOffset + r + 2] as number);
    const b3 = bias === undefined || r + 3 >= rows ? 0 : (bias[biasOffset + r + 3] as number);
    for (let c = 0; c < count; c += 2) {
      let s00 = 0;
      let s10 = 0;
      let s20 = 0;
      let s30 = 0;
      let s01 = 0;
      let s11 = 0;
      let s21 = 0;
      let s31 = 0;
      let p = panel;
      const end = panel + depth * PANEL;
      for (let q = c * depth; p < end; p += PANEL, q += 2) {
        const x = columns[q] as number;
        const y = columns[q + 1] as number;
        const w0 = panels[p] as number;
        const w1 = panels[p + 1] as number;
        const w2 = panels[p + 2] as number;
        const w3 = panels[p + 3] as number;
        s00 += w0 * x;
        s01 += w0 * y;
        s10 += w1 * x;
        s11 += w1 * y;
        s20 += w2 * x;
        s21 += w2 * y;
        s30 += w3 * x;
        s31 += w3 * y;
      }
      const at = offset + r * rowStride + c * columnStride;
      const both = c + 1 < count;
      out[at] = s00 + b0;
      if (both) out[at + columnStride] = s01 + b0;
      if (r + 1 < rows) {
        out[at + rowStride] = s10 + b1;
        if (both) out[at + rowStride + columnStride] = s11 + b1;
      }
      if (r + 2 < rows) {
        out[at + 2 * rowStride] = s20 + b2;
        if (both) out[at + 2 * rowStride + columnStride] = s21 + b2;
      }
      if (r + 3 < rows) {
        out[at + 3 * rowStride] = s30 + b3;
        if (both) out[at + 3 * rowStride + columnStride] = s31 + b3;
      }
    }
  }
}

/** One matrix of {@link gemm}. */
export interface Matrix extends Layout {
  readonly data: Reals;
}

/** out[rows, columns] = a[rows, depth] * b[depth, columns], summed in double, row-major at `outOffset`. */
export function gemm(
  a: Matrix,
  b: Matrix,
  job: {
    readonly rows: number;
    readonly depth: number;
    readonly columns: number;
    readonly out: Reals;
    readonly outOffset: number;
  },
): void {
  const { rows, depth, columns, out, outOffset } = job;
  if (rows < 3) {
    multiplyFewRows(a, b, job);
    return;
  }
  const left = packRows(a.data, { rows, depth }, a);
  const packed = new Float64Array(COLUMN_BLOCK * depth);
  const target = { out, rowStride: columns, columnStride: 1, bias: undefined, biasOffset: 0 };
  for (let c = 0; c < columns; c += COLUMN_BLOCK) {
    const count = Math.min(COLUMN_BLOCK, columns - c);
    for (let j = 0; j < count; j++) {
      const to = (j >> 1) * depth * 2 + (j & 1);
      const from = b.offset + (c + j) * b.columnStride;
      for (let k = 0; k < depth; k++) packed[to + 2 * k] = b.data[from + k * b.rowStride] as number;
    }
    multiplyPanels(left, packed, { ...target, offset: outOffset + c, count });
  }
}

// With one or two rows, packing the right matrix would cost as much as the product.
function multiplyFewRows(
  a: Matrix,
  b: Matrix,
  job: {
    readonly rows: number;
    readonly depth: number;
    readonly columns: number;
    readonly out: Reals;
    readonly outOffset: number;
  },
): void {
  const { rows, depth, columns, out, outOffset } = job;
  const sums = new Float64Array(columns);
  for (let r = 0; r < rows; r++) {
    sums.fill(0);
    const row = a.offset + r * a.rowStride;
    if (b.columnStride === 1) {
      for (let k = 0; k < depth; k++) {
        const factor = a.data[row + k * a.columnStride] as number;
        const from = b.offset + k * b.rowStride;
        for (let c = 0; c < columns; c++) sums[c] = (sums[c] as number) + factor * (b.data[from + c] as number);
      }
    } else {
      for (let c = 0; c < columns; c++) {
        const from = b.offset + c * b.columnStride;
        let sum = 0;
        for (let k = 0; k < depth; k++)
          sum += (a.data[row + k * a.columnStride] as number) * (b.data[from + k * b.rowStride] as number);
        sums[c] = sum;
      }
    }
    for (let c = 0; c < columns; c++) out[outOffset + r * columns + c] = sums[c] as number;
  }
}
