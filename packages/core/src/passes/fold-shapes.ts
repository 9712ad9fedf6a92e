import { sameDim } from "../graph/dim.ts";
import { withAttributes } from "../graph/edit.ts";
import { attrInt, isOp } from "../graph/node.ts";
import { i64 } from "../graph/tensor.ts";
import { graphPass, type Pass } from "./pass.ts";
import { reshapeTarget } from "./reshape-target.ts";
import { shapeOf } from "./values.ts";

/**
 * Gives Reshape and Expand a constant target where a chain of shape arithmetic only says, in sum, what is known: numbers, sizes that stay (0 for
 * Reshape, 1 for Expand) and at most one that follows from the others (-1). The chain is left to remove-dead. Enters subgraphs.
 */
export function foldShapesPass(): Pass {
  return graphPass(
    "fold-shapes",
    "Gives Reshape and Expand constant targets in place of shape arithmetic",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current === undefined || (!isOp(current, "Reshape") && !isOp(current, "Expand"))) continue;
        if (draft.constant(current.inputs[1] as string) !== undefined) continue;
        const from = shapeOf(draft, current.inputs[0]);
        const to = shapeOf(draft, current.outputs[0]);
        if (from === undefined || to === undefined) continue;
        const isReshape = current.op === "Reshape";
        const kept = to.slice(to.length - from.length);
        const target = isReshape
          ? reshapeTarget(from, to)
          : to.map((dim, i) => {
              const own = kept.length === from.length ? from[i - (to.length - from.length)] : undefined;
              return own !== undefined && sameDim(dim, own) ? 1 : dim;
            });
        const rule = "constant-target";
        if (target === undefined || !target.every((d) => typeof d === "number")) {
          log.declined(rule, node, `it would have to say [${to}] of a value of [${from}]`);
          continue;
        }
        if (!log.may(rule, node)) continue;
        const name = draft.addConstant(`${current.outputs[0]}_shape`, i64([target.length], target as number[]));
        const plain =
          isReshape && attrInt(current, "allowzero", 0) !== 0 ? withAttributes(current, { allowzero: undefined }) : current;
        draft.replace(current, { ...plain, inputs: [current.inputs[0] as string, name] });
        log.changed(rule, node, `[${target}]`);
      }
    },
    { types: true },
  );
}
