import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { isOp, makeNode } from "../graph/node.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { graphPass, type Pass } from "./pass.ts";
import { shapeOf } from "./values.ts";

/** Options of {@link splitPrelu}. */
export interface SplitPreluOptions {
  /**
   * Write slopes up to 1 as two depthwise Convs of one tap, s*x + relu((1-s)*x), where x comes from a Conv: a runtime with a blocked layout fuses
   * the relu into one and the sum into the other, and the value never leaves that layout.
   */
  readonly asConv?: boolean;
}

/** Defaults of {@link SplitPreluOptions}. */
export const SPLIT_PRELU_DEFAULTS = { asConv: false } as const;

/**
 * Writes PRelu with constant slopes s as s*x + (1-s)*relu(x): the same function for slopes of any sign and size, exact up to float rounding. Pays where
 * the runtime's PRelu kernel is slow (a row of the target says so); costs accuracy when quantized, because the two terms cancel. Enters subgraphs.
 */
export function splitPrelu(options: SplitPreluOptions = {}): Pass {
  const asConv = options.asConv ?? SPLIT_PRELU_DEFAULTS.asConv;
  return graphPass(
    "split-prelu",
    "Writes PRelu as s*x + (1-s)*relu(x), which is faster on some runtimes",
    (draft, log) => {
      for (const node of draft.nodes()) {
        if (!isOp(node, "PRelu")) continue;
        const current = draft.current(node) as Node;
        const slope = draft.constant(current.inputs[1] as string);
        if (slope?.dtype !== "float32") {
          log.declined("split-prelu", node, "its slope is not a float32 constant");
          continue;
        }
        if (!log.may("split-prelu", node)) continue;
        if (asConv && suitsConv(draft, current, slope)) writeConvs(draft, current, slope);
        else writeProducts(draft, current, slope);
        log.changed("split-prelu", node);
      }
    },
    { types: asConv },
  );
}

function suitsConv(draft: GraphDraft, node: Node, slope: Tensor): boolean {
  const x = node.inputs[0] as string;
  const shape = shapeOf(draft, x);
  const maker = draft.producer(x);
  if (shape === undefined || shape.length < 3 || maker === undefined || !isOp(maker, "Conv")) return false;
  const axis = slope.shape.length - (shape.length - 1);
  const perChannel = slope.shape.every((n, i) => n === 1 || i === axis) && slope.shape[axis] === shape[1];
  return perChannel && toNumbers(slope).every((s) => s <= 1);
}

function writeConvs(draft: GraphDraft, node: Node, slope: Tensor): void {
  const x = node.inputs[0] as string;
  const y = node.outputs[0] as string;
  const values = toNumbers(slope);
  const spatial = new Array<number>((shapeOf(draft, x)?.length ?? 4) - 2).fill(1);
  const weight = (what: string, of: (s: number) => number): string =>
    draft.addConstant(`${y}_${what}`, f32([values.length, 1, ...spatial], Float32Array.from(values, of)));
  const s = weight("slope", (v) => v);
  const rest = weight("one_minus_slope", (v) => 1 - v);
  const [scaled, other, positive] = ["scaled", "other", "positive"].map((part) => draft.freshName(`${y}_${part}`)) as [
    string,
    string,
    string,
  ];
  const attributes = { group: values.length, kernel_shape: spatial };
  draft.replace(
    node,
    makeNode("Conv", { inputs: [x, s], outputs: [scaled] }, { attributes }),
    makeNode("Conv", { inputs: [x, rest], outputs: [other] }, { attributes }),
    makeNode("Relu", { inputs: [other], outputs: [positive] }),
    makeNode("Add", { inputs: [scaled, positive], outputs: [y] }, { name: node.name }),
  );
}

function writeProducts(draft: GraphDraft, node: Node, slope: Tensor): void {
  const x = node.inputs[0] as string;
  const y = node.outputs[0] as string;
  const values = toNumbers(slope);
  const constant = (what: string, of: (s: number) => number): string =>
    draft.addConstant(`${y}_${what}`, f32(slope.shape, Float32Array.from(values, of)));
  const s = constant("slope", (v) => v);
  const rest = constant("one_minus_slope", (v) => 1 - v);
  const [scaled, positive, kept] = ["scaled", "positive", "kept"].map((part) => draft.freshName(`${y}_${part}`)) as [
    string,
    string,
    string,
  ];
  draft.replace(
    node,
    makeNode("Mul", { inputs: [x, s], outputs: [scaled] }),
    makeNode("Relu", { inputs: [x], outputs: [positive] }),
    makeNode("Mul", { inputs: [positive, rest], outputs: [kept] }),
    makeNode("Add", { inputs: [scaled, kept], outputs: [y] }, { name: node.name }),
  );
}
