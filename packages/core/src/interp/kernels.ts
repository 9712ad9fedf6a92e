import type { OpName } from "../ops/table.ts";
import type { Kernel, NoKernel } from "./kernel.ts";
import { ACTIVATION_KERNELS } from "./kernels/activation.ts";
import { BINARY_KERNELS } from "./kernels/binary.ts";
import { CONTROL_KERNELS } from "./kernels/control.ts";
import { CONV_KERNELS } from "./kernels/conv.ts";
import { DETECTION_KERNELS } from "./kernels/detection.ts";
import { INDEXING_KERNELS } from "./kernels/indexing.ts";
import { MATMUL_KERNELS } from "./kernels/matmul.ts";
import { MOVEMENT_KERNELS } from "./kernels/movement.ts";
import { NORM_KERNELS } from "./kernels/norm.ts";
import { POOL_KERNELS } from "./kernels/pool.ts";
import { QUANTIZE_KERNELS } from "./kernels/quantize.ts";
import { RANDOM_KERNELS } from "./kernels/random.ts";
import { RECURRENT_KERNELS } from "./kernels/recurrent.ts";
import { REDUCE_KERNELS } from "./kernels/reduce.ts";
import { RESIZE_KERNELS } from "./kernels/resize.ts";
import { SHAPE_KERNELS } from "./kernels/shape-ops.ts";
import { SIGNAL_KERNELS } from "./kernels/signal.ts";
import { UNARY_KERNELS } from "./kernels/unary.ts";

/** The reference kernel of every operator that has a row, or the reason why there is none. One family a file. */
export const KERNELS = {
  ...ACTIVATION_KERNELS,
  ...BINARY_KERNELS,
  ...CONTROL_KERNELS,
  ...CONV_KERNELS,
  ...DETECTION_KERNELS,
  ...INDEXING_KERNELS,
  ...MATMUL_KERNELS,
  ...MOVEMENT_KERNELS,
  ...NORM_KERNELS,
  ...POOL_KERNELS,
  ...QUANTIZE_KERNELS,
  ...RANDOM_KERNELS,
  ...RECURRENT_KERNELS,
  ...REDUCE_KERNELS,
  ...RESIZE_KERNELS,
  ...SHAPE_KERNELS,
  ...SIGNAL_KERNELS,
  ...UNARY_KERNELS,
} as const satisfies Record<OpName, Kernel | NoKernel>;

/** The kernel of a standard operator; `undefined` for an unknown name. Safe for names that come from files. */
export function kernelOf(op: string): Kernel | NoKernel | undefined {
  return Object.hasOwn(KERNELS, op) ? KERNELS[op as OpName] : undefined;
}
