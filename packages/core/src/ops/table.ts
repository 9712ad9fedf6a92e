import type { Node } from "../graph/model.ts";
import { ACTIVATION } from "./activation.ts";
import { BINARY } from "./binary.ts";
import { CONTROL } from "./control.ts";
import { CONV } from "./conv.ts";
import { DETECTION } from "./detection.ts";
import { INDEXING } from "./indexing.ts";
import { MATMUL } from "./matmul.ts";
import { MOVEMENT } from "./movement.ts";
import { NORM } from "./norm.ts";
import { POOL } from "./pool.ts";
import { QUANTIZE } from "./quantize.ts";
import { RANDOM } from "./random.ts";
import { RECURRENT } from "./recurrent.ts";
import { REDUCE } from "./reduce.ts";
import { RESIZE } from "./resize.ts";
import type { OpRow } from "./row.ts";
import { SHAPE_OPS } from "./shape-ops.ts";
import { SIGNAL } from "./signal.ts";
import { UNARY } from "./unary.ts";

/** Every standard operator that Tessera knows, at the canonical opset. One family a file. */
export const OPS = {
  ...UNARY,
  ...BINARY,
  ...ACTIVATION,
  ...REDUCE,
  ...SHAPE_OPS,
  ...MOVEMENT,
  ...INDEXING,
  ...CONV,
  ...POOL,
  ...NORM,
  ...MATMUL,
  ...RECURRENT,
  ...RESIZE,
  ...QUANTIZE,
  ...CONTROL,
  ...SIGNAL,
  ...DETECTION,
  ...RANDOM,
} as const satisfies Record<string, OpRow>;

/** Name of a known operator of the ONNX standard domain. */
export type OpName = keyof typeof OPS;

/** Whether `op` of the standard domain has a row. Safe for names that come from files. */
export function isOpName(op: string): op is OpName {
  return Object.hasOwn(OPS, op);
}

/** The row of a node's operator; `undefined` for other domains and unknown names. */
export function opRow(node: Pick<Node, "op" | "domain">): OpRow | undefined {
  return node.domain === "" && isOpName(node.op) ? OPS[node.op] : undefined;
}
