import { fail } from "../base/error.ts";
import { GraphDraft } from "../graph/draft.ts";
import type { Model, Node } from "../graph/model.ts";
import { attrInt } from "../graph/node.ts";
import type { Encoding, QuantPlan } from "../graph/plan.ts";
import { encodedRange, LEVELS } from "../graph/quantize.ts";
import { boundsOf, isKernelBound } from "./bounds.ts";
import { dataInputs, ruleOf } from "./rules.ts";
import type { IntegerScheme, OperatorRule, Target } from "./target.ts";

/** One contradiction between a plan and a target's kernels. */
export interface PlanProblem {
  /** The node whose kernel is concerned; absent when a tensor alone is. */
  readonly node?: string;
  readonly tensors: readonly string[];
  /** One line, beginning with the subject: what is wrong. */
  readonly what: string;
}

interface Check {
  readonly draft: GraphDraft;
  readonly plan: QuantPlan;
  readonly target: Target;
  readonly problems: PlanProblem[];
}

/**
 * Holds a plan against a target's kernels, node by node and from the rules alone: it knows nothing of how the plan was made, so it also judges plans
 * that were edited or read from a file. A node counts as integer when the plan's choice says so, or, where the plan has none, when all it reads and
 * makes has encodings.
 *
 * @returns every contradiction; none when the plan can be lowered as it stands
 */
export function checkPlan(model: Model, plan: QuantPlan, target: Target): readonly PlanProblem[] {
  const check: Check = { draft: new GraphDraft(model.graph), plan, target, problems: [] };
  for (const [name, encoding] of plan.tensors) checkTensor(name, encoding, check);
  for (const node of model.graph.nodes) checkNode(node, check);
  return check.problems;
}

/** Refuses a plan that {@link checkPlan} finds fault with. @throws PLAN_INVALID naming the tensors of the first contradictions */
export function assertPlan(model: Model, plan: QuantPlan, target: Target): void {
  const problems = checkPlan(model, plan, target);
  if (problems.length === 0) return;
  const shown = problems.slice(0, 5).map((p) => `${p.what} (${p.tensors.join(", ")})`);
  const rest = problems.length > shown.length ? `; and ${problems.length - shown.length} more` : "";
  const [first] = problems as [PlanProblem];
  throw fail("PLAN_INVALID", `Cannot use the plan for ${target.id}: ${shown.join("; ")}${rest}`, {
    at: { ...(first.node === undefined ? {} : { node: first.node }), ...(first.tensors[0] ? { tensor: first.tensors[0] } : {}) },
  });
}

function checkTensor(name: string, encoding: Encoding, { draft, problems }: Check): void {
  const { scale, zeroPoint, axis, dtype } = encoding;
  const add = (what: string): number => problems.push({ tensors: [name], what: `${name} ${what}` });
  const constant = draft.constant(name);
  if (constant === undefined && draft.producer(name) === undefined && !draft.isInput(name)) add("is not in the model");
  const channels = axis === undefined ? 1 : constant?.shape[axis];
  if (axis !== undefined && constant === undefined) add("is computed, and has a scale for each channel");
  else if (scale.length !== channels) add(`has ${scale.length} scales for ${channels ?? "no"} channels`);
  if (zeroPoint.length !== scale.length) add(`has ${zeroPoint.length} zero points and ${scale.length} scales`);
  if (!scale.every((s) => s > 0 && Number.isFinite(s) && Math.fround(s) === s)) add("has a scale that is no positive float32");
  const [low, high] = LEVELS[dtype];
  if (!zeroPoint.every((z) => Number.isInteger(z) && z >= low && z <= high)) add(`has a zero point outside ${dtype}`);
}

function sameGrid(a: Encoding, b: Encoding): boolean {
  return a.dtype === b.dtype && a.scale[0] === b.scale[0] && a.zeroPoint[0] === b.zeroPoint[0];
}

/** The value that carries a node's result: behind the Relu or Clip that vanishes into it, when its own output has no encoding. */
function resultOf(node: Node, output: string, { draft, plan }: Check): string {
  if (plan.tensors.has(output)) return output;
  const next = draft.onlyConsumer(output);
  const vanishes = next !== undefined && (next.op === "Relu" || next.op === "Clip") && next.inputs[0] === output;
  return vanishes && next.domain === "" && next.name !== node.name ? (next.outputs[0] as string) : output;
}

