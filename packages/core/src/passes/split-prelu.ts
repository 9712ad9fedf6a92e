import type { Node } from "../graph/model.ts";
import { isOp, makeNode } from "../graph/node.ts";
import { f32, toNumbers } from "../graph/tensor.ts";
import { graphPass, type Pass } from "./pass.ts";

/**
 * Writes PRelu with constant slopes s as s*x + (1-s)*relu(x): the same function for slopes of any sign and size, exact up to float rounding. Pays where
 * the runtime's PRelu kernel is slow (a row of the target says so); costs accuracy when quantized, because the two terms cancel. Enters subgraphs.
 */
export function splitPrelu(): Pass {
  return graphPass("split-prelu", "Writes PRelu as s*x + (1-s)*relu(x), which is faster on some runtimes", (draft, log) => {
    for (const node of draft.nodes()) {
      if (!isOp(node, "PRelu")) continue;
      const current = draft.current(node) as Node;
      const slope = draft.constant(current.inputs[1] as string);
      if (slope?.dtype !== "float32") {
        log.declined("split-prelu", node, "its slope is not a float32 constant");
        continue;
      }
      if (!log.may("split-prelu", node)) continue;
      const x = current.inputs[0] as string;
      const y = current.outputs[0] as string;
      const values = toNumbers(slope);
      const s = draft.addConstant(`${y}_slope`, f32(slope.shape, Float32Array.from(values)));
      const rest = draft.addConstant(
        `${y}_one_minus_slope`,
        f32(
          slope.shape,
          Float32Array.from(values, (v) => 1 - v),
        ),
      );
      const [scaled, positive, kept] = ["scaled", "positive", "kept"].map((part) => draft.freshName(`${y}_${part}`)) as [
        string,
        string,
        string,
      ];
      draft.replace(
        current,
        makeNode("Mul", { inputs: [x, s], outputs: [scaled] }),
        makeNode("Relu", { inputs: [x], outputs: [positive] }),
        makeNode("Mul", { inputs: [positive, rest], outputs: [kept] }),
        makeNode("Add", { inputs: [scaled, kept], outputs: [y] }, { name: current.name }),
      );
      log.changed("split-prelu", node);
    }
  });
}
