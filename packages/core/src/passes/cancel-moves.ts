import { type Shape, sameShape } from "../graph/dim.ts";
import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { attrInt, attributes, isOp } from "../graph/node.ts";
import { i64 } from "../graph/tensor.ts";
import { graphPass, type Pass, type PassLog } from "./pass.ts";
import { isReshapeLike, permOf, reshapeTarget } from "./reshape-target.ts";
import { constantInts, isOneOf, shapeOf } from "./values.ts";

/**
 * Takes pairs of movements together: two Transposes into one or none; Reshape, Flatten, Squeeze, Unsqueeze and Transposes that only move axes of
 * size 1, in a row, into one Reshape or none. Declines where the first has other readers, and where the result cannot be written with known sizes. Enters subgraphs.
 */
export function cancelMovesPass(): Pass {
  return graphPass(
    "cancel-moves",
    "Takes Transposes and Reshapes in a row together",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current === undefined) continue;
        if (isOp(current, "Transpose") && joinTransposes(draft, current, log)) continue;
        joinReshapes(draft, current, log);
      }
    },
    { types: true },
  );
}

/** The node before, when this one is its only reader. Says so where it is not. */
function onlyBefore(
  draft: GraphDraft,
  node: Node,
  at: { readonly log: PassLog; readonly rule: string; readonly ops: readonly string[] },
): Node | undefined {
  const input = node.inputs[0] as string;
  const before = draft.producer(input);
  if (before === undefined || !isOneOf(before, at.ops)) return undefined;
  if (draft.onlyConsumer(input)?.name === node.name) return before;
  at.log.declined(at.rule, node, `the result of ${before.op} has other readers`);
  return undefined;
}

function joinTransposes(draft: GraphDraft, node: Node, log: PassLog): boolean {
  const rule = "two-transposes";
  const before = onlyBefore(draft, node, { log, rule, ops: ["Transpose"] });
  if (before === undefined) return false;
  const [a, b] = [permOf(draft, before), permOf(draft, node)];
  if (a === undefined || b === undefined) return false;
  const perm = b.map((axis) => a[axis] as number);
  if (!log.may(rule, node)) return false;
  const input = before.inputs[0] as string;
  const isNothing = perm.every((axis, i) => axis === i);
  if (isNothing && draft.bypass(node, node.outputs[0] as string, input)) draft.remove(before);
  else {
    draft.remove(before);
    draft.replace(draft.current(node) as Node, { ...node, inputs: [input], attributes: attributes({ perm }) });
  }
  log.changed(rule, node, `with ${before.name}`);
  return true;
}

const MOVES = ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"];

function joinReshapes(draft: GraphDraft, node: Node, log: PassLog): void {
  if (!isOneOf(node, MOVES) || !isReshapeLike(draft, node)) return;
  const rule = "two-reshapes";
  const before = onlyBefore(draft, node, { log, rule, ops: MOVES });
  if (before === undefined || !isReshapeLike(draft, before)) return;
  const input = before.inputs[0] as string;
  const from = shapeOf(draft, input);
  const to = shapeOf(draft, node.outputs[0]);
  if (from !== undefined && sameShape(from, to)) {
    if (!log.may(rule, node)) return;
    if (draft.bypass(node, node.outputs[0] as string, input)) {
      draft.remove(before);
      log.changed(rule, node, `undoes ${before.name}`);
      return;
    }
  }
  const target = targetOf(draft, node, { from, to });
  if (target === undefined) {
    log.declined(rule, node, "the new shape cannot be written with the sizes that are known");
    return;
  }
  if (!log.may(rule, node)) return;
  draft.remove(before);
  const shape = draft.addConstant(`${node.outputs[0]}_shape`, i64([target.length], target));
  draft.replace(draft.current(node) as Node, { ...node, op: "Reshape", inputs: [input, shape], attributes: new Map() });
  log.changed(rule, node, `with ${before.name}`);
}

function targetOf(
  draft: GraphDraft,
  node: Node,
  shapes: { readonly from: Shape | undefined; readonly to: Shape | undefined },
): readonly number[] | undefined {
  const own = isOp(node, "Reshape") ? constantInts(draft, node.inputs[1]) : undefined;
  // A target without 0 does not look at the shape before.
  if (own !== undefined && !own.includes(0) && attrInt(node, "allowzero", 0) === 0) return own;
  return shapes.from === undefined || shapes.to === undefined ? undefined : reshapeTarget(shapes.from, shapes.to);
}