function isInteger(node: Node, rule: OperatorRule | undefined, check: Check): boolean {
  const { plan, draft } = check;
  const choice = plan.nodes.get(node.name);
  if (choice !== undefined) return choice.precision === "int8" || choice.precision === "int16x8";
  if (rule === undefined || rule.kind === "float") return false;
  const reads = dataInputs(node, rule).map((i) => node.inputs[i] as string);
  const made = node.outputs.filter((name) => name !== "").map((name) => resultOf(node, name, check));
  return [...reads, ...made].every((name) => plan.tensors.has(name) || (rule.kind === "absorbed" && draft.producer(name)));
}

/** The types that a kernel computes in, told by what it reads. */
function schemeFor(encoding: Encoding, target: Target): Pick<IntegerScheme, "activations" | "bias" | "operators"> {
  if (encoding.dtype === target.wide?.activations.dtype) return target.wide;
  return { activations: target.activations, bias: "int32", operators: target.operators };
}

function checkNode(node: Node, check: Check): void {
  const { plan, target, problems, draft } = check;
  const plain = ruleOf(node, target);
  if (!isInteger(node, plain, check)) return;
  const add = (what: string, ...tensors: string[]): void => {
    problems.push({ node: node.name, tensors, what: `${node.op} ${node.name} ${what}` });
  };
  if (plain === undefined || plain.kind === "float") {
    add("is planned in integers, and the target has no integer kernel for it", ...node.outputs);
    return;
  }
  if (plain.kind === "absorbed" && isAbsorbed(node, check)) {
    checkAbsorbed(node, check, add);
    return;
  }
  const reads = dataInputs(node, plain).map((i) => node.inputs[i] as string);
  const made = node.outputs.filter((name) => name !== "").map((name) => resultOf(node, name, check));
  const missing = [...reads, ...made].filter((name) => !plan.tensors.has(name));
  if (missing.length > 0) {
    add("is planned in integers, and what it reads or makes has no encoding", ...missing);
    return;
  }
  const encodings = [...reads, ...made].map((name) => plan.tensors.get(name) as Encoding);
  const scheme = schemeFor(encodings[0] as Encoding, target);
  const rule = ruleOf(node, scheme) as OperatorRule;
  if (rule.kind === "float") {
    add(`is planned with ${encodings[0]?.dtype} activations, and has no such kernel: ${rule.why}`, ...made);
    return;
  }
  const { dtype, symmetric } = scheme.activations;
  const movesGrids = node.op === target.requantize;
  encodings.forEach((encoding, i) => {
    const name = [...reads, ...made][i] as string;
    if (encoding.dtype !== dtype && !movesGrids) add(`computes in ${dtype}, and ${name} is ${encoding.dtype}`, name);
    if (symmetric && encoding.zeroPoint.some((z) => z !== 0) && !movesGrids) add(`needs zero point 0 in ${name}`, name);
    if (encoding.axis !== undefined) add(`needs one scale for ${name}`, name);
  });
  const onOneGrid = rule.kind === "equal" || rule.kind === "through" || rule.kind === "absorbed";
  const bound = boundsOf(node, (name) => draft.constant(name));
  if (onOneGrid && !movesGrids && !(rule.kind === "absorbed" && isKernelBound(bound, target))) {
    const other = encodings.findIndex((e) => !sameGrid(e, encodings[0] as Encoding));
    const names = [...reads, ...made];
    if (other >= 0) add("needs one scale and zero point on what it reads and makes", names[0] as string, names[other] as string);
  }
  if (rule.kind !== "integer") return;
  const { fixedOutput } = rule;
  const result = plan.tensors.get(made[0] as string) as Encoding;
  if (fixedOutput !== undefined) {
    const zeroPoint = fixedOutput.zeroPoint - (dtype === "int8" ? 128 : 0);
    if (result.scale[0] !== Math.fround(fixedOutput.scale) || result.zeroPoint[0] !== zeroPoint)
      add(`answers at scale ${fixedOutput.scale}, zero point ${zeroPoint} only`, made[0] as string);
  }
  if (rule.weight !== undefined) checkWeight(node, rule, { check, add, input: encodings[0] as Encoding, bias: scheme.bias });
}

