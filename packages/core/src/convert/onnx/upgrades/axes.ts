import { fail } from "../../../base/error.ts";
import { attrInt } from "../../../graph/node.ts";
import { i64 } from "../../../graph/tensor.ts";
import { addInts, hintOf, inputAt, rawInts, rewritten, type UpgradeRow } from "./row.ts";

/** `axes` (or `split`) moves from an attribute to the input after the data; absent stays absent. */
function attributeToInput(
  op: string,
  options: { readonly until: number; readonly attribute: string; readonly required?: boolean },
): UpgradeRow {
  const { until, attribute } = options;
  return {
    op,
    until,
    says: `${attribute} becomes an input`,
    upgrade(node, context) {
      const values = rawInts(node, attribute);
      if (values === undefined && options.required) {
        throw fail("ATTRIBUTE_INVALID", `Cannot read ${op}: the attribute ${attribute} is missing`, { at: { node: node.name } });
      }
      // An empty list meant the same as none: reduce or squeeze everything.
      const added = values === undefined || values.length === 0 ? "" : addInts(context, hintOf(node, attribute), values);
      return [rewritten(node, { inputs: [inputAt(node, 0), added], attributes: { [attribute]: undefined } })];
    },
  };
}

const REDUCTIONS_OF_18 = [
  "ReduceL1",
  "ReduceL2",
  "ReduceLogSum",
  "ReduceLogSumExp",
  "ReduceMax",
  "ReduceMean",
  "ReduceMin",
  "ReduceProd",
  "ReduceSumSquare",
];

/** Integer attributes that became inputs, and what came with that. */
export const AXES_UPGRADES: readonly UpgradeRow[] = [
  attributeToInput("Squeeze", { until: 13, attribute: "axes" }),
  attributeToInput("Unsqueeze", { until: 13, attribute: "axes", required: true }),
  attributeToInput("ReduceSum", { until: 13, attribute: "axes" }),
  ...REDUCTIONS_OF_18.map((op) => attributeToInput(op, { until: 18, attribute: "axes" })),
  attributeToInput("Split", { until: 13, attribute: "split" }),
  {
    op: "Split",
    until: 18,
    says: "equal parts must be asked for by num_outputs",
    upgrade(node) {
      if (inputAt(node, 1) !== "") return [node];
      return [rewritten(node, { attributes: { num_outputs: { kind: "int", value: node.outputs.length } } })];
    },
  },
  {
    op: "Slice",
    until: 10,
    says: "starts, ends and axes become inputs",
    upgrade(node, context) {
      const starts = rawInts(node, "starts");
      const ends = rawInts(node, "ends");
      if (starts === undefined || ends === undefined || starts.length !== ends.length) {
        throw fail("ATTRIBUTE_INVALID", "Cannot read Slice: it needs starts and ends of equal length", {
          at: { node: node.name },
        });
      }
      // Without axes the first starts.length axes are meant, in the old form and in the new one.
      const axes = rawInts(node, "axes");
      return [
        rewritten(node, {
          inputs: [
            inputAt(node, 0),
            addInts(context, hintOf(node, "starts"), starts),
            addInts(context, hintOf(node, "ends"), ends),
            addInts(context, hintOf(node, "axes"), axes ?? starts.map((_, i) => i)),
          ],
          attributes: { starts: undefined, ends: undefined, axes: undefined },
        }),
      ];
    },
  },
  {
    op: "TopK",
    until: 10,
    says: "k becomes an input",
    upgrade(node, context) {
      const k = node.attributes.get("k");
      if (k?.kind !== "int")
        throw fail("ATTRIBUTE_INVALID", "Cannot read TopK: the attribute k is missing", { at: { node: node.name } });
      return [
        rewritten(node, {
          inputs: [inputAt(node, 0), addInts(context, hintOf(node, "k"), [k.value])],
          attributes: { k: undefined },
        }),
      ];
    },
  },
  {
    op: "DFT",
    until: 20,
    says: "axis becomes an input, and its default moves from 1 to -2",
    upgrade(node, context) {
      const axis = context.constant(hintOf(node, "axis"), i64([], [attrInt(node, "axis", 1)]));
      return [rewritten(node, { inputs: [inputAt(node, 0), inputAt(node, 1), axis], attributes: { axis: undefined } })];
    },
  },
];
