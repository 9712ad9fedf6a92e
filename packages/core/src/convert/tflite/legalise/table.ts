import { ACTIVATION_ROWS } from "./activations.ts";
import { ARRANGE_ROWS } from "./arrange.ts";
import { MATMUL_ROWS } from "./matmul.ts";
import { NORM_ROWS } from "./norm.ts";
import { ONE_DIM_ROWS } from "./one-dim.ts";
import { RECURRENT_ROWS } from "./recurrent/rows.ts";
import { REDUCE_ROWS } from "./reduce.ts";
import { REFUSAL_ROWS } from "./refusals.ts";
import { RESIZE_ROWS } from "./resize.ts";
import type { LegaliseRow } from "./row.ts";

/** Every rewrite, asked in this order; the first that has something to do with a node wins. */
export const LEGALISE_ROWS: readonly LegaliseRow[] = [
  ...RECURRENT_ROWS,
  ...NORM_ROWS,
  ...ACTIVATION_ROWS,
  ...REDUCE_ROWS,
  ...MATMUL_ROWS,
  ...ONE_DIM_ROWS,
  ...ARRANGE_ROWS,
  ...RESIZE_ROWS,
  ...REFUSAL_ROWS,
];