/** Whether a Relu or Clip has vanished: what it reads has no encoding, and what it makes has one. */
function isAbsorbed(node: Node, { plan }: Check): boolean {
  return !plan.tensors.has(node.inputs[0] as string) && plan.tensors.has(node.outputs[0] as string);
}

function checkAbsorbed(node: Node, { plan, draft, target }: Check, add: (what: string, ...tensors: string[]) => void): void {
  const [input, output] = [node.inputs[0] as string, node.outputs[0] as string];
  const maker = draft.producer(input);
  if (maker === undefined || draft.onlyConsumer(input)?.name !== node.name) {
    add("is planned to vanish into the node before it, which others read too", input);
    return;
  }
  const kernel = target.absorbs;
  if (kernel === undefined) return;
  if (!kernel.operators.includes(maker.op)) add(`is planned to vanish into ${maker.op}, which has no activation`, input);
  const bounds = boundsOf(node, (name) => draft.constant(name));
  if (isKernelBound(bounds, target)) return;
  // No kernel knows these bounds: the ends of the grid must stand for them, right to the rounding of the zero point.
  const encoding = plan.tensors.get(output) as Encoding;
  const { min, max } = encodedRange(encoding);
  const slack = 0.5001 * (encoding.scale[0] as number);
  if (min < bounds[0] - slack || max > bounds[1] + slack)
    add(`bounds at ${bounds[0]} and ${bounds[1]}, and the grid of its output reaches from ${min} to ${max}`, output);
}

function checkWeight(
  node: Node,
  rule: OperatorRule & { readonly kind: "integer" },
  about: {
    readonly check: Check;
    readonly add: (what: string, ...tensors: string[]) => void;
    readonly input: Encoding;
    readonly bias: IntegerScheme["bias"];
  },
): void {
  const { add, input } = about;
  const { plan, draft, target } = about.check;
  const name = node.inputs[rule.weight as number] as string;
  const encoding = plan.tensors.get(name);
  if (encoding === undefined) {
    add("is planned in integers, and its weight has no encoding", name);
    return;
  }
  if (draft.constant(name) === undefined) return;
  if (encoding.dtype !== target.weights.dtype)
    add(`takes ${target.weights.dtype} weights, and ${name} is ${encoding.dtype}`, name);
  // Slopes are operands, not factors of a sum: their zero point may be anything.
  if (rule.bias !== undefined && encoding.zeroPoint.some((z) => z !== 0)) add(`takes weights with zero point 0`, name);
  if (encoding.axis !== undefined && encoding.axis !== channelAxis(node, target))
    add(`takes no scales along axis ${encoding.axis} of its weight`, name);
  const biasName = rule.bias === undefined || target.weights.floatBias ? "" : (node.inputs[rule.bias] ?? "");
  if (biasName === "") return;
  const bias = plan.tensors.get(biasName);
  if (bias === undefined) add("is planned in integers, and its bias has no encoding", biasName);
  else if (bias.dtype !== about.bias) add(`takes an ${about.bias} bias, and ${biasName} is ${bias.dtype}`, biasName);
  else if (
    bias.scale.length !== encoding.scale.length ||
    bias.zeroPoint.some((z) => z !== 0) ||
    bias.scale.some((s, c) => s !== Math.fround((input.scale[0] as number) * (encoding.scale[c] as number)))
  )
    add("needs a bias at exactly float32(input scale * weight scale)", biasName, name, node.inputs[0] as string);
}

/** The axis along which a node's weight may have scales of its own. */
function channelAxis(node: Node, target: Target): number | undefined {
  const { perChannelAxis } = target.weights;
  const axis = Object.hasOwn(perChannelAxis, node.op) ? perChannelAxis[node.op] : undefined;
  return axis === "columns" ? (attrInt(node, "transB", 0) === 0 ? 1 : 0) : axis;
}
