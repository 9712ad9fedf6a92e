import { GraphDraft } from "../graph/draft.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model, Node } from "../graph/model.ts";
import type { NodeChoice } from "../graph/plan.ts";
import { countOf, toNumbers } from "../graph/tensor.ts";
import { usedNames } from "../graph/walk.ts";
import type { OperatorRule, Target } from "../targets/target.ts";

/** A weight (and bias) that one node owns. */
export interface WeightPlace {
  readonly node: string;
  readonly op: string;
  readonly weight: string;
  readonly bias: string | undefined;
  /** The activation that is multiplied with the weight. */
  readonly input: string;
}

/** Where a target's rules put integers in a graph, before any number was seen. */
export interface Placement {
  /** Activations that get an encoding of their own, in graph order. */
  readonly activations: readonly string[];
  /** Activations that must share the encoding of another one, because integers pass through unchanged: name -> whose. */
  readonly shared: ReadonlyMap<string, string>;
  /** Activations with an encoding that the target fixes. */
  readonly fixed: ReadonlyMap<string, { readonly scale: number; readonly zeroPoint: number }>;
  /** Constants that are quantized like activations (an operand of Add or Mul). */
  readonly operands: readonly string[];
  readonly weights: readonly WeightPlace[];
  /** Every node of the graph with what it computes in, and why. */
  readonly choices: ReadonlyMap<string, NodeChoice>;
}

/** Options of {@link placeIntegers}. */
export interface PlacementOptions {
  /** Nodes that the caller keeps in float: name -> why. */
  readonly keepFloat?: ReadonlyMap<string, string>;
}

/**
 * The model with weights and biases that are read in several places cut apart, because each node needs scales of its own, and whoever computes in
 * float must not read rounded weights.
 */
export function unshareWeights(model: Model, target: Target): Model {
  const draft = new GraphDraft(model.graph);
  const taken = new Set<string>(model.graph.outputs.map((o) => o.name));
  const owners = new Map<string, number>();
  for (const node of draft.nodes()) for (const name of usedNames(node)) owners.set(name, (owners.get(name) ?? 0) + 1);
  for (const node of draft.nodes()) {
    const rule = ruleOf(node, target);
    if (rule?.kind !== "integer" || rule.weight === undefined) continue;
    const inputs = [...node.inputs];
    for (const index of [rule.weight, rule.bias]) {
      const name = index === undefined ? undefined : inputs[index];
      const constant = name ? draft.constant(name) : undefined;
      if (index === undefined || name === undefined || constant === undefined) continue;
      const others = (owners.get(name) ?? 1) > 1 || inputs.some((other, i) => i !== index && other === name);
      if (!others && !taken.has(name)) continue;
      inputs[index] = draft.addConstant(name, constant);
    }
    if (inputs.some((name, i) => name !== node.inputs[i])) draft.replace(node, { ...node, inputs });
  }
  return withGraph(model, draft.finish());
}

/**
 * Goes through a graph in order and asks the target's operator table what becomes integer. Subgraphs stay in float.
 *
 * Values between a node and the Relu or Clip that vanishes into its range get no encoding, only the value after it does.
 */
