import type { Node } from "../../../graph/model.ts";
import { ACTIVATION } from "./activation.ts";
import { CHOICE } from "./choice.ts";
import { CONVOLUTION } from "./convolution.ts";
import { DECONVOLUTION } from "./deconvolution.ts";
import { DENSE } from "./dense.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { JOINING } from "./joining.ts";
import { MOVING } from "./moving.ts";
import { POOL } from "./pool.ts";
import { REDUCE } from "./reduce.ts";
import { PICTURE } from "./resize.ts";
import type { Emission } from "./row.ts";
import { SEQUENCE } from "./sequence-lstm.ts";
import { SHAPE } from "./shape.ts";

/** Every operator that can be emitted: standard ones by name, those that legalisation makes as "tflite:NAME". One family a file. */
export const EMISSIONS: Readonly<Record<string, Emission>> = {
  ...CONVOLUTION,
  ...DECONVOLUTION,
  ...POOL,
  ...DENSE,
  ...ELEMENTWISE,
  ...ACTIVATION,
  ...JOINING,
  ...SHAPE,
  ...REDUCE,
  ...CHOICE,
  ...MOVING,
  ...PICTURE,
  ...SEQUENCE,
};

/** The row of a node's operator; `undefined` for one that TFLite has no form of. */
export function emissionOf(node: Pick<Node, "op" | "domain">): Emission | undefined {
  const key = node.domain === "" ? node.op : `${node.domain}:${node.op}`;
  return Object.hasOwn(EMISSIONS, key) ? EMISSIONS[key] : undefined;
}
