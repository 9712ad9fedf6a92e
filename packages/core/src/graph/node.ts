import { fail } from "../base/error.ts";
import type { Attribute, Attributes, Graph, Node } from "./model.ts";
import type { Tensor } from "./tensor.ts";

/** A plain JavaScript form of simple attributes: integers become "int", other numbers must be wrapped with {@link float}. */
export type AttributeInput = number | bigint | string | readonly number[] | readonly string[] | Attribute;

/** A float attribute, needed because 1.0 and 1 look alike in JavaScript. */
export function float(value: number): Attribute {
  return { kind: "float", value: Math.fround(value) };
}

/** A list of floats as an attribute. */
export function floats(value: readonly number[]): Attribute {
  return { kind: "floats", value: value.map(Math.fround) };
}

/** A tensor attribute. */
export function tensorAttribute(value: Tensor): Attribute {
  return { kind: "tensor", value };
}

/** A subgraph attribute. */
export function graphAttribute(value: Graph): Attribute {
  return { kind: "graph", value };
}

/** Attributes from a plain object literal: `attributes({ group: 2, pads: [1, 1, 1, 1], alpha: float(0.1) })`. */
export function attributes(input: Readonly<Record<string, AttributeInput | undefined>>): Attributes {
  const out = new Map<string, Attribute>();
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue;
    if (typeof value === "bigint") out.set(name, { kind: "int", value });
    else if (typeof value === "number") {
      if (!Number.isInteger(value))
        throw fail("ATTRIBUTE_INVALID", `Cannot use ${value} as attribute ${name}: wrap floats with float()`);
      out.set(name, { kind: "int", value });
    } else if (typeof value === "string") out.set(name, { kind: "string", value });
    else if (Array.isArray(value)) {
      if (value.length > 0 && typeof value[0] === "string") out.set(name, { kind: "strings", value: value as readonly string[] });
      else out.set(name, { kind: "ints", value: value as readonly number[] });
    } else out.set(name, value as Attribute);
  }
  return out;
}

/** Options of {@link makeNode}. */
export interface NodeOptions {
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeInput | undefined>> | Attributes;
}

/** A node; its name defaults to the name of its first output. */
export function makeNode(
  op: string,
  io: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
  options: NodeOptions = {},
): Node {
  const attrs = options.attributes;
  return {
    name: options.name ?? io.outputs.find((o) => o !== "") ?? op,
    op,
    domain: options.domain ?? "",
    inputs: io.inputs,
    outputs: io.outputs,
    attributes: attrs instanceof Map ? attrs : attributes((attrs ?? {}) as Readonly<Record<string, AttributeInput | undefined>>),
  };
}

function wrongKind(node: Node, name: string, wanted: string, found: string): Error {
  return fail("ATTRIBUTE_INVALID", `Cannot read attribute ${name} of ${node.op}: expected ${wanted}, found ${found}`, {
    at: { node: node.name },
  });
}

function clampInt(value: number | bigint): number {
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));
}

/** An integer attribute, clamped to +-2^53; `fallback` when absent. @throws ATTRIBUTE_INVALID on another kind, or when absent without fallback. */
export function attrInt(node: Node, name: string, fallback?: number): number {
  const a = node.attributes.get(name);
  if (a === undefined) {
    if (fallback === undefined) throw wrongKind(node, name, "int", "nothing");
    return fallback;
  }
  if (a.kind !== "int") throw wrongKind(node, name, "int", a.kind);
  return clampInt(a.value);
}

/** A list of integers; `undefined` when absent. @throws ATTRIBUTE_INVALID on another kind. */
export function attrInts(node: Node, name: string): number[] | undefined {
  const a = node.attributes.get(name);
  if (a === undefined) return undefined;
  if (a.kind !== "ints") throw wrongKind(node, name, "ints", a.kind);
  return a.value.map(clampInt);
}

/** A float attribute. @throws ATTRIBUTE_INVALID on another kind, or when absent without fallback. */
export function attrFloat(node: Node, name: string, fallback?: number): number {
  const a = node.attributes.get(name);
  if (a === undefined) {
    if (fallback === undefined) throw wrongKind(node, name, "float", "nothing");
    return fallback;
  }
  if (a.kind !== "float") throw wrongKind(node, name, "float", a.kind);
  return a.value;
}

/** A list of floats; `undefined` when absent. @throws ATTRIBUTE_INVALID on another kind. */
export function attrFloats(node: Node, name: string): readonly number[] | undefined {
  const a = node.attributes.get(name);
  if (a === undefined) return undefined;
  if (a.kind !== "floats") throw wrongKind(node, name, "floats", a.kind);
  return a.value;
}

/** A string attribute. @throws ATTRIBUTE_INVALID on another kind, or when absent without fallback. */
export function attrString(node: Node, name: string, fallback?: string): string {
  const a = node.attributes.get(name);
  if (a === undefined) {
    if (fallback === undefined) throw wrongKind(node, name, "string", "nothing");
    return fallback;
  }
  if (a.kind !== "string") throw wrongKind(node, name, "string", a.kind);
  return a.value;
}

/** A tensor attribute; `undefined` when absent. @throws ATTRIBUTE_INVALID on another kind. */
export function attrTensor(node: Node, name: string): Tensor | undefined {
  const a = node.attributes.get(name);
  if (a === undefined) return undefined;
  if (a.kind !== "tensor") throw wrongKind(node, name, "tensor", a.kind);
  return a.value;
}

/** A subgraph attribute; `undefined` when absent. @throws ATTRIBUTE_INVALID on another kind. */
export function attrGraph(node: Node, name: string): Graph | undefined {
  const a = node.attributes.get(name);
  if (a === undefined) return undefined;
  if (a.kind !== "graph") throw wrongKind(node, name, "graph", a.kind);
  return a.value;
}

/** Metadata key of an Identity that stands for a requantization: values move onto another grid there, so it is not dropped as doing nothing. */
export const REGRID_KEY = "tessera.regrid";

/** Whether the node is the ONNX standard operator `op`. */
export function isOp(node: Node, op: string): boolean {
  return node.op === op && node.domain === "";
}
