import { fail } from "../../base/error.ts";
import type { Node } from "../../graph/model.ts";
import { attrFloat, attrInt, attrString } from "../../graph/node.ts";
import { countOf, fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";
import { parseEinsum } from "../../ops/einsum.ts";
import type { MATMUL } from "../../ops/matmul.ts";
import { gemm } from "../gemm.ts";
import type { Kernel, NoKernel } from "../kernel.ts";
import { fromReals, type Reals, reals, realsFor } from "../reals.ts";
import { needed } from "./needed.ts";
import { centred, requantize } from "./quantized.ts";

interface Operand {
  readonly shape: readonly number[];
  readonly data: Reals;
}

function mismatch(node: Node, a: readonly number[], b: readonly number[]): Error {
  return fail("SHAPE_MISMATCH", `Cannot multiply [${a}] by [${b}]: the sizes do not fit`, { at: { node: node.name } });
}

/** Batched product with broadcasting, as NumPy's matmul. `make` gives the array for the result. @throws SHAPE_MISMATCH */
function batchedProduct(
  node: Node,
  a: Operand,
  b: Operand,
  make: (shape: readonly number[]) => Reals,
): { shape: number[]; out: Reals } {
  if (a.shape.length === 0 || b.shape.length === 0) throw mismatch(node, a.shape, b.shape);
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [rows, depth] = [left[left.length - 2] as number, left[left.length - 1] as number];
  const columns = right[right.length - 1] as number;
  if (right[right.length - 2] !== depth) throw mismatch(node, a.shape, b.shape);
  const rank = Math.max(left.length, right.length) - 2;
  const sizes: number[] = [];
  const sizeAt = (shape: readonly number[], i: number): number => shape[shape.length - 2 - rank + i] ?? 1;
  for (let i = 0; i < rank; i++) {
    const [p, q] = [sizeAt(left, i), sizeAt(right, i)];
    if (p !== q && p !== 1 && q !== 1) throw mismatch(node, a.shape, b.shape);
    sizes.push(p === 1 ? q : p);
  }
  const shape = [...sizes, ...(a.shape.length === 1 ? [] : [rows]), ...(b.shape.length === 1 ? [] : [columns])];
  const out = make(shape);
  const batches = countOf(sizes);
  // One weight matrix for all batches is one tall product.
  if (batches > 1 && countOf(right) === depth * columns) {
    gemm(
      { data: a.data, offset: 0, rowStride: depth, columnStride: 1 },
      { data: b.data, offset: 0, rowStride: columns, columnStride: 1 },
      { rows: batches * rows, depth, columns, out, outOffset: 0 },
    );
    return { shape, out };
  }
  for (let n = 0; n < batches; n++) {
    let [atA, atB, stepA, stepB, rest] = [0, 0, 1, 1, n];
    for (let i = rank - 1; i >= 0; i--) {
      const index = rest % (sizes[i] as number);
      rest = Math.floor(rest / (sizes[i] as number));
      const [p, q] = [sizeAt(left, i), sizeAt(right, i)];
      if (p !== 1) atA += index * stepA;
      if (q !== 1) atB += index * stepB;
      stepA *= p;
      stepB *= q;
    }
    gemm(
      { data: a.data, offset: atA * rows * depth, rowStride: depth, columnStride: 1 },
      { data: b.data, offset: atB * depth * columns, rowStride: columns, columnStride: 1 },
      { rows, depth, columns, out, outOffset: n * rows * columns },
    );
  }
  return { shape, out };
}

const matmul: Kernel = (inputs, context) => {
  const [a, b] = [needed(inputs, 0, context), needed(inputs, 1, context)];
  const whole = a.dtype === "int64" || a.dtype === "uint64" ? wideProduct(context.node, a, b) : undefined;
  if (whole !== undefined) return [whole];
  const { shape, out } = batchedProduct(
    context.node,
    { shape: a.shape, data: reals(a) },
    { shape: b.shape, data: reals(b) },
    (s) => realsFor(a.dtype, s),
  );
  return [fromReals(a.dtype, shape, out)];
};

// 64-bit integers leave the range where doubles are exact: halves are multiplied apart and put together modulo 2^64.
function wideProduct(node: Node, a: Tensor, b: Tensor): Tensor {
  const split = (t: Tensor): readonly [Float64Array, Float64Array, Float64Array] => {
    const words = new BigInt64Array(new Uint8Array(t.bytes).buffer);
    const part = (shift: bigint): Float64Array =>
      Float64Array.from(words, (v) => Number((BigInt.asUintN(64, v) >> shift) & 0x3fffffn));
    return [part(0n), part(22n), part(44n)];
  };
  const [pa, pb] = [split(a), split(b)];
  let shape: readonly number[] = [];
  let total = new BigInt64Array(0);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; i + j < 3; j++) {
      const part = batchedProduct(
        node,
        { shape: a.shape, data: pa[i] as Float64Array },
        { shape: b.shape, data: pb[j] as Float64Array },
        (s) => new Float64Array(countOf(s)),
      );
      if (total.length === 0) total = new BigInt64Array(part.out.length);
      shape = part.shape;
      for (let k = 0; k < total.length; k++) {
        total[k] = BigInt.asIntN(64, (total[k] as bigint) + (BigInt(part.out[k] as number) << BigInt(22 * (i + j))));
      }
    }
  }
  return fromNumbers(a.dtype, shape, total);
}

