import { fail } from "../../../base/error.ts";
import { DIMENSION_TYPES } from "../../../formats/tflite/enums.ts";
import type { SparsityParameters } from "../../../formats/tflite/tensor-tables.ts";
import { DTYPES, type DType } from "../../../graph/dtype.ts";
import type { Tensor } from "../../../graph/tensor.ts";

/** Most elements of a dense tensor per stored byte: a real one is rarely sparser than one in a few hundred. */
const MAX_GROWTH = 4096;
/** Dense tensors up to this size are made whatever is stored. */
const FREE_BYTES = 1 << 20;

/** A sparse constant as it is stored. */
export interface SparseStorage {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** A level of the traversal: dense with a size, or compressed with row pointers and indices. */
type Level =
  | { readonly kind: "dense"; readonly size: number }
  | { readonly kind: "sparse"; readonly segments: ArrayLike<number>; readonly indices: ArrayLike<number> };

/**
 * The dense form of a sparse constant. Levels are walked in the order of traversal; those beyond the rank are the inside of blocks along the axes in
 * `blockMap`. Facts from the description of SparsityParameters in schema.fbs of LiteRT. Element types of whole bytes only.
 *
 * @throws MALFORMED where levels, indices and data do not fit together; LIMIT_EXCEEDED for a tensor far larger than what is stored
 */
export function densify(sparsity: SparsityParameters, storage: SparseStorage): Tensor {
  const { dtype, shape, bytes, name } = storage;
  const bad = (why: string): Error => fail("MALFORMED", `Cannot expand sparse tensor ${name}: ${why}`, { at: { tensor: name } });
  const { bits } = DTYPES[dtype];
  if (bits % 8 !== 0)
    throw fail("UNSUPPORTED_OP", `Cannot expand sparse tensor ${name}: elements of ${bits} bits`, { at: { tensor: name } });
  const width = bits / 8;
  const order = Array.from(sparsity.traversalOrder ?? []);
  const blockMap = Array.from(sparsity.blockMap ?? []);
  const metadata = sparsity.dimMetadata ?? [];
  const rank = shape.length;
  if (order.length !== rank + blockMap.length || metadata.length !== order.length)
    throw bad(`${order.length} levels for rank ${rank} and ${blockMap.length} blocks`);
  if ([...order].sort((a, b) => a - b).some((axis, i) => axis !== i)) throw bad(`its traversal order is [${order}]`);
  if (blockMap.some((axis) => axis < 0 || axis >= rank)) throw bad(`its block map is [${blockMap}]`);

  const levels = metadata.map(({ format, denseSize, arraySegments, arrayIndices }): Level => {
    if (format === DIMENSION_TYPES.DENSE) return { kind: "dense", size: denseSize };
    const segments = arraySegments !== undefined && "values" in arraySegments ? arraySegments.values : undefined;
    const indices = arrayIndices !== undefined && "values" in arrayIndices ? arrayIndices.values : undefined;
    if (segments === undefined || indices === undefined) throw bad("a sparse level has no indices");
    return { kind: "sparse", segments, indices };
  });
  // Sizes of blocks by axis; a level inside a block must be dense.
  const block = new Array<number>(rank).fill(1);
  order.forEach((axis, i) => {
    if (axis < rank) return;
    const level = levels[i] as Level;
    if (level.kind !== "dense" || level.size <= 0) throw bad("a level inside a block is not dense");
    const target = blockMap[axis - rank] as number;
    block[target] = (block[target] as number) * level.size;
  });
  const outer = shape.map((size, axis) => size / (block[axis] as number));
  if (outer.some((size) => !Number.isInteger(size))) throw bad(`blocks of [${block}] do not tile [${shape}]`);
  order.forEach((axis, i) => {
    const level = levels[i] as Level;
    if (axis < rank && level.kind === "dense" && level.size !== outer[axis])
      throw bad(`level ${i} has ${level.size} steps along an axis of ${outer[axis]}`);
  });
  let total = width;
  for (const size of shape) total *= size;
  if (total > FREE_BYTES && total > bytes.length * MAX_GROWTH) {
    throw fail(
      "LIMIT_EXCEEDED",
      `Cannot expand sparse tensor ${name}: [${shape}] takes ${total} bytes and ${bytes.length} are stored`,
      { at: { tensor: name } },
    );
  }

  const out = new Uint8Array(total);
  const stride = new Array<number>(rank).fill(width);
  for (let axis = rank - 2; axis >= 0; axis--) stride[axis] = (stride[axis + 1] as number) * (shape[axis + 1] as number);
  // What one step of each level moves by in the dense tensor, in bytes.
  const step = order.map((axis, i) => {
    if (axis < rank) return (stride[axis] as number) * (block[axis] as number);
    const target = blockMap[axis - rank] as number;
    // Several blocks along one axis would nest; inner ones move by less.
    let inside = stride[target] as number;
    order.forEach((other, k) => {
      const level = levels[k] as Level;
      if (other > axis && other >= rank && blockMap[other - rank] === target && level.kind === "dense") inside *= level.size;
    });
    return i >= 0 ? inside : 0;
  });

  let budget = Math.max(FREE_BYTES, total + bytes.length) * (levels.length + 1);
  const walk = (depth: number, at: { readonly position: number; readonly offset: number }): void => {
    if (--budget < 0) throw bad("its levels lead nowhere too often");
    if (depth === levels.length) {
      const from = at.position * width;
      if (from + width > bytes.length) throw bad("it stores less than its indices name");
      out.set(bytes.subarray(from, from + width), at.offset);
      return;
    }
    const level = levels[depth] as Level;
    const by = step[depth] as number;
    if (level.kind === "dense") {
      for (let i = 0; i < level.size; i++)
        walk(depth + 1, { position: at.position * level.size + i, offset: at.offset + i * by });
      return;
    }
    const from = level.segments[at.position];
    const to = level.segments[at.position + 1];
    if (from === undefined || to === undefined || from < 0 || to < from || to > level.indices.length)
      throw bad("its row pointers are out of order");
    const limit = outer[order[depth] as number] as number;
    for (let k = from; k < to; k++) {
      const index = level.indices[k] as number;
      if (index < 0 || index >= limit) throw bad(`index ${index} along an axis of ${limit}`);
      walk(depth + 1, { position: k, offset: at.offset + index * by });
    }
  };
  if (total > 0) walk(0, { position: 0, offset: 0 });
  return { dtype, shape, bytes: out };
}
