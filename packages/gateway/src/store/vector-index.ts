import { fail } from "@tessera/core/base/error";
import { type SearchKernel, searchKernel } from "./search-kernel.ts";

/** Rows of a block, which is also how many scores the kernel makes at a time. */
const BLOCK_ROWS = 2048;
const PAGE_BYTES = 65_536;
/** Where things lie in the kernel's memory: the query, the scores of a block, the codes. */
const SCORES_AT = 16_384;
const CODES_AT = PAGE_BYTES;
/** The longest vector whose query fits before the scores. */
const MOST_ELEMENTS = SCORES_AT / 2;

interface Block {
  /** f32[BLOCK_ROWS, dimension]. */
  readonly rows: Float32Array;
  /** What one step of a row's code is worth. */
  readonly steps: Float32Array;
  /** Length of what the code leaves out of a row, rounded up. */
  readonly errors: Float32Array;
}

/** A row that was found. */
export interface Found {
  readonly row: number;
  /** Dot product with the query. */
  readonly score: number;
}

/**
 * Vectors of one length in memory, searched from end to end and exactly. Rows are 0..size-1; a removal moves the last row into the gap.
 *
 * Besides its floats each row has a code of 8 bits an element. The search scores all codes first and knows for each row how far off that may be: with
 * x = code + r and q = query code + t, |x.q - code.querycode| <= |code| |t| + |r| |q| (Cauchy-Schwarz). Only rows that may still be among the
 * best are scored again from their floats. The answer is that of scoring all of them, to the last bit, at a tenth of the time.
 */
export class VectorIndex {
  readonly dimension: number;
  readonly #stride: number;
  readonly #kernel: SearchKernel;
  readonly #blocks: Block[] = [];
  #size = 0;

  constructor(dimension: number) {
    if (dimension > MOST_ELEMENTS)
      throw fail("LIMIT_EXCEEDED", `Cannot index vectors of ${dimension} elements: at most ${MOST_ELEMENTS}`);
    this.dimension = dimension;
    this.#stride = 32 * Math.ceil(dimension / 32);
    this.#kernel = searchKernel(CODES_AT / PAGE_BYTES);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a row; its number. */
  add(vector: Float32Array): number {
    const row = this.#size++;
    if (row === this.#blocks.length * BLOCK_ROWS) {
      this.#blocks.push({
        rows: new Float32Array(BLOCK_ROWS * this.dimension),
        steps: new Float32Array(BLOCK_ROWS),
        errors: new Float32Array(BLOCK_ROWS),
      });
      const pages = Math.ceil((CODES_AT + this.#blocks.length * BLOCK_ROWS * this.#stride) / PAGE_BYTES);
      const more = pages - this.#kernel.memory.buffer.byteLength / PAGE_BYTES;
      if (more > 0) this.#kernel.memory.grow(more);
    }
    this.#put(row, vector);
    return row;
  }

  /** Removes a row and overwrites it; the row that moved into its place is the last one, `size` after the removal. */
  remove(row: number): void {
    const last = this.#size - 1;
    if (row !== last) this.#put(row, this.vector(last));
    this.#put(last, new Float32Array(this.dimension));
    this.#size = last;
  }

  /** A copy of a row. */
  vector(row: number): Float32Array {
    const { block, at } = this.#place(row);
    return block.rows.slice(at * this.dimension, (at + 1) * this.dimension);
  }

  /** Dot product of a row with a query, summed in double precision. */
  score(row: number, query: Float32Array): number {
    const { block, at } = this.#place(row);
    const { rows } = block;
    const from = at * this.dimension;
    let sum = 0;
    for (let i = 0; i < query.length; i++) sum += (rows[from + i] ?? 0) * (query[i] ?? 0);
    return sum;
  }

  /** The `count` rows with the largest dot products, best first; of equal ones the lower row. */
  best(query: Float32Array, count: number): readonly Found[] {
    const scores = this.#approximate(query);
    const floor = this.#floorOf(scores, Math.min(count, this.#size));
    const found: Found[] = [];
    for (let row = 0; row < this.#size; row++) {
      if ((scores.middle[row] ?? 0) + (scores.margin[row] ?? 0) >= floor) found.push({ row, score: this.score(row, query) });
    }
    return found.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, count);
  }

