import { fail } from "../../base/error.ts";
import { GraphDraft } from "../../graph/draft.ts";
import type { Model, Node } from "../../graph/model.ts";
import { attrInt } from "../../graph/node.ts";
import type { Encoding, NodeChoice, QuantDType, QuantPlan } from "../../graph/plan.ts";
import { LEVELS } from "../../graph/quantize.ts";
import { checkPlan } from "../../targets/check-plan.ts";
import { ruleOf } from "../../targets/rules.ts";
import { biasType, schemeOf } from "../../targets/scheme.ts";
import type { Target } from "../../targets/target.ts";
import { isCentred } from "./aimet-encodings.ts";
import { type EncodingsFile, readEncodings } from "./read-encodings.ts";

/** A plan that somebody else's encodings make, and what of them found no place in it. */
export interface ImportedPlan {
  readonly plan: QuantPlan;
  /** Tensors of the file that the model does not have. */
  readonly ignored: readonly string[];
  /** Nodes that the encodings do not make integer under the target's rules are in float in the plan, with the reason. */
  readonly notes: readonly string[];
}

/**
 * The plan of an encodings file, for a model whose tensors have the names that the file uses. Grids stay as they are: between signed and unsigned types of
 * one width only the zero point moves. What the schema leaves out follows from the rest: biases from the scales of input and weight, values
 * that integers pass through from where they come from, the axis of scales by channel from the operator that reads the weight. Nodes that the target
 * cannot compute in integers with these encodings stay in float.
 *
 * @throws what `readEncodings` throws; PLAN_INVALID when scales do not fit a tensor's channels, or no tensor of the file is in the model
 */
export function planFromEncodings(text: string, model: Model, { target }: { readonly target: Target }): ImportedPlan {
  const file = readEncodings(text);
  const draft = new GraphDraft(model.graph);
  const tensors = new Map<string, Encoding>();
  const ignored: string[] = [];
  for (const read of file.encodings) {
    const { name } = read;
    const constant = draft.constant(name) !== undefined;
    if (!constant && draft.producer(name) === undefined && !draft.isInput(name)) ignored.push(name);
    else {
      const wanted = constant ? undefined : target.activations.dtype;
      tensors.set(name, retyped({ ...gridOf(read, draft), reason: `from encodings ${file.version}` }, wanted));
    }
  }
  if (tensors.size === 0)
    throw fail("PLAN_INVALID", `Cannot use the encodings: none of their ${file.encodings.length} tensors is in the model`, {
      hint: "Give the ONNX file that was exported beside them, with --no-simplify",
    });
  const left = { bounds: 0, inner: 0 };
  for (const node of model.graph.nodes) leaveOut(node, { draft, tensors, target, left });
  for (const node of model.graph.nodes) complete(node, { draft, tensors, target });
  const sealed = sealedPlan(model, tensors, target);
  const inFloat = [...sealed.nodes.values()].filter((c) => c.precision === "float32").length;
  return {
    plan: sealed,
    ignored,
    notes: [
      `${file.encodings.length - ignored.length} encodings of version ${file.version}; ${sealed.nodes.size - inFloat} of ${sealed.nodes.size} nodes in integers by them`,
      ...(left.inner === 0 ? [] : [`${left.inner} values between a node and its bound are not rounded, which the file asks for`]),
      ...(left.bounds === 0 ? [] : [`${left.bounds} bounds stay as they are, which the file rounds`]),
      ...(ignored.length === 0
        ? []
        : [`${ignored.length} tensors of the file are not in the model: ${ignored.slice(0, 3).join(", ")}`]),
    ],
  };
}

type Grid = Omit<Encoding, "reason">;

/** A read encoding with the axis that its tensor needs. */
function gridOf(read: EncodingsFile["encodings"][number], draft: GraphDraft): Grid {
  const { name, dtype, scale, zeroPoint, perChannel } = read;
  const shape = draft.constant(name)?.shape;
  if (!perChannel) return { dtype, scale, zeroPoint };
  const rank = shape?.length ?? 0;
  const said = read.axis === undefined ? undefined : read.axis < 0 ? read.axis + rank : read.axis;
  const [reader] = draft.consumers(name);
  const axis = said ?? (reader === undefined ? 0 : weightAxis(reader, rank));
  if (shape?.[axis] !== scale.length)
    throw fail(
      "PLAN_INVALID",
      `Cannot use the encoding of ${name}: ${scale.length} scales for ${shape === undefined ? "a computed value" : `shape [${shape}] along axis ${axis}`}`,
      { at: { tensor: name } },
    );
  const range = dtype === "int8" && isCentred({ dtype, zeroPoint }) ? ([-127, 127] as const) : undefined;
  return { dtype, scale, zeroPoint, axis, ...(range === undefined ? {} : { range }) };
}

