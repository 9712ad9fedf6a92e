import { attrInt, makeNode } from "../../../graph/node.ts";
import { hintOf, inputAt, outputAt, rewritten, type UpgradeRow } from "./row.ts";

function perAxis(op: string): UpgradeRow {
  return {
    op,
    until: 13,
    says: "works along one axis instead of over all axes from `axis` on",
    upgrade(node, context) {
      const x = inputAt(node, 0);
      const axis = attrInt(node, "axis", 1);
      const shape = context.typeOf(x)?.shape;
      const from = axis < 0 && shape !== undefined ? axis + shape.length : axis;
      // Nothing differs where the axes behind `axis` hold one element each, in particular where there are none.
      const rest = shape?.slice(from + 1);
      if (axis === -1 || (rest !== undefined && from >= 0 && from < (shape?.length ?? 0) && rest.every((d) => d === 1))) {
        return [rewritten(node, { attributes: { axis: { kind: "int", value: axis } } })];
      }
      const names = {
        shape: context.value(hintOf(node, "shape")),
        flat: context.value(hintOf(node, "flat")),
        soft: context.value(hintOf(node, "soft")),
      };
      return [
        makeNode("Shape", { inputs: [x], outputs: [names.shape] }),
        makeNode("Flatten", { inputs: [x], outputs: [names.flat] }, { attributes: { axis } }),
        rewritten(node, { inputs: [names.flat], outputs: [names.soft], attributes: { axis: { kind: "int", value: -1 } } }),
        // allowzero: the shape is a real one, whose zeros are sizes and not "copy this one".
        makeNode(
          "Reshape",
          { inputs: [names.soft, names.shape], outputs: [outputAt(node, 0)] },
          { attributes: { allowzero: 1 } },
        ),
      ];
    },
  };
}

/** Softmax and its relatives before and after opset 13. */
export const SOFTMAX_UPGRADES: readonly UpgradeRow[] = [perAxis("Softmax"), perAxis("LogSoftmax"), perAxis("Hardmax")];
