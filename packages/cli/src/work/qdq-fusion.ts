import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { GraphDraft } from "@tessera/core/graph/draft";
import type { Model, Node } from "@tessera/core/graph/model";
import type { FusionSummary } from "@tessera/core/protocol/report";
import { dataInputs, ruleOf } from "@tessera/core/targets/rules";
import type { Target } from "@tessera/core/targets/target";

const QUANTIZE = "QuantizeLinear";
const DEQUANTIZE = "DequantizeLinear";

/**
 * What a QDQ file asks of a target whose runtime is not here: which nodes have integers on all sides and, by the target's rules, a kernel for them. What
 * the device's own compiler makes of it, nobody here has seen.
 */
export function qdqFusion(bytes: Uint8Array, target: Target): FusionSummary {
  return qdqGraphFusion(modelFromOnnx(bytes), target);
}

function qdqGraphFusion(model: Model, target: Target): FusionSummary {
  const draft = new GraphDraft(model.graph);
  const nodes = model.graph.nodes.filter((n) => n.op !== QUANTIZE && n.op !== DEQUANTIZE);
  const integer = new Set(nodes.filter((n) => isInteger(n, draft, target)).map((n) => n.name));
  const rows = new Map<string, { integer: number; total: number }>();
  const islands: { node: string; op: string; why: string }[] = [];
  for (const node of nodes) {
    const rule = ruleOf(node, target);
    if (rule?.kind === "through" || isVanished(node, draft, target)) continue;
    const row = rows.get(node.op) ?? { integer: 0, total: 0 };
    row.total++;
    if (integer.has(node.name)) row.integer++;
    else islands.push({ node: node.name, op: node.op, why: rule?.kind === "float" ? rule.why : "it has floats on one side" });
    rows.set(node.op, row);
  }
  return {
    integer: [...rows].map(([op, row]) => ({ op, ...row })),
    transposes: nodes.filter((n) => n.op === "Transpose").length,
    quantizeNodes: model.graph.nodes.filter((n) => isConversion(n, draft, integer)).length,
    islands,
  };
}

/** Whether all data come out of integers and all results go into integers. */
function isInteger(node: Node, draft: GraphDraft, target: Target): boolean {
  const rule = ruleOf(node, target);
  if (rule === undefined || rule.kind === "float") return false;
  const { weight } = rule.kind === "integer" ? rule : {};
  const positions = [...dataInputs(node, rule), ...(weight === undefined ? [] : [weight])];
  const data = positions.map((i) => node.inputs[i] ?? "").filter((name) => name !== "" && draft.constant(name) === undefined);
  const made = node.outputs.filter((name) => name !== "");
  return (
    data.some((name) => fromIntegers(name, draft)) &&
    data.every((name) => fromIntegers(name, draft) || isVanishing(draft.producer(name), draft, target)) &&
    made.every(
      (name) =>
        draft.consumers(name).length > 0 && draft.consumers(name).every((n) => n.op === QUANTIZE || isVanished(n, draft, target)),
    )
  );
}

function fromIntegers(name: string, draft: GraphDraft): boolean {
  return draft.producer(name)?.op === DEQUANTIZE;
}

/** Whether a Relu or Clip stands between a node and the rounding of its result, and is computed as one with it. */
function isVanished(node: Node, draft: GraphDraft, target: Target): boolean {
  if (ruleOf(node, target)?.kind !== "absorbed") return false;
  const [input = "", output = ""] = [node.inputs[0], node.outputs[0]];
  return !fromIntegers(input, draft) && draft.consumers(output).every((n) => n.op === QUANTIZE);
}

function isVanishing(node: Node | undefined, draft: GraphDraft, target: Target): boolean {
  return node !== undefined && isVanished(node, draft, target);
}

/** A Q or DQ at a border between integers and floats, and not within integers; those of constants are part of the weights. */
function isConversion(node: Node, draft: GraphDraft, integer: ReadonlySet<string>): boolean {
  const [input = "", output = ""] = [node.inputs[0], node.outputs[0]];
  if (node.op === QUANTIZE) {
    const maker = draft.producer(input);
    return maker === undefined || !(integer.has(maker.name) || integer.has(draft.producer(maker.inputs[0] ?? "")?.name ?? ""));
  }
  if (node.op !== DEQUANTIZE || draft.constant(input) !== undefined) return false;
  return draft.isOutput(output) || draft.consumers(output).some((n) => !integer.has(n.name));
}