const matmulInteger: Kernel = (inputs, context) => {
  const { node } = context;
  const [a, b] = [needed(inputs, 0, context), needed(inputs, 1, context)];
  const left = { shape: a.shape, data: centred(a, inputs[2], { node, axis: -2 }) };
  const right = { shape: b.shape, data: centred(b, inputs[3], { node, axis: -1 }) };
  const { shape, out } = batchedProduct(node, left, right, (s) => new Float64Array(countOf(s)));
  return [fromNumbers("int32", shape, out)];
};

const qlinearMatmul: Kernel = (inputs, context) => {
  const { node } = context;
  const [a, b, yZero] = [needed(inputs, 0, context), needed(inputs, 3, context), needed(inputs, 7, context)];
  const [aScale, bScale, yScale] = [1, 4, 6].map((i) => toNumbers(needed(inputs, i, context))) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  if (aScale.length !== 1 || yScale.length !== 1) {
    throw fail("UNSUPPORTED_OP", "Cannot run QLinearMatMul: scales by row are not supported, only by column of b", {
      at: { node: node.name },
    });
  }
  const left = { shape: a.shape, data: centred(a, inputs[2], { node, axis: -2 }) };
  const right = { shape: b.shape, data: centred(b, inputs[5], { node, axis: -1 }) };
  const { shape, out } = batchedProduct(node, left, right, (s) => new Float64Array(countOf(s)));
  const scales = bScale.map((s) => Math.fround(Math.fround((aScale[0] as number) * s) / (yScale[0] as number)));
  const columns = shape[shape.length - 1] ?? 1;
  const multiplier = scales.length === 1 ? () => scales[0] as number : (i: number) => scales[i % columns] as number;
  return [requantize(out as Float64Array, shape, { dtype: yZero.dtype, zeroPoint: toNumbers(yZero)[0] as number, multiplier })];
};