export function placeIntegers(model: Model, target: Target, options: PlacementOptions = {}): Placement {
  const { graph } = model;
  const draft = new GraphDraft(graph);
  const choices = new Map<string, NodeChoice>();
  const encoded = new Set<string>();
  const shared = new Map<string, string>();
  const fixed = new Map<string, { scale: number; zeroPoint: number }>();
  const operands = new Set<string>();
  const weights: WeightPlace[] = [];

  for (const node of graph.nodes) {
    const rule = ruleOf(node, target);
    const kept = options.keepFloat?.get(node.name);
    const why = kept ?? floatReason(node, rule, draft);
    if (why !== undefined || rule === undefined || rule.kind === "float") {
      choices.set(node.name, { precision: "float32", reason: why ?? `${target.id} lists no integer kernel for ${node.op}` });
      continue;
    }
    const output = node.outputs[0] as string;
    if (rule.kind === "absorbed") {
      const input = node.inputs[0] as string;
      const maker = draft.producer(input);
      // A value that only moves, or whose grid is fixed, has no range that the bound could become.
      const vanishes = makesRange(maker, target) && encoded.has(input) && draft.onlyConsumer(input)?.name === node.name;
      if (vanishes && maker !== undefined) {
        encoded.delete(input);
        encoded.add(output);
        choices.set(node.name, { precision: "int8", reason: `vanishes into the range of ${maker.op} before it` });
      } else choices.set(node.name, { precision: "float32", reason: `no integer node of its own stands before this ${node.op}` });
      continue;
    }
    if (rule.kind === "through") {
      const input = node.inputs[0] as string;
      if (!encoded.has(input) && !shared.has(input)) {
        choices.set(node.name, { precision: "float32", reason: "its input is not quantized" });
        continue;
      }
      for (const name of node.outputs) if (name !== "") shared.set(name, shared.get(input) ?? input);
      choices.set(node.name, { precision: "int8", reason: "moves integers without touching them" });
      continue;
    }
    choices.set(node.name, { precision: "int8", reason: `${target.id} has an integer kernel for ${node.op}` });
    node.inputs.forEach((name, index) => {
      if (name === "" || index === rule.bias || !isData(node, index)) return;
      if (draft.constant(name) !== undefined) {
        if (index !== rule.weight) operands.add(name);
      } else if (!shared.has(name)) encoded.add(name);
    });
    if (rule.weight !== undefined && draft.constant(node.inputs[rule.weight] ?? "") !== undefined) {
      const bias = rule.bias === undefined ? undefined : node.inputs[rule.bias] || undefined;
      weights.push({
        node: node.name,
        op: node.op,
        weight: node.inputs[rule.weight] as string,
        bias,
        input: node.inputs[0] as string,
      });
    }
    encoded.add(output);
    if (rule.fixedOutput !== undefined) fixed.set(output, rule.fixedOutput);
  }
  return { activations: [...encoded], shared, fixed, operands: [...operands], weights, choices };
}

function ruleOf(node: Node, target: Target): OperatorRule | undefined {
  return node.domain === "" && Object.hasOwn(target.operators, node.op) ? target.operators[node.op] : undefined;
}

/** Whether an input carries numbers that are computed with; the condition of Where does not. */
function isData(node: Node, index: number): boolean {
  return node.op !== "Where" || index > 0;
}

/** Whether a node's output has a range of its own that a Relu or Clip behind it may vanish into. */
function makesRange(maker: Node | undefined, target: Target): boolean {
  if (maker === undefined || target.activations.symmetric) return false;
  const rule = ruleOf(maker, target);
  return rule?.kind === "absorbed" || (rule?.kind === "integer" && rule.fixedOutput === undefined);
}

/** Why a node that the table allows cannot be integer here; `undefined` when it can. */
function floatReason(node: Node, rule: OperatorRule | undefined, draft: GraphDraft): string | undefined {
  if (rule === undefined) return undefined;
  if (rule.kind === "float") return rule.why;
  const data = rule.kind === "integer" && rule.weight === undefined ? node.inputs : node.inputs.slice(0, 1);
  for (const [index, name] of data.entries()) {
    if (name === "" || !isData(node, index)) continue;
    const type = draft.type(name);
    const dtype = draft.constant(name)?.dtype ?? (type?.kind === "tensor" ? type.dtype : undefined);
    if (dtype === undefined) return `the type of its input ${name} is not known`;
    if (dtype !== "float32") return `its input ${name} is ${dtype}, not float32`;
  }
  if (rule.kind === "integer" && rule.weight !== undefined) {
    const weight = node.inputs[rule.weight] ?? "";
    const constant = draft.constant(weight);
    if (constant === undefined && node.op !== "MatMul") return `its weight ${weight} is not a constant`;
    if (constant !== undefined && constant.dtype !== "float32") return `its weight ${weight} is ${constant.dtype}`;
    const bias = rule.bias === undefined ? "" : (node.inputs[rule.bias] ?? "");
    if (bias !== "" && draft.constant(bias)?.dtype !== "float32") return `its bias ${bias} is not a float32 constant`;
    if (node.op === "Gemm")
      return gemmReason(node, bias === "" ? undefined : countOf(draft.constant(bias)?.shape ?? []), constant?.shape);
  }
  if (rule.kind === "absorbed" && node.op === "Clip") {
    const low = draft.constant(node.inputs[1] ?? "");
    const high = draft.constant(node.inputs[2] ?? "");
    if ((node.inputs[1] && low === undefined) || (node.inputs[2] && high === undefined)) return "its bounds are computed";
    if (low !== undefined && (toNumbers(low)[0] as number) > 0) return "its lower bound is above zero";
    if (high !== undefined && (toNumbers(high)[0] as number) < 0) return "its upper bound is below zero";
  }
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
