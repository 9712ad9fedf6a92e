import { fail } from "../../base/error.ts";
import { DTYPES, type DType } from "../../graph/dtype.ts";
import type { Node } from "../../graph/model.ts";
import { countOf, fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";

/** An error for a case of an operator that has no kernel. */
export function noKernelFor(node: Node, why: string): Error {
  return fail("UNSUPPORTED_OP", `Cannot run ${node.op}: ${why}`, { at: { node: node.name } });
}

/** Nearest integer, ties to even. Exact for |v| < 2^51. */
export function roundHalfEven(v: number): number {
  const floor = Math.floor(v);
  const rest = v - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Lowest and highest value of an integer type of up to 32 bits. @throws DTYPE_MISMATCH */
export function integerRange(dtype: DType): readonly [number, number] {
  const { bits, class: kind } = DTYPES[dtype];
  if (kind === "int") return [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
  if (kind === "uint") return [0, 2 ** bits - 1];
  throw fail("DTYPE_MISMATCH", `Cannot quantize to ${dtype}: it is no integer type`);
}

/** For each element of a tensor, which scale and zero point it uses. */
export type ScaleIndex = (element: number) => number;

/** How elements of `shape` map to the scales of shape `scale`: per tensor, along `axis`, or in blocks along `axis`. @throws SHAPE_MISMATCH */
export function scaleIndex(
  shape: readonly number[],
  scale: readonly number[],
  options: { readonly node: Node; readonly axis: number; readonly block: number },
): ScaleIndex {
  if (countOf(scale) === 1) return () => 0;
  const { node, block } = options;
  const axis = options.axis < 0 ? options.axis + shape.length : options.axis;
  const inner = countOf(shape.slice(axis + 1));
  const size = shape[axis] ?? 0;
  if (scale.length === 1 && block === 0) {
    if (scale[0] !== size)
      throw fail("SHAPE_MISMATCH", `Cannot run ${node.op}: ${scale[0]} scales for axis ${axis} of [${shape}]`, {
        at: { node: node.name },
      });
    return (element) => Math.floor(element / inner) % size;
  }
  const blocks = scale[axis] ?? 0;
  if (block === 0 || scale.length !== shape.length || blocks !== Math.ceil(size / block)) {
    throw fail("SHAPE_MISMATCH", `Cannot run ${node.op}: scales [${scale}] do not fit [${shape}]`, { at: { node: node.name } });
  }
  return (element) => {
    const outer = Math.floor(element / (inner * size));
    const at = Math.floor(element / inner) % size;
    return (outer * blocks + Math.floor(at / block)) * inner + (element % inner);
  };
}

/** x - zeroPoint as doubles; the zero point is one number, or one for each index of `axis`. */
export function centred(
  x: Tensor,
  zeroPoint: Tensor | undefined,
  options: { readonly node: Node; readonly axis: number },
): Float64Array {
  const values = toNumbers(x);
  if (zeroPoint === undefined) return values;
  const zero = toNumbers(zeroPoint);
  const index = scaleIndex(x.shape, zeroPoint.shape, { node: options.node, axis: options.axis, block: 0 });
  for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) - (zero[index(i)] as number);
  return values;
}

/**
 * Integer sums to an integer tensor: saturate(round_half_even(sum * scale) + zeroPoint). The multiplier is a float32, as is the product: what
 * ONNX Runtime's float requantisation computes. `multiplier(i)` gives the scale of element i.
 */
export function requantize(
  sums: Float64Array,
  shape: readonly number[],
  options: { readonly dtype: DType; readonly zeroPoint: number; readonly multiplier: (element: number) => number },
): Tensor {
  const [low, high] = integerRange(options.dtype);
  const out = new Float64Array(sums.length);
  for (let i = 0; i < sums.length; i++) {
    const scaled = Math.fround(Math.fround(sums[i] as number) * options.multiplier(i));
    out[i] = Math.max(low, Math.min(high, roundHalfEven(scaled) + options.zeroPoint));
  }
  return fromNumbers(options.dtype, shape, out);
}
