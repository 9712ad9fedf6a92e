import { RECURRENT_ROWS } from "./recurrent/rows.ts";
import type { LegaliseRow } from "./row.ts";

/** Every rewrite, asked in this order; the first that has something to do with a node wins. */
export const LEGALISE_ROWS: readonly LegaliseRow[] = [...RECURRENT_ROWS];
