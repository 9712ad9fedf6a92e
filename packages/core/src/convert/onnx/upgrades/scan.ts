import { fail } from "../../../base/error.ts";
import type { Attribute, Graph, Node, ValueInfo, ValueType } from "../../../graph/model.ts";
import { attrGraph, attrInt, makeNode } from "../../../graph/node.ts";
import { hintOf, inputAt, rewritten, type UpgradeContext, type UpgradeRow } from "./row.ts";

function withoutShape(type: ValueType): ValueType {
  return type.kind === "tensor" ? { ...type, shape: undefined } : type;
}

/** An outer Scan over the batch whose body is the same Scan without a batch axis. */
function scanOverBatch(node: Node, context: UpgradeContext): Node {
  const body = attrGraph(node, "body");
  const scanned = attrInt(node, "num_scan_inputs");
  if (body === undefined)
    throw fail("ATTRIBUTE_INVALID", "Cannot read Scan: the attribute body is missing", { at: { node: node.name } });
  if (inputAt(node, 0) !== "") {
    throw fail(
      "UNSUPPORTED_OP",
      "Cannot raise Scan of opset 8 with sequence_lens: opset 9 has no sequences of different lengths",
      {
        at: { node: node.name },
        hint: "Export with opset 9 or newer",
      },
    );
  }
  const each = (values: readonly ValueInfo[], what: string): ValueInfo[] =>
    values.map((v, i) => ({ name: context.value(hintOf(node, `${what}_${i}`)), type: withoutShape(v.type) }));
  const inputs = each(body.inputs, "item");
  const outputs = each(body.outputs, "result");
  const directions = node.attributes.get("directions");
  const attributes = new Map<string, Attribute>([
    ["body", { kind: "graph", value: body }],
    ["num_scan_inputs", { kind: "int", value: scanned }],
  ]);
  if (directions !== undefined) attributes.set("scan_input_directions", directions);
  const inner = makeNode(
    "Scan",
    { inputs: inputs.map((v) => v.name), outputs: outputs.map((v) => v.name) },
    { name: `${node.name}/item`, attributes },
  );
  const perItem: Graph = {
    name: `${body.name}_per_item`,
    inputs,
    outputs,
    nodes: [inner],
    constants: new Map(),
    types: new Map(),
  };
  return rewritten(node, {
    inputs: node.inputs.slice(1),
    attributes: {
      body: { kind: "graph", value: perItem },
      num_scan_inputs: { kind: "int", value: inputs.length },
      directions: undefined,
    },
  });
}

/** Scan before and after opset 9. */
export const SCAN_UPGRADES: readonly UpgradeRow[] = [
  {
    op: "Scan",
    until: 9,
    says: "loses its batch axis and sequence_lens",
    upgrade: (node, context) => [scanOverBatch(node, context)],
  },
];