const gemmKernel: Kernel = (inputs, context) => {
  const { node } = context;
  const [a, b, c] = [needed(inputs, 0, context), needed(inputs, 1, context), inputs[2]];
  const [transA, transB] = [attrInt(node, "transA", 0) !== 0, attrInt(node, "transB", 0) !== 0];
  const [rows, depth] = [a.shape[transA ? 1 : 0] as number, a.shape[transA ? 0 : 1] as number];
  const columns = b.shape[transB ? 0 : 1] as number;
  if (a.shape.length !== 2 || b.shape.length !== 2 || b.shape[transB ? 1 : 0] !== depth) throw mismatch(node, a.shape, b.shape);
  const sums = new Float64Array(rows * columns);
  gemm(
    { data: reals(a), offset: 0, rowStride: transA ? 1 : depth, columnStride: transA ? rows : 1 },
    { data: reals(b), offset: 0, rowStride: transB ? 1 : columns, columnStride: transB ? depth : 1 },
    { rows, depth, columns, out: sums, outOffset: 0 },
  );
  const [alpha, beta] = [attrFloat(node, "alpha", 1), attrFloat(node, "beta", 1)];
  const added = c && reals(c);
  const [height, width] = [c === undefined || c.shape.length < 2 ? 1 : (c.shape[0] as number), c?.shape[c.shape.length - 1] ?? 1];
  for (let r = 0, i = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++, i++) {
      const extra = added === undefined ? 0 : (added[(height === 1 ? 0 : r) * width + (width === 1 ? 0 : k)] as number);
      sums[i] = alpha * (sums[i] as number) + beta * extra;
    }
  }
  return [fromReals(a.dtype, [rows, columns], a.dtype === "float32" ? Float32Array.from(sums) : sums)];
};

// Every output element sums over all labels that are not in the output. Plain loops: equations in use are small.
const einsum: Kernel = (inputs, context) => {
  const { node } = context;
  const tensors = inputs.map((_, i) => needed(inputs, i, context));
  const equation = attrString(node, "equation");
  const plan = parseEinsum(
    equation,
    tensors.map((t) => t.shape.length),
  );
  const sizes = new Map<string, number>();
  plan.terms.forEach((term, k) => {
    term.forEach((label, axis) => {
      const size = tensors[k]?.shape[axis] as number;
      const known = sizes.get(label) ?? 1;
      if (known !== 1 && size !== 1 && known !== size) {
        throw fail("SHAPE_MISMATCH", `Cannot run Einsum ${equation}: "${label}" is ${known} and ${size}`, {
          at: { node: node.name },
        });
      }
      sizes.set(label, known === 1 ? size : known);
    });
  });
  const inner = [...sizes.keys()].filter((label) => !plan.output.includes(label));
  const labels = [...plan.output, ...inner];
  const counts = labels.map((label) => sizes.get(label) as number);
  const steps = plan.terms.map((term, k) => {
    const shape = tensors[k]?.shape ?? [];
    return labels.map((label) => {
      let step = 0;
      term.forEach((name, axis) => {
        if (name === label && shape[axis] !== 1) step += countOf(shape.slice(axis + 1));
      });
      return step;
    });
  });
  const data = tensors.map(reals);
  const shape = plan.output.map((label) => sizes.get(label) as number);
  const total = countOf(counts);
  const sums = new Float64Array(countOf(shape));
  const perOutput = countOf(inner.map((label) => sizes.get(label) as number));
  const index = new Array<number>(labels.length).fill(0);
  const at = new Array<number>(data.length).fill(0);
  for (let i = 0; i < total; i++) {
    let product = 1;
    for (let k = 0; k < data.length; k++) product *= (data[k] as Reals)[at[k] as number] as number;
    const to = Math.floor(i / perOutput);
    sums[to] = (sums[to] as number) + product;
    for (let axis = labels.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      const wraps = next === counts[axis];
      for (let k = 0; k < at.length; k++) {
        const step = (steps[k] as number[])[axis] as number;
        at[k] = (at[k] as number) + (wraps ? -step * (index[axis] as number) : step);
      }
      index[axis] = wraps ? 0 : next;
      if (!wraps) break;
    }
  }
  const dtype = tensors[0]?.dtype ?? "float32";
  return [fromReals(dtype, shape, dtype === "float32" ? Float32Array.from(sums) : sums)];
};

/** Matrix products. */
export const MATMUL_KERNELS = {
  Einsum: einsum,
  Gemm: gemmKernel,
  MatMul: matmul,
  MatMulInteger: matmulInteger,
  QLinearMatMul: qlinearMatmul,
} as const satisfies Record<keyof typeof MATMUL, Kernel | NoKernel>;
