import { fail } from "../base/error.ts";
import { createSha256, sha256Hex } from "../base/sha256.ts";
import type { Dim, Shape } from "../graph/dim.ts";
import type { Attribute, Attributes, Graph, Model, Node } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import type { Tensor } from "../graph/tensor.ts";
import { inferTypes } from "../ops/infer-types.ts";
import type { OpRow } from "../ops/row.ts";
import { opRow } from "../ops/table.ts";
import { simplifyModel } from "./simplify.ts";

/** Operators whose two inputs may change places. */
const COMMUTATIVE: ReadonlySet<string> = new Set(["Add", "Mul", "Max", "Min"]);

/**
 * {@link networkDigest} of the simplified form: what is computed the same is then also written the same, so that a network has one digest before and
 * after simplification, and in every format whose reader gives the weights back bit by bit. Nothing is run.
 *
 * @throws GRAPH_INVALID when there is no such output
 */
export async function canonicalDigest(model: Model, output: string): Promise<string> {
  const { model: simple } = await simplifyModel(model, { prove: false });
  return networkDigest(simple, output);
}

/**
 * SHA-256 of what one output of a network computes: its operators, their attributes and every bit of the weights, from the inputs on. Names, the
 * order in which nodes and constants stand, what the output does not depend on, documentation and the batch size do not count; the same network
 * written twice has one digest, and one changed weight gives another.
 *
 * @throws GRAPH_INVALID when there is no such output
 */
export function networkDigest(model: Model, output: string): string {
  const digest = valueDigests(inferTypes(model).graph, new Map()).get(output);
  if (digest === undefined) throw fail("GRAPH_INVALID", `Cannot tell which network computes "${output}": no value has that name`);
  return digest;
}

/** A digest for each value of a graph; `outside` holds those of the graphs around it. */
function valueDigests(graph: Graph, outside: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const found = new Map(outside);
  graph.inputs.forEach(({ name, type }, place) => {
    const is =
      type.kind === "tensor" ? [type.dtype, (type.shape ?? []).slice(1).map((d) => (typeof d === "number" ? d : "*"))] : "opaque";
    found.set(name, digestOf("input", place, is));
  });
  for (const [name, tensor] of graph.constants) found.set(name, constantDigest(tensor));
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => (name === "" ? "" : (found.get(name) ?? "unknown")));
    const target = node.domain === "" && node.op === "Reshape" ? knownButBatch(shapeOf(graph, node.outputs[0] ?? "")) : undefined;
    // A target may have the batch written into it, or -1 in its place.
    if (target !== undefined) inputs[1] = digestOf("to", target);
    // A bias of zeros is none; TFLite must have one.
    if (isOp(node, "Conv") && isZero(graph.constants.get(node.inputs[2] ?? ""))) inputs.length = 2;
    // Max and Min of one input, or of many, are put in order as well.
    if (node.domain === "" && COMMUTATIVE.has(node.op)) inputs.sort();
    const attributes = [...(target === undefined ? settled(node, graph) : [])]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, attribute]) => [name, attributeDigest(attribute, found)]);
    const own = digestOf("node", node.domain, node.op, node.overload ?? "", inputs, attributes);
    node.outputs.forEach((name, place) => {
      if (name !== "") found.set(name, digestOf("output", place, own));
    });
  }
  return found;
}

/** Operators that slide a window: pads that no window reaches, and a kernel size that the weights have anyway, do not count. */
const WINDOWED: ReadonlySet<string> = new Set(["Conv", "MaxPool", "AveragePool"]);