  /** Overwrites everything. */
  wipe(): void {
    for (const { rows } of this.#blocks) rows.fill(0);
    new Uint8Array(this.#kernel.memory.buffer).fill(0);
    this.#size = 0;
  }

  /** Scores of all rows by their codes, and how far each may be off. */
  #approximate(query: Float32Array): { readonly middle: Float64Array; readonly margin: Float64Array } {
    const { step: queryStep, error: queryError, length } = this.#codeQuery(query);
    const middle = new Float64Array(this.#size);
    const margin = new Float64Array(this.#size);
    const { memory, dots } = this.#kernel;
    const scores = new Int32Array(memory.buffer, SCORES_AT, BLOCK_ROWS);
    for (const [b, { steps, errors }] of this.#blocks.entries()) {
      const start = b * BLOCK_ROWS;
      const rows = Math.min(this.#size - start, BLOCK_ROWS);
      if (rows <= 0) break;
      dots(0, CODES_AT + start * this.#stride, rows, this.#stride, SCORES_AT);
      for (let i = 0; i < rows; i++) {
        const error = errors[i] ?? 0;
        middle[start + i] = (scores[i] ?? 0) * (steps[i] ?? 0) * queryStep;
        // A code is at most its row and what it leaves out; rows have length 1.
        margin[start + i] = error * length + (1.001 + error) * queryError + 1e-9;
      }
    }
    return { middle, margin };
  }

  /** The `count`-th largest of the least scores that rows can have: what cannot reach it is not among the best. */
  #floorOf(scores: { readonly middle: Float64Array; readonly margin: Float64Array }, count: number): number {
    if (count === 0) return Number.POSITIVE_INFINITY;
    // Ascending, so that its first is the one to beat.
    const best: number[] = [];
    for (let row = 0; row < this.#size; row++) {
      const least = (scores.middle[row] ?? 0) - (scores.margin[row] ?? 0);
      if (best.length === count) {
        if (least <= (best[0] ?? 0)) continue;
        best.shift();
      }
      let at = best.length;
      while (at > 0 && (best[at - 1] ?? 0) > least) at--;
      best.splice(at, 0, least);
    }
    return best[0] ?? Number.NEGATIVE_INFINITY;
  }

  #put(row: number, vector: Float32Array): void {
    const { block, at } = this.#place(row);
    block.rows.set(vector, at * this.dimension);
    const codes = new Int8Array(this.#kernel.memory.buffer, CODES_AT + row * this.#stride, this.#stride);
    const { step, error } = encode(vector, codes, 127);
    block.steps[at] = step;
    block.errors[at] = error;
  }

  /** Puts the query's code before the kernel, as fine as sums of 32 bits allow. */
  #codeQuery(query: Float32Array): { readonly step: number; readonly error: number; readonly length: number } {
    const codes = new Int16Array(this.#kernel.memory.buffer, 0, this.#stride);
    const most = Math.min(32_767, Math.floor((2 ** 31 - 1) / (127 * this.#stride)));
    let squares = 0;
    for (const value of query) squares += value * value;
    return { ...encode(query, codes, most), length: Math.sqrt(squares) };
  }

  #place(row: number): { readonly block: Block; readonly at: number } {
    const block = this.#blocks[Math.floor(row / BLOCK_ROWS)];
    if (block === undefined) throw new RangeError(`there is no row ${row}`);
    return { block, at: row % BLOCK_ROWS };
  }
}

/** Rounds a vector to whole steps of its largest element / `most`; what a step is worth, and the length of what was left out, rounded up. */
function encode(
  vector: Float32Array,
  codes: Int8Array | Int16Array,
  most: number,
): { readonly step: number; readonly error: number } {
  let largest = 0;
  for (const value of vector) largest = Math.max(largest, Math.abs(value));
  const step = Math.fround(largest / most);
  let squares = 0;
  codes.fill(0);
  for (let i = 0; i < vector.length; i++) {
    const value = vector[i] ?? 0;
    const code = step === 0 ? 0 : Math.max(-most, Math.min(most, Math.round(value / step)));
    codes[i] = code;
    squares += (value - code * step) ** 2;
  }
  // Room for the rounding of this very sum, and of keeping it in 32 bits.
  return { step, error: Math.sqrt(squares) * (1 + 1e-6) + 1e-9 };
}
