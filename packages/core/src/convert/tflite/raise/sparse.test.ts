import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../../../base/error.ts";
import type { SparsityParameters } from "../../../formats/tflite/tensor-tables.ts";
import { toNumbers } from "../../../graph/tensor.ts";
import { densify } from "./sparse.ts";

interface Sparse {
  readonly sparsity: SparsityParameters;
  readonly bytes: Uint8Array;
}

/** Stores a dense tensor: blocks of `block` along the axes, levels in `order`, those in `sparse` compressed. Written from the schema's words alone. */
function stored(
  dense: Float32Array,
  at: {
    readonly shape: readonly number[];
    readonly block: readonly number[];
    readonly order: readonly number[];
    readonly sparse: readonly boolean[];
  },
): Sparse {
  const { shape, block, order, sparse } = at;
  const blockMap = block.flatMap((size, axis) => (size > 1 ? [axis] : []));
  const outer = shape.map((size, axis) => size / (block[axis] as number));
  const levels = [...order, ...blockMap.map((_, k) => shape.length + k)];
  const sizeOf = (level: number): number =>
    level < shape.length ? (outer[level] as number) : (block[blockMap[level - shape.length] as number] as number);
  const valueAt = (index: ReadonlyMap<number, number>): number => {
    const place = shape.map((_, axis) => {
      const k = blockMap.indexOf(axis);
      return (index.get(axis) ?? 0) * (block[axis] as number) + (k < 0 ? 0 : (index.get(shape.length + k) ?? 0));
    });
    return dense[place.reduce((sum, p, axis) => sum * (shape[axis] as number) + p, 0)] as number;
  };
  const hasAny = (depth: number, index: Map<number, number>): boolean => {
    if (depth === levels.length) return valueAt(index) !== 0;
    const level = levels[depth] as number;
    return Array.from({ length: sizeOf(level) }, (_, i) => i).some((i) => hasAny(depth + 1, new Map(index).set(level, i)));
  };
  const segments = levels.map(() => [0]);
  const indices = levels.map((): number[] => []);
  const values: number[] = [];
  const visit = (depth: number, index: Map<number, number>): void => {
    if (depth === levels.length) {
      values.push(valueAt(index));
      return;
    }
    const level = levels[depth] as number;
    const isSparse = depth < order.length && sparse[depth] === true;
    for (let i = 0; i < sizeOf(level); i++) {
      const next = new Map(index).set(level, i);
      if (isSparse && !hasAny(depth + 1, next)) continue;
      if (isSparse) (indices[depth] as number[]).push(i);
      visit(depth + 1, next);
    }
    if (isSparse) (segments[depth] as number[]).push((indices[depth] as number[]).length);
  };
  visit(0, new Map());
  const dimMetadata = levels.map((level, depth) =>
    depth < order.length && sparse[depth] === true
      ? {
          format: 1,
          denseSize: 0,
          arraySegments: { kind: "Int32Vector" as const, values: Int32Array.from(segments[depth] as number[]) },
          arrayIndices: { kind: "Uint16Vector" as const, values: Uint16Array.from(indices[depth] as number[]) },
        }
      : { format: 0, denseSize: sizeOf(level) },
  );
  return {
    sparsity: { traversalOrder: Int32Array.from(levels), blockMap: Int32Array.from(blockMap), dimMetadata },
    bytes: new Uint8Array(Float32Array.from(values).buffer),
  };
}

const tensors = fc
  .record({
    outer: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
    blocks: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 3, maxLength: 3 }),
    sparse: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    seed: fc.integer({ min: 1, max: 1000 }),
  })
  .chain((at) =>
    fc
      .shuffledSubarray(
        at.outer.map((_, i) => i),
        { minLength: at.outer.length },
      )
      .map((order) => {
        const block = at.outer.map((_, axis) => at.blocks[axis] as number);
        const shape = at.outer.map((size, axis) => size * (block[axis] as number));
        const count = shape.reduce((a, b) => a * b, 1);
        const dense = Float32Array.from({ length: count }, (_, i) => ((i * 7 + at.seed) % 5 < 2 ? i + 1 : 0));
        return { shape, block, order, sparse: at.sparse, dense };
      }),
  );

describe("sparse constants", () => {
  it("come back dense, whatever the order of traversal, blocks and compressed levels", () => {
    fc.assert(
      fc.property(tensors, (at) => {
        const { sparsity, bytes } = stored(at.dense, at);
        const made = densify(sparsity, { dtype: "float32", shape: at.shape, bytes, name: "t" });
        expect([...toNumbers(made)]).toEqual([...at.dense]);
      }),
    );
  });

  it("that contradict themselves are refused with a code, and never grow without measure", () => {
    const good = stored(Float32Array.of(0, 1, 2, 0), { shape: [2, 2], block: [1, 1], order: [0, 1], sparse: [false, true] });
    const codeOf = (change: Partial<SparsityParameters>, shape = [2, 2], bytes = good.bytes): string => {
      try {
        densify({ ...good.sparsity, ...change }, { dtype: "float32", shape, bytes, name: "t" });
      } catch (error) {
        if (isTesseraError(error)) return error.code;
        throw error;
      }
      return "none";
    };
    const [rows] = good.sparsity.dimMetadata ?? [];
    const level = (segments: readonly number[], indices: readonly number[]) => ({
      format: 1,
      denseSize: 0,
      arraySegments: { kind: "Int32Vector" as const, values: Int32Array.from(segments) },
      arrayIndices: { kind: "Int32Vector" as const, values: Int32Array.from(indices) },
    });
    if (rows === undefined) throw new Error("there are no levels");
    expect(codeOf({})).toBe("none");
    expect(codeOf({ traversalOrder: Int32Array.of(0, 0) })).toBe("MALFORMED");
    expect(codeOf({ dimMetadata: [rows, level([0, 1, 2], [1, 2])] })).toBe("MALFORMED");
    expect(codeOf({ dimMetadata: [rows, level([0, 2, 1], [1, 0])] })).toBe("MALFORMED");
    expect(codeOf({ dimMetadata: [rows, level([0, 1], [1, 0])] })).toBe("MALFORMED");
    expect(codeOf({}, [2, 2], good.bytes.subarray(0, 4))).toBe("MALFORMED");
    expect(codeOf({ dimMetadata: [{ format: 0, denseSize: 2 ** 30 }, level([0, 1, 2], [1, 0])] }, [2 ** 30, 2])).toBe(
      "LIMIT_EXCEEDED",
    );
  });
});
