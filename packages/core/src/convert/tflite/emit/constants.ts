import { fail } from "../../../base/error.ts";
import type { DType } from "../../../graph/dtype.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { quantizeTensor } from "../../../graph/quantize.ts";
import { type Tensor, tensor } from "../../../graph/tensor.ts";
import type { Order } from "../layout/order.ts";
import { isTfliteDType, type TensorRef, type TfliteBuilder, type TfliteDType } from "./builder.ts";
import { transposeTensor } from "./transpose-tensor.ts";

/** Whether a value is wanted as the integers of its encoding or as real numbers. */
export type Domain = "integer" | "float";

/** How a constant is stored. */
export interface StoredAs {
  /** Physical order of its axes. */
  readonly order: Order;
  /** In canonical axes. */
  readonly encoding?: Encoding | undefined;
  /** What its reader computes in. */
  readonly domain: Domain;
  /** Sizes under which it is stored, when the file wants another rank. */
  readonly shape?: readonly number[] | undefined;
  /** Position of the axis of per-channel scales in `shape`. */
  readonly axis?: number | undefined;
}

/** The element type in a TFLite file. @throws DTYPE_MISMATCH for one that TFLite does not have */
export function fileDType(dtype: DType, name: string): TfliteDType {
  if (!isTfliteDType(dtype))
    throw fail("DTYPE_MISMATCH", `Cannot put ${name} into a TFLite file: it has no element type ${dtype}`, {
      at: { tensor: name },
      hint: "Cast the value to a type that TFLite has, such as float32 or int32",
    });
  return dtype;
}

/** The constants of a file. Equal lists of integers, and constants that several nodes read in one form, are stored once. */
export class FileConstants {
  private readonly builder: TfliteBuilder;
  private readonly known = new Map<string, TensorRef>();

  constructor(builder: TfliteBuilder) {
    this.builder = builder;
  }

  /** Stores a constant in an order, as the integers of its encoding if it has one; dequantized again for a reader in float. */
  private add(name: string, constant: Tensor, as: StoredAs): TensorRef {
    const { order, encoding, domain } = as;
    const moved = transposeTensor(constant, order);
    const axis = encoding?.axis === undefined ? undefined : order.indexOf(encoding.axis);
    const physical = encoding && (axis === undefined ? encoding : { ...encoding, axis });
    const stored = physical === undefined ? moved : quantizeTensor(moved, physical);
    const shape = as.shape ?? stored.shape;
    const ref = this.builder.add({
      name,
      shape,
      dtype: fileDType(stored.dtype, name),
      encoding: physical?.axis === undefined || as.axis === undefined ? physical : { ...physical, axis: as.axis },
      data: stored.bytes,
    });
    if (encoding === undefined || domain === "integer") return ref;
    const real = this.builder.add({ name: `${name}_dequantized`, shape, dtype: "float32" });
    this.builder.operator("DEQUANTIZE", { inputs: [ref], outputs: [real], options: { kind: "DequantizeOptions" } });
    return real;
  }

  /** A constant of the graph that several nodes may read alike, as the steps of an unrolled layer do: stored once for each form. */
  shared(name: string, constant: Tensor, as: StoredAs): TensorRef {
    const { order, encoding, domain, shape, axis } = as;
    const grid = encoding === undefined ? "" : `${encoding.dtype} ${encoding.axis} ${encoding.scale} ${encoding.zeroPoint}`;
    const key = `constant ${name} ${domain} [${order}] [${shape ?? constant.shape}] ${axis} ${grid}`;
    return this.once(key, () => this.add(name, constant, as));
  }

  /** An int32 constant; a scalar when `values` is a number. */
  ints(hint: string, values: readonly number[] | number): TensorRef {
    const list = typeof values === "number" ? [values] : values;
    return this.list(hint, list, typeof values === "number" ? [] : [list.length]);
  }

  /** An int32 constant of shape [n, 2]. */
  pairs(hint: string, values: readonly (readonly [number, number])[]): TensorRef {
    return this.list(hint, values.flat(), [values.length, 2]);
  }

  private list(hint: string, list: readonly number[], shape: readonly number[]): TensorRef {
    return this.once(`ints [${shape}] ${list}`, () => {
      const { bytes } = tensor("int32", shape, Int32Array.from(list));
      return this.builder.add({ name: hint, dtype: "int32", shape, data: bytes });
    });
  }

  private once(key: string, make: () => TensorRef): TensorRef {
    const ref = this.known.get(key) ?? make();
    this.known.set(key, ref);
    return ref;
  }
}
