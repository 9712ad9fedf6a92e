import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { CONV_ROWS } from "./rows/conv.ts";
import { CREATE_ROWS } from "./rows/create.ts";
import { ELEMENTWISE_ROWS } from "./rows/elementwise.ts";
import { IDENTITY_ROWS } from "./rows/identity.ts";
import { INDEXING_ROWS } from "./rows/indexing.ts";
import { MATMUL_ROWS } from "./rows/matmul.ts";
import { MOVEMENT_ROWS } from "./rows/movement.ts";
import { POOL_ROWS } from "./rows/pool.ts";
import { RECURRENT_ROWS } from "./rows/recurrent.ts";
import { REDUCE_ROWS } from "./rows/reduce.ts";
import { SLICE_ROWS } from "./rows/slice.ts";
import { SPATIAL_ROWS } from "./rows/spatial.ts";
import type { RaiseRow } from "./site.ts";

/** How each operator of the file becomes nodes. Those without a row are refused by name. */
export const RAISE_ROWS: Readonly<Partial<Record<BuiltinOperator, RaiseRow>>> = {
  ...CONV_ROWS,
  ...POOL_ROWS,
  ...ELEMENTWISE_ROWS,
  ...REDUCE_ROWS,
  ...MATMUL_ROWS,
  ...MOVEMENT_ROWS,
  ...SLICE_ROWS,
  ...SPATIAL_ROWS,
  ...INDEXING_ROWS,
  ...CREATE_ROWS,
  ...RECURRENT_ROWS,
  ...IDENTITY_ROWS,
};