/** The attributes of a node without what changes nothing: formats differ in how they spell it. */
function settled(node: Node, graph: Graph): Attributes {
  const specs: OpRow["attributes"] = opRow(node)?.attributes ?? {};
  const isDefault = (name: string, attribute: Attribute): boolean => {
    const fallback = Object.hasOwn(specs, name) ? specs[name]?.fallback : undefined;
    return fallback !== undefined && "value" in attribute && same(attribute.value, fallback);
  };
  const attributes = new Map([...node.attributes].filter(([name, attribute]) => !isDefault(name, attribute)));
  if (node.domain !== "" || !WINDOWED.has(node.op)) return attributes;
  const [data = "", weights = ""] = node.inputs;
  const inferred = graph.constants.get(weights)?.shape.slice(2);
  if (node.op === "Conv" && inferred !== undefined) attributes.delete("kernel_shape");
  const kernel = inferred ?? integers(attributes.get("kernel_shape"));
  const sizes = shapeOf(graph, data)?.slice(2);
  const pads = integers(attributes.get("pads"));
  // An average over padding is another average; only what is left out of every window is left out here, for sums and maxima.
  if (kernel === undefined || sizes === undefined || pads === undefined || node.op === "AveragePool") return attributes;
  if (integers(attributes.get("ceil_mode"))?.[0] === 1) return attributes;
  const strides = integers(attributes.get("strides"));
  const dilations = integers(attributes.get("dilations"));
  const axes = kernel.length;
  const read = pads.map((pad, k) => {
    const size = sizes[k - axes];
    if (k < axes || typeof size !== "number") return pad;
    const axis = k - axes;
    const stride = strides?.[axis] ?? 1;
    const reach = ((kernel[axis] ?? 1) - 1) * (dilations?.[axis] ?? 1) + 1;
    const before = pads[axis] ?? 0;
    const last = Math.floor((size + before + pad - reach) / stride) * stride + reach;
    return Math.min(pad, Math.max(0, last - before - size));
  });
  if (read.every((pad) => pad === 0)) attributes.delete("pads");
  else attributes.set("pads", { kind: "ints", value: read });
  for (const name of ["strides", "dilations"])
    if (integers(attributes.get(name))?.every((value) => value === 1)) attributes.delete(name);
  return attributes;
}

/** Whether an attribute has the value of its default; 64-bit integers may be numbers or bigints. */
function same(value: unknown, fallback: unknown): boolean {
  const text = (x: unknown): string => JSON.stringify(x, (_, v: unknown) => (typeof v === "bigint" ? Number(v) : v));
  return text(value) === text(fallback);
}

function shapeOf(graph: Graph, name: string): Shape | undefined {
  const type = graph.types.get(name) ?? graph.inputs.find((input) => input.name === name)?.type;
  return type?.kind === "tensor" ? type.shape : undefined;
}

function isZero(tensor: Tensor | undefined): boolean {
  return tensor?.bytes.every((byte) => byte === 0) ?? false;
}

/** The sizes after the first, when all are numbers. */
function knownButBatch(shape: Shape | undefined): readonly Dim[] | undefined {
  const rest = shape?.slice(1);
  return rest?.every((size) => typeof size === "number") ? rest : undefined;
}

function integers(attribute: Attribute | undefined): readonly number[] | undefined {
  if (attribute?.kind === "int") return [Number(attribute.value)];
  return attribute?.kind === "ints" ? attribute.value.map(Number) : undefined;
}

function attributeDigest(attribute: Attribute, around: ReadonlyMap<string, string>): unknown {
  const graphOf = (graph: Graph): readonly string[] => {
    const values = valueDigests(graph, around);
    return graph.outputs.map(({ name }) => values.get(name) ?? "unknown");
  };
  switch (attribute.kind) {
    case "tensor":
      return constantDigest(attribute.value);
    case "tensors":
      return attribute.value.map(constantDigest);
    case "graph":
      return graphOf(attribute.value);
    case "graphs":
      return attribute.value.map(graphOf);
    case "opaque":
      return "opaque";
    default:
      return [attribute.kind, attribute.value];
  }
}

/** Type, shape and bits. */
function constantDigest({ dtype, shape, bytes, strings }: Tensor): string {
  const digest = createSha256();
  digest.add(new TextEncoder().encode(`${JSON.stringify(["constant", dtype, shape, strings?.map((s) => s.length)])}\n`));
  digest.add(bytes);
  for (const text of strings ?? []) digest.add(text);
  return digest.hex();
}

function digestOf(...parts: readonly unknown[]): string {
  return sha256Hex(JSON.stringify(parts, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)));
}
