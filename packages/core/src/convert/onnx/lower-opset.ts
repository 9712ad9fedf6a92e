import { fail } from "../../base/error.ts";
import type { DType } from "../../graph/dtype.ts";
import { dtypeFromOnnx } from "../../graph/dtype.ts";
import { CANONICAL_OPSET, type Graph, type Model, type Node, type ValueType } from "../../graph/model.ts";
import { eachGraph } from "../../graph/walk.ts";
import { introducedIn, NEWEST_OPSET, OP_HISTORY } from "./upgrades/history.ts";

/** What came to operators after the canonical opset: a node that has it needs the later one. */
const LATER_PARTS: readonly {
  readonly op: string;
  readonly opset: number;
  readonly attribute?: string;
  readonly input?: number;
}[] = [
  { op: "Attention", opset: 24, input: 6 },
  { op: "Attention", opset: 25, attribute: "left_window_size" },
  { op: "Attention", opset: 25, attribute: "right_window_size" },
  { op: "Cast", opset: 24, attribute: "round_mode" },
  { op: "CastLike", opset: 24, attribute: "round_mode" },
  { op: "DequantizeLinear", opset: 23, attribute: "output_dtype" },
  { op: "QuantizeLinear", opset: 23, attribute: "precision" },
  { op: "Range", opset: 27, attribute: "stash_type" },
  { op: "SpaceToDepth", opset: 28, attribute: "mode" },
];

/** Element types that no operator took before an opset. */
const LATER_TYPES: Readonly<Partial<Record<DType, number>>> = { float4e2m1: 23, float8e8m0: 24, int2: 25, uint2: 25 };

/** IR version that came with an opset (table of onnx 1.23). */
const IR_OF_OPSET: Readonly<Record<number, number>> = { 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14 };

function typesIn(graph: Graph): Set<DType> {
  const found = new Set<DType>();
  const see = (type: ValueType): void => {
    if (type.kind === "tensor") found.add(type.dtype);
  };
  eachGraph(graph, (g) => {
    for (const value of [...g.inputs, ...g.outputs]) see(value.type);
    for (const type of g.types.values()) see(type);
    for (const tensor of g.constants.values()) found.add(tensor.dtype);
    for (const node of g.nodes) {
      const to = node.attributes.get("to");
      if ((node.op === "Cast" || node.op === "BitCast") && to?.kind === "int") found.add(dtypeFromOnnx(Number(to.value)));
      const value = node.attributes.get("value");
      if (value?.kind === "tensor") found.add(value.value.dtype);
    }
  });
  return found;
}

/** The opset from which an operator takes bfloat16, when that is later than the canonical one. */
function bfloat16Since(op: string): number {
  if (!Object.hasOwn(OP_HISTORY, op)) return CANONICAL_OPSET;
  const steps = [...(OP_HISTORY[op]?.types ?? []), ...(OP_HISTORY[op]?.adds ?? [])];
  // Operators that were revised at 21 itself took it before; what those gained later are the types of LATER_TYPES.
  if (steps.includes(CANONICAL_OPSET)) return CANONICAL_OPSET;
  return Math.min(...steps.filter((v) => v > CANONICAL_OPSET), Number.POSITIVE_INFINITY);
}

function opsetOf(node: Node, hasBfloat16: boolean): number {
  let opset = introducedIn(node.op);
  for (const part of LATER_PARTS) {
    if (part.op !== node.op) continue;
    const present =
      part.attribute !== undefined ? node.attributes.has(part.attribute) : (node.inputs[part.input ?? 0] ?? "") !== "";
    if (present) opset = Math.max(opset, part.opset);
  }
  const bfloat16 = hasBfloat16 ? bfloat16Since(node.op) : 0;
  return Number.isFinite(bfloat16) ? Math.max(opset, bfloat16) : opset;
}

/**
 * The lowest opset, not below the canonical one, in which the model can be written: from its operators, the later attributes and inputs they
 * use, and its element types. Where the model has bfloat16 values, every operator is taken to meet them.
 */
export function requiredOpset(model: Model): number {
  const types = typesIn(model.graph);
  let opset = CANONICAL_OPSET;
  for (const dtype of types) opset = Math.max(opset, LATER_TYPES[dtype] ?? 0);
  const hasBfloat16 = types.has("bfloat16") && (model.source?.opset ?? CANONICAL_OPSET) > CANONICAL_OPSET;
  eachGraph(model.graph, (graph) => {
    for (const node of graph.nodes) if (node.domain === "") opset = Math.max(opset, opsetOf(node, hasBfloat16));
  });
  return opset;
}

/** Checks an opset to be written, or finds it. @throws UNSUPPORTED_OPSET when the model cannot be written in it */
export function chooseOpset(model: Model, wanted: number | undefined): number {
  const required = requiredOpset(model);
  if (wanted === undefined) return required;
  if (!Number.isInteger(wanted) || wanted < required || wanted > NEWEST_OPSET) {
    throw fail("UNSUPPORTED_OPSET", `Cannot write the model in opset ${wanted}: it needs ${required} to ${NEWEST_OPSET}`, {
      hint: `Ask for opset ${required} or newer`,
    });
  }
  return wanted;
}

/** The oldest IR version that goes with an opset. */
export function irVersionOf(opset: number): number {
  return IR_OF_OPSET[opset] ?? 10;
}
