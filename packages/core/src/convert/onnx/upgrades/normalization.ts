import { fail } from "../../../base/error.ts";
import type { Node } from "../../../graph/model.ts";
import { attrFloat, attrInt, makeNode } from "../../../graph/node.ts";
import { i64 } from "../../../graph/tensor.ts";
import { hintOf, inputAt, outputAt, rewritten, scalarLike, trimmed, type UpgradeContext, type UpgradeRow } from "./row.ts";

/** (x - mean) / sqrt(var + epsilon) * scale + bias with one statistic for each position, as `spatial = 0` wanted it. */
function normalizePerPosition(node: Node, context: UpgradeContext): readonly Node[] {
  const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => inputAt(node, i)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const value = (what: string): string => context.value(hintOf(node, what));
  const epsilon = scalarLike(attrFloat(node, "epsilon", 1e-5), x, { hint: hintOf(node, "epsilon"), context });
  const nodes: Node[] = [...epsilon.nodes];
  const step = (op: string, inputs: readonly string[], output: string): string => {
    nodes.push(makeNode(op, { inputs, outputs: [output] }));
    return output;
  };
  const deviation = step("Sqrt", [step("Add", [variance, epsilon.name], value("shifted"))], value("deviation"));
  const centred = step("Sub", [x, mean], value("centred"));
  const scaled = step("Mul", [step("Div", [centred, deviation], value("normal")), scale], value("scaled"));
  nodes.push({ ...makeNode("Add", { inputs: [scaled, bias], outputs: [outputAt(node, 0)] }), name: node.name });
  return nodes;
}

/** Normalisations: statistics per channel, outputs of training, parameters per channel instead of per group. */
export const NORMALIZATION_UPGRADES: readonly UpgradeRow[] = [
  {
    op: "BatchNormalization",
    until: 9,
    says: "statistics for each position (spatial = 0) go",
    upgrade(node, context) {
      if (attrInt(node, "spatial", 1) !== 0) return [rewritten(node, { attributes: { spatial: undefined } })];
      if (node.outputs.slice(1).some((name) => name !== "" && context.isUsed(name))) {
        throw fail(
          "UNSUPPORTED_OP",
          "Cannot raise BatchNormalization with spatial = 0 and training outputs: no later form has both",
          {
            at: { node: node.name },
            hint: "Export the model in inference mode",
          },
        );
      }
      return normalizePerPosition(node, context);
    },
  },
  {
    op: "BatchNormalization",
    until: 14,
    says: "training must be asked for and has three outputs instead of five",
    upgrade(node, context) {
      const isUsed = (index: number): boolean => outputAt(node, index) !== "" && context.isUsed(outputAt(node, index));
      if (isUsed(3) || isUsed(4)) {
        throw fail(
          "UNSUPPORTED_OP",
          "Cannot raise BatchNormalization whose saved_mean or saved_var is read: opset 14 removed those outputs",
          {
            at: { node: node.name },
            hint: "Export the model in inference mode",
          },
        );
      }
      if (node.outputs.length === 1) return [node];
      // Several outputs used to mean training, and exporters left unread ones on inference models: only read ones count.
      const training = isUsed(1) || isUsed(2);
      const outputs = training ? trimmed(node.outputs.slice(0, 3)) : node.outputs.slice(0, 1);
      return [rewritten(node, { outputs, attributes: training ? { training_mode: { kind: "int", value: 1 } } : {} })];
    },
  },
  {
    op: "GroupNormalization",
    until: 21,
    says: "scale and bias are given for each channel instead of each group",
    upgrade(node, context) {
      const [x, scale, bias] = [0, 1, 2].map((i) => inputAt(node, i)) as [string, string, string];
      const groups = attrInt(node, "num_groups");
      const value = (what: string): string => context.value(hintOf(node, what));
      const constant = (what: string, values: readonly number[], shape: readonly number[]): string =>
        context.constant(hintOf(node, what), i64(shape, values));
      const nodes: Node[] = [];
      const channels = context.typeOf(x)?.shape?.[1];
      let expansion: string;
      if (typeof channels === "number") expansion = constant("expansion", [groups, Math.floor(channels / groups)], [2]);
      else {
        const each = value("channels_per_group");
        const count = value("channels");
        expansion = value("expansion");
        nodes.push(
          makeNode("Shape", { inputs: [x], outputs: [count] }, { attributes: { start: 1, end: 2 } }),
          makeNode("Div", { inputs: [count, constant("groups", [groups], [1])], outputs: [each] }),
          makeNode(
            "Concat",
            { inputs: [constant("groups", [groups], [1]), each], outputs: [expansion] },
            { attributes: { axis: 0 } },
          ),
        );
      }
      const spread = (parameter: string, what: string): string => {
        const column = value(`${what}_column`);
        const table = value(`${what}_table`);
        const flat = value(`${what}_per_channel`);
        nodes.push(
          makeNode("Unsqueeze", { inputs: [parameter, constant("one", [1], [1])], outputs: [column] }),
          makeNode("Expand", { inputs: [column, expansion], outputs: [table] }),
          makeNode("Reshape", { inputs: [table, constant("flat", [-1], [1])], outputs: [flat] }),
        );
        return flat;
      };
      const inputs = [x, spread(scale, "scale"), spread(bias, "bias")];
      return [...nodes, rewritten(node, { inputs })];
    },
  },
];
