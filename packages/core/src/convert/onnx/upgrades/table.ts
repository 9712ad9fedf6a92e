import { fail } from "../../../base/error.ts";
import type { Node } from "../../../graph/model.ts";
import { AXES_UPGRADES } from "./axes.ts";
import { NORMALIZATION_UPGRADES } from "./normalization.ts";
import { RESIZE_UPGRADES } from "./resize.ts";
import type { UpgradeContext, UpgradeRow } from "./row.ts";
import { SCAN_UPGRADES } from "./scan.ts";
import { SOFTMAX_UPGRADES } from "./softmax.ts";
import { VALUE_UPGRADES } from "./values.ts";

/** Every change of meaning between the oldest opset and the canonical one. */
export const UPGRADES: readonly UpgradeRow[] = [
  ...AXES_UPGRADES,
  ...VALUE_UPGRADES,
  ...SOFTMAX_UPGRADES,
  ...RESIZE_UPGRADES,
  ...NORMALIZATION_UPGRADES,
  ...SCAN_UPGRADES,
];

const BY_OP: ReadonlyMap<string, readonly UpgradeRow[]> = (() => {
  const byOp = new Map<string, UpgradeRow[]>();
  for (const row of UPGRADES) byOp.set(row.op, [...(byOp.get(row.op) ?? []), row]);
  for (const rows of byOp.values()) rows.sort((a, b) => a.until - b.until);
  return byOp;
})();

/**
 * The nodes that compute at the canonical opset what `node` computes at `opset`: the node itself when its meaning did not change. Subgraphs are not
 * entered. Each row's result goes through the later rows of its operators. Names of added nodes may clash: the caller makes them unique.
 *
 * @throws UNSUPPORTED_OP, ATTRIBUTE_INVALID with the node's name
 */
export function upgradeNode(node: Node, opset: number, context: UpgradeContext): readonly Node[] {
  const row = node.domain === "" ? BY_OP.get(node.op)?.find((r) => r.until > opset) : undefined;
  if (row === undefined) return [node];
  if (node.outputs.every((name) => name === ""))
    throw fail("GRAPH_INVALID", `Cannot raise ${node.op}: it has no output`, { at: { node: node.name } });
  return row.upgrade(node, context).flatMap((next) => upgradeNode(next, row.until, context));
}
