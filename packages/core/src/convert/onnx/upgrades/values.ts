import { fail } from "../../../base/error.ts";
import type { Node } from "../../../graph/model.ts";
import { attrFloat, makeNode } from "../../../graph/node.ts";
import { f32 } from "../../../graph/tensor.ts";
import { addInts, hintOf, inputAt, outputAt, rawInts, rewritten, scalarLike, type UpgradeRow } from "./row.ts";

const FLOAT32_MAX = 3.4028234663852886e38;

/** Float attributes that became inputs of the data's own type. */
export const VALUE_UPGRADES: readonly UpgradeRow[] = [
  {
    op: "Clip",
    until: 11,
    says: "min and max become inputs",
    upgrade(node, context) {
      const x = inputAt(node, 0);
      const nodes: Node[] = [];
      const bound = (attribute: string, none: number): string => {
        const value = attrFloat(node, attribute, none);
        // The old defaults are the ends of float32, and an absent bound means the ends of the type: the same, infinities included.
        if (!node.attributes.has(attribute)) return "";
        const scalar = scalarLike(value, x, { hint: hintOf(node, attribute), context });
        nodes.push(...scalar.nodes);
        return scalar.name;
      };
      const min = bound("min", -FLOAT32_MAX);
      const max = bound("max", FLOAT32_MAX);
      return [...nodes, rewritten(node, { inputs: [x, min, max], attributes: { min: undefined, max: undefined } })];
    },
  },
  {
    op: "Pad",
    until: 11,
    says: "pads and value become inputs",
    upgrade(node, context) {
      const pads = rawInts(node, "pads");
      if (pads === undefined)
        throw fail("ATTRIBUTE_INVALID", "Cannot read Pad: the attribute pads is missing", { at: { node: node.name } });
      const x = inputAt(node, 0);
      const value = attrFloat(node, "value", 0);
      const fill = value === 0 ? { name: "", nodes: [] } : scalarLike(value, x, { hint: hintOf(node, "value"), context });
      return [
        ...fill.nodes,
        rewritten(node, {
          inputs: [x, addInts(context, hintOf(node, "pads"), pads), fill.name],
          attributes: { pads: undefined, value: undefined },
        }),
      ];
    },
  },
  {
    op: "Dropout",
    until: 10,
    says: "mask becomes bool",
    upgrade(node, context) {
      const mask = outputAt(node, 1);
      if (mask === "" || !context.isUsed(mask)) return [rewritten(node, { outputs: node.outputs.slice(0, 1) })];
      const bool = context.value(hintOf(node, "mask"));
      return [
        rewritten(node, { outputs: [outputAt(node, 0), bool] }),
        makeNode("CastLike", { inputs: [bool, inputAt(node, 0)], outputs: [mask] }),
      ];
    },
  },
  {
    op: "Dropout",
    until: 12,
    says: "ratio becomes an input, and training must be asked for",
    upgrade(node, context) {
      // The old operator drops nothing outside training, and a model to be deployed is outside training. The ratio is kept for who trains on.
      const ratio = context.constant(hintOf(node, "ratio"), f32([], [attrFloat(node, "ratio", 0.5)]));
      return [rewritten(node, { inputs: [inputAt(node, 0), ratio], attributes: { ratio: undefined } })];
    },
  },
];
