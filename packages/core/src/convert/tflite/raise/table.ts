import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { CONV_ROWS } from "./rows/conv.ts";
import { ELEMENTWISE_ROWS } from "./rows/elementwise.ts";
import { IDENTITY_ROWS } from "./rows/identity.ts";
import { MATMUL_ROWS } from "./rows/matmul.ts";
import { MOVEMENT_ROWS } from "./rows/movement.ts";
import { POOL_ROWS } from "./rows/pool.ts";
import { REDUCE_ROWS } from "./rows/reduce.ts";
import type { RaiseRow } from "./site.ts";

/** How each operator of the file becomes nodes. Those without a row are refused by name. */
export const RAISE_ROWS: Readonly<Partial<Record<BuiltinOperator, RaiseRow>>> = {
  ...CONV_ROWS,
  ...POOL_ROWS,
  ...ELEMENTWISE_ROWS,
  ...REDUCE_ROWS,
  ...MATMUL_ROWS,
  ...MOVEMENT_ROWS,
  ...IDENTITY_ROWS,
};
