import type { Kernel, NoKernel } from "./kernel.ts";
import { ACTIVATION_KERNELS } from "./kernels/activation.ts";
import { BINARY_KERNELS } from "./kernels/binary.ts";
import { CONV_KERNELS } from "./kernels/conv.ts";
import { MATMUL_KERNELS } from "./kernels/matmul.ts";
import { POOL_KERNELS } from "./kernels/pool.ts";
import { UNARY_KERNELS } from "./kernels/unary.ts";

/** The reference kernel of every operator that has a row, or the reason why there is none. One family a file. */
export const KERNELS = {
  ...ACTIVATION_KERNELS,
  ...BINARY_KERNELS,
  ...CONV_KERNELS,
  ...MATMUL_KERNELS,
  ...POOL_KERNELS,
  ...UNARY_KERNELS,
} as const satisfies Record<string, Kernel | NoKernel>;

/** The kernel of a standard operator; `undefined` for an unknown name. Safe for names that come from files. */
export function kernelOf(op: string): Kernel | NoKernel | undefined {
  return Object.hasOwn(KERNELS, op) ? (KERNELS as Readonly<Record<string, Kernel | NoKernel>>)[op] : undefined;
}
