/** Vectors of one length in one block of memory, searched from end to end. Rows are 0..size-1; a removal moves the last row into the gap. */
export class VectorIndex {
  readonly dimension: number;
  #rows: Float32Array;
  #size = 0;

  constructor(dimension: number) {
    this.dimension = dimension;
    this.#rows = new Float32Array(dimension * 16);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a row; its number. */
  add(vector: Float32Array): number {
    const at = this.#size * this.dimension;
    if (at === this.#rows.length) {
      const larger = new Float32Array(this.#rows.length * 2);
      larger.set(this.#rows);
      this.#rows.fill(0);
      this.#rows = larger;
    }
    this.#rows.set(vector, at);
    return this.#size++;
  }

  /** Removes a row and overwrites it; the row that moved into its place is the last one, `size` after the removal. */
  remove(row: number): void {
    const last = this.#size - 1;
    const d = this.dimension;
    this.#rows.copyWithin(row * d, last * d, (last + 1) * d);
    this.#rows.fill(0, last * d, (last + 1) * d);
    this.#size = last;
  }

  /** A copy of a row. */
  vector(row: number): Float32Array {
    return this.#rows.slice(row * this.dimension, (row + 1) * this.dimension);
  }

  /** Dot product of a row with a query. */
  score(row: number, query: Float32Array): number {
    let sum = 0;
    const at = row * this.dimension;
    for (let i = 0; i < this.dimension; i++) sum += (this.#rows[at + i] ?? 0) * (query[i] ?? 0);
    return sum;
  }

  /** The `count` rows with the largest dot products, best first; of equal ones the lower row. */
  best(query: Float32Array, count: number): readonly { readonly row: number; readonly score: number }[] {
    const all = Array.from({ length: this.#size }, (_, row) => ({ row, score: this.score(row, query) }));
    return all.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, count);
  }

  /** Overwrites everything. */
  wipe(): void {
    this.#rows.fill(0);
    this.#size = 0;
  }
}