/** The axis of a weight's output channels. */
function weightAxis(node: Node, rank: number): number {
  if (node.op === "ConvTranspose") return 1;
  if (node.op === "Gemm") return attrInt(node, "transB", 0) === 0 ? 1 : 0;
  return node.op === "MatMul" ? rank - 1 : 0;
}

/** The same grid in another type of the same width; as it is where there is none. */
function retyped(encoding: Encoding, dtype: QuantDType | undefined): Encoding {
  if (dtype === undefined || dtype === encoding.dtype) return encoding;
  const [low, high] = LEVELS[encoding.dtype];
  const [otherLow, otherHigh] = LEVELS[dtype];
  if (high - low !== otherHigh - otherLow) return encoding;
  const { range: _, ...rest } = encoding;
  return { ...rest, dtype, zeroPoint: encoding.zeroPoint.map((z) => z - low + otherLow) };
}

interface Completing {
  readonly draft: GraphDraft;
  readonly tensors: Map<string, Encoding>;
  readonly target: Target;
}

/**
 * Drops encodings that stand in the way of integers: those of bounds, and that of a value which nothing reads but a Relu or Clip that vanishes into the
 * range behind it. AIMET has both where a convolution by channel stands before a Clip.
 */
function leaveOut(node: Node, about: Completing & { readonly left: { bounds: number; inner: number } }): void {
  const { draft, tensors, target, left } = about;
  if (ruleOf(node, target)?.kind !== "absorbed") return;
  for (const name of node.inputs.slice(1)) if (draft.constant(name) !== undefined && tensors.delete(name)) left.bounds++;
  const [input, output] = [node.inputs[0] as string, node.outputs[0] as string];
  const maker = draft.producer(input);
  if (!tensors.has(output) || maker === undefined || draft.onlyConsumer(input) === undefined) return;
  if (ruleOf(maker, target)?.kind === "integer" && tensors.delete(input)) left.inner++;
}

/** Adds the encodings that follow from others around a node. */
function complete(node: Node, { draft, tensors, target }: Completing): void {
  const rule = ruleOf(node, target);
  const input = tensors.get(node.inputs[0] ?? "");
  if (rule === undefined || rule.kind === "float" || input === undefined) return;
  if (rule.kind === "through" || rule.kind === "equal") {
    for (const name of node.outputs)
      if (name !== "" && !tensors.has(name)) tensors.set(name, { ...input, reason: `same integers as ${node.inputs[0]}` });
    return;
  }
  if (rule.kind !== "integer" || rule.weight === undefined || rule.bias === undefined) return;
  const weight = tensors.get(node.inputs[rule.weight] ?? "");
  const name = node.inputs[rule.bias] ?? "";
  if (target.weights.floatBias === true) {
    tensors.delete(name);
    return;
  }
  if (weight === undefined || draft.constant(name) === undefined) return;
  tensors.set(name, {
    dtype: biasType(target),
    scale: weight.scale.map((s) => Math.fround(s * (input.scale[0] as number))),
    zeroPoint: weight.scale.map(() => 0),
    ...(weight.axis === undefined ? {} : { axis: 0 }),
    reason: "float32(input scale * weight scale), the form that runtimes fuse",
  });
}

/** The plan with a choice for every node: integer where the target's rules and the encodings agree, float with the reason elsewhere. */
function sealedPlan(model: Model, tensors: ReadonlyMap<string, Encoding>, target: Target): QuantPlan {
  const precision = schemeOf(target);
  const nodes = new Map<string, NodeChoice>();
  for (const node of model.graph.nodes) {
    const rule = ruleOf(node, target);
    nodes.set(
      node.name,
      rule === undefined || rule.kind === "float"
        ? { precision: "float32", reason: rule?.why ?? `${target.id} lists no integer kernel for ${node.op}` }
        : { precision, reason: "by the encodings given" },
    );
  }
  const plan = { kind: "quant-plan", version: 1, target: target.id, tensors, nodes } as const;
  // Each round takes out the nodes that contradict the rules; what they made may be missing elsewhere then.
  for (let round = 0; round <= model.graph.nodes.length; round++) {
    const problems = checkPlan(model, plan, target).filter((p) => p.node !== undefined);
    if (problems.length === 0) break;
    for (const { node, what } of problems) nodes.set(node as string, { precision: "float32", reason: what });
  }
  return plan;
}
