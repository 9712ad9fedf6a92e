import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { countOf, toNumbers } from "../graph/tensor.ts";
import { dataInputs } from "../targets/rules.ts";
import type { OperatorRule } from "../targets/target.ts";

/** Why a node that the table allows cannot be integer here; `undefined` when it can. */
export function floatReason(node: Node, rule: OperatorRule | undefined, draft: GraphDraft): string | undefined {
  if (rule === undefined) return undefined;
  if (rule.kind === "float") return rule.why;
  for (const index of dataInputs(node, rule)) {
    const name = node.inputs[index] as string;
    const type = draft.type(name);
    const dtype = draft.constant(name)?.dtype ?? (type?.kind === "tensor" ? type.dtype : undefined);
    if (dtype === undefined) return `the type of its input ${name} is not known`;
    if (dtype !== "float32") return `its input ${name} is ${dtype}, not float32`;
  }
  if (rule.kind === "integer" && rule.weight !== undefined) return weightReason(node, rule, draft);
  if (rule.kind === "absorbed" && node.op === "Clip") {
    const low = draft.constant(node.inputs[1] ?? "");
    const high = draft.constant(node.inputs[2] ?? "");
    if ((node.inputs[1] && low === undefined) || (node.inputs[2] && high === undefined)) return "its bounds are computed";
    if (low !== undefined && (toNumbers(low)[0] as number) > 0) return "its lower bound is above zero";
    if (high !== undefined && (toNumbers(high)[0] as number) < 0) return "its upper bound is below zero";
  }
  if (rule.kind === "equal" && node.op === "Pad") {
    const value = node.inputs[2] ? draft.constant(node.inputs[2]) : undefined;
    if (node.inputs[2] && (value === undefined || toNumbers(value)[0] !== 0)) return "it pads with something other than zero";
  }
  return undefined;
}

function weightReason(node: Node, rule: OperatorRule & { readonly kind: "integer" }, draft: GraphDraft): string | undefined {
  const weight = node.inputs[rule.weight as number] ?? "";
  const constant = draft.constant(weight);
  if (constant === undefined && node.op !== "MatMul") return `its weight ${weight} is not a constant`;
  if (constant !== undefined && constant.dtype !== "float32") return `its weight ${weight} is ${constant.dtype}`;
  const bias = rule.bias === undefined ? "" : (node.inputs[rule.bias] ?? "");
  if (bias !== "" && draft.constant(bias)?.dtype !== "float32") return `its bias ${bias} is not a float32 constant`;
  if (node.op === "Gemm")
    return gemmReason(node, bias === "" ? undefined : countOf(draft.constant(bias)?.shape ?? []), constant?.shape);
  return undefined;
}

function gemmReason(node: Node, biasCount: number | undefined, weightShape: readonly number[] | undefined): string | undefined {
  const number = (name: string, fallback: number): number => {
    const a = node.attributes.get(name);
    return a?.kind === "float" || a?.kind === "int" ? Number(a.value) : fallback;
  };
  if (number("transA", 0) !== 0) return "its first operand is transposed";
  if (number("alpha", 1) !== 1) return "its product is scaled by alpha";
  if (biasCount !== undefined && number("beta", 1) !== 1) return "its bias is scaled by beta";
  const columns = weightShape?.[number("transB", 0) ? 0 : 1];
  if (biasCount !== undefined && biasCount !== columns) return "its bias does not have one value per column";
  return undefined;
}
