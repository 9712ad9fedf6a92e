import { type CommonRun, type Factor, sizeOf, stridesOf } from "./layout.ts";

/** A block of an output that is read from one source, and the source's element for each of its elements. */
export interface Block {
  readonly sizes: readonly number[];
  /** Source elements, row-major over `sizes`. */
  readonly map: Int32Array;
}

/** A list of numbers, the first of which is 0, as walks of even steps inside each other; `undefined` where it is none. */
function walks(steps: readonly number[]): Factor[] | undefined {
  if (steps.length === 1) return [];
  const stride = steps[1] as number;
  let run = 1;
  while (run < steps.length && steps[run] === run * stride) run++;
  if (run === steps.length) return [{ size: run, stride }];
  if (steps.length % run !== 0) return undefined;
  const starts: number[] = [];
  for (let i = 0; i < steps.length; i++) {
    const start = steps[i - (i % run)] as number;
    if (i % run === 0) starts.push(start);
    if (steps[i] !== start + (i % run) * stride) return undefined;
  }
  const outer = walks(starts);
  return outer === undefined ? undefined : [...outer, { size: run, stride }];
}

/** How far the source moves along each axis, when the movement along one axis does not depend on the others. */
export function movesOf(block: Block): number[][] | undefined {
  const { sizes, map } = block;
  const strides = stridesOf(sizes);
  const first = map[0] as number;
  const moves = sizes.map((size, d) =>
    Array.from({ length: size }, (_, i) => (map[i * (strides[d] as number)] as number) - first),
  );
  let expected = Int32Array.of(first);
  for (const move of moves) {
    const next = new Int32Array(expected.length * move.length);
    for (let i = 0, o = 0; i < expected.length; i++)
      for (let k = 0; k < move.length; k++, o++) next[o] = (expected[i] as number) + (move[k] as number);
    expected = next;
  }
  return map.every((source, i) => source === expected[i]) ? moves : undefined;
}

/** A block as runs with strides [output, input], where `outStrides` are the output's along the axes of the block; `undefined` where it is no copy. */
export function runsOf(block: Block, outStrides: readonly number[]): CommonRun[] | undefined {
  const moves = movesOf(block);
  if (moves === undefined) return undefined;
  const runs: CommonRun[] = [];
  for (const [d, move] of moves.entries()) {
    const factors = walks(move);
    if (factors === undefined) return undefined;
    let outStride = (outStrides[d] as number) * (block.sizes[d] as number);
    for (const { size, stride } of factors) {
      outStride /= size;
      runs.push({ size, strides: [outStride, stride] });
    }
  }
  return runs;
}

/** One gather: which axis of the source as it lies, by which indices, and the block that is left to do afterwards. */
export interface GatherPlan {
  readonly outer: number;
  readonly depth: number;
  readonly inner: number;
  readonly indices: Int32Array;
  /** Sizes of the source afterwards. */
  readonly sizes: readonly number[];
  readonly rest: Block;
}

/** The gather along one axis of a dense source that brings a block nearer to a copy; `undefined` when there is none. */
export function gatherOf(block: Block, sourceSizes: readonly number[]): GatherPlan | undefined {
  const moves = movesOf(block);
  if (moves === undefined) return undefined;
  const strides = stridesOf(sourceSizes);
  for (const [axis, move] of moves.entries()) {
    if (walks(move) !== undefined) continue;
    for (const [d, stride] of strides.entries()) {
      const depth = sourceSizes[d] as number;
      const place = (source: number): number => Math.floor(source / stride) % depth;
      const indices = Int32Array.from(move, (by) => place((block.map[0] as number) + by));
      const from = indices[0] as number;
      if (move.some((by, i) => by !== ((indices[i] as number) - from) * stride)) continue;
      const wide = stride * depth;
      const blockStride = stridesOf(block.sizes)[axis] as number;
      const size = block.sizes[axis] as number;
      const indexAt = (i: number): number => Math.floor(i / blockStride) % size;
      // Another axis of the block may move along the same one of the source.
      if (block.map.some((source, i) => place(source) !== indices[indexAt(i)])) continue;
      // The axis of the source becomes that of the block.
      const map = block.map.map((source, i) => {
        const at = indexAt(i);
        return Math.floor(source / wide) * stride * size + at * stride + (source % stride);
      });
      const sizes = sourceSizes.map((n, i) => (i === d ? size : n));
      return { outer: sizeOf(sourceSizes) / wide, depth, inner: stride, indices, sizes, rest: { sizes: block.sizes, map } };
    }
  }
  return undefined;
}

/** Any other choice of elements as one gather of runs as long as they go. */
export function flatGather(
  map: Int32Array,
  sourceCount: number,
): { readonly depth: number; readonly inner: number; readonly indices: Int32Array } {
  let inner = 1;
  for (let run = map.length; run > 1; run--) {
    if (map.length % run !== 0 || sourceCount % run !== 0) continue;
    if (map.every((source, i) => (i % run === 0 ? source % run === 0 : source === (map[i - 1] as number) + 1))) {
      inner = run;
      break;
    }
  }
  const indices = new Int32Array(map.length / inner);
  for (let i = 0; i < indices.length; i++) indices[i] = (map[i * inner] as number) / inner;
  return { depth: sourceCount / inner, inner, indices };
}
