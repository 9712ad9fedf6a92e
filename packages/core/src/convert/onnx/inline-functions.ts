import { fail } from "../../base/error.ts";
import type { AttributeProto, FunctionProto, GraphProto, NodeProto } from "../../formats/onnx/records.ts";
import { domainName, readOpsets } from "./opsets.ts";

/** Options of {@link inlineFunctions}. */
export interface InlineOptions {
  readonly functions: readonly FunctionProto[];
  /** Nodes that may come out of function bodies; a few short functions can stand for billions. */
  readonly maxInlinedNodes: number;
  /** UTF-16 units that the names of their values may have in all. */
  readonly maxInlinedNameChars: number;
  /** Functions inside functions. */
  readonly maxInlineDepth: number;
}

/** Limits of {@link inlineFunctions}. */
export const INLINE_DEFAULTS = { maxInlinedNodes: 100_000, maxInlinedNameChars: 2 ** 25, maxInlineDepth: 32 } as const;

/** What {@link inlineFunctions} made. */
export interface Inlined {
  readonly graph: GraphProto;
  /** Function -> calls that were replaced. */
  readonly inlined: Map<string, number>;
  /** Opset of nodes from functions that import the standard domain themselves. */
  readonly opsets: WeakMap<NodeProto, number>;
  /** Other domains that function bodies rely on. */
  readonly domains: Map<string, number>;
}

interface Work extends InlineOptions {
  readonly byKey: ReadonlyMap<string, FunctionProto>;
  readonly inlined: Map<string, number>;
  readonly opsets: WeakMap<NodeProto, number>;
  readonly domains: Map<string, number>;
  nodes: number;
  nameChars: number;
  calls: number;
}

/** How names and attributes of one function body become those of the place it is put in. */
interface Binding {
  readonly value: (name: string) => string;
  readonly prefix: string;
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  readonly work: Work;
}

function keyOf(domain: string | undefined, name: string | undefined, overload: string | undefined): string {
  return JSON.stringify([domainName(domain), name ?? "", overload ?? ""]);
}

/** The attribute of the body with a reference replaced by what the call gives; `undefined` when the call leaves it out. */
function boundAttribute(attribute: AttributeProto, binding: Binding): AttributeProto | undefined {
  const reference = attribute.refAttrName ?? "";
  if (reference !== "") {
    const given = binding.attributes.get(reference);
    return given === undefined ? undefined : { ...given, ...(attribute.name === undefined ? {} : { name: attribute.name }) };
  }
  if (attribute.g === undefined && attribute.graphs === undefined) return attribute;
  return {
    ...attribute,
    ...(attribute.g === undefined ? {} : { g: boundGraph(attribute.g, binding) }),
    ...(attribute.graphs === undefined ? {} : { graphs: attribute.graphs.map((g) => boundGraph(g, binding)) }),
  };
}

/** Counts one more node of a body. @throws LIMIT_EXCEEDED */
function charge(node: NodeProto, { work, prefix }: Binding): void {
  work.nodes++;
  for (const name of [...(node.input ?? []), ...(node.output ?? []), node.name ?? ""])
    work.nameChars += prefix.length + name.length;
  const passed = (["maxInlinedNodes", "maxInlinedNameChars"] as const).find(
    (limit, i) => (i === 0 ? work.nodes : work.nameChars) > work[limit],
  );
  if (passed === undefined) return;
  throw fail("LIMIT_EXCEEDED", `Cannot inline the model's functions: ${passed} is ${work[passed]}`, { at: { node: prefix } });
}

function boundNode(node: NodeProto, binding: Binding): NodeProto {
  charge(node, binding);
  const { attribute, name } = node;
  return {
    ...node,
    input: (node.input ?? []).map(binding.value),
    output: (node.output ?? []).map(binding.value),
    ...(name === undefined || name === "" ? {} : { name: `${binding.prefix}${name}` }),
    ...(attribute === undefined ? {} : { attribute: attribute.flatMap((a) => boundAttribute(a, binding) ?? []) }),
  };
}

function boundGraph(graph: GraphProto, binding: Binding): GraphProto {
  const renamed = <T extends { readonly name?: string }>(list: readonly T[] | undefined): T[] =>
    (list ?? []).map((item) => (item.name === undefined ? item : { ...item, name: binding.value(item.name) }));
  return {
    ...graph,
    node: (graph.node ?? []).map((node) => boundNode(node, binding)),
    input: renamed(graph.input),
    output: renamed(graph.output),
    initializer: renamed(graph.initializer),
    valueInfo: renamed(graph.valueInfo),
  };
}

function bodyOf(call: NodeProto, callee: FunctionProto, work: Work): { nodes: readonly NodeProto[]; opset: number | undefined } {
  // Not nested in the caller's own prefix: the number makes it unique, and names stay short however deep the calls are.
  const prefix = `${callee.name ?? ""}#${work.calls++}/`;
  const names = new Map<string, string>();
  (callee.input ?? []).forEach((name, i) => {
    names.set(name, call.input?.[i] ?? "");
  });
  const copies: NodeProto[] = [];
  (callee.output ?? []).forEach((name, i) => {
    const to = call.output?.[i] ?? "";
    if (to === "") return;
    // An output that is also an input, or that is given out twice, needs a node of its own to carry the second name.
    if (names.has(name)) copies.push({ opType: "Identity", input: [names.get(name) ?? ""], output: [to] });
    else names.set(name, to);
  });
  const attributes = new Map<string, AttributeProto>();
  for (const attribute of callee.attributeProto ?? []) attributes.set(attribute.name ?? "", attribute);
  for (const attribute of call.attribute ?? []) attributes.set(attribute.name ?? "", attribute);
  const { standard: opset, domains } = readOpsets(callee.opsetImport);
  for (const [domain, version] of domains) if (!work.domains.has(domain)) work.domains.set(domain, version);
  const value = (name: string): string => (name === "" ? "" : (names.get(name) ?? `${prefix}${name}`));
  const binding: Binding = { value, prefix, attributes, work };
  return { nodes: [...(callee.node ?? []).map((node) => boundNode(node, binding)), ...copies], opset };
}

function expand(
  nodes: readonly NodeProto[],
  work: Work,
  place: { readonly stack: readonly string[]; readonly opset: number | undefined },
): NodeProto[] {
  const out: NodeProto[] = [];
  for (const source of nodes) {
    let node = source;
    if (source.attribute?.some((a) => a.g !== undefined || a.graphs !== undefined)) {
      const inside = (graph: GraphProto): GraphProto => ({ ...graph, node: expand(graph.node ?? [], work, place) });
      node = {
        ...source,
        attribute: source.attribute.map((a) => ({
          ...a,
          ...(a.g === undefined ? {} : { g: inside(a.g) }),
          ...(a.graphs === undefined ? {} : { graphs: a.graphs.map(inside) }),
        })),
      };
    }
    const key = keyOf(node.domain, node.opType, node.overload);
    const callee = work.byKey.get(key);
    if (callee === undefined) {
      if (place.opset !== undefined) work.opsets.set(node, place.opset);
      out.push(node);
      continue;
    }
    const at = { node: node.name ?? "" };
    if (place.stack.includes(key)) throw fail("GRAPH_INVALID", `Cannot inline function ${node.opType}: it calls itself`, { at });
    if (place.stack.length >= work.maxInlineDepth) {
      throw fail(
        "LIMIT_EXCEEDED",
        `Cannot inline function ${node.opType}: functions are nested deeper than maxInlineDepth ${work.maxInlineDepth}`,
        { at },
      );
    }
    const body = bodyOf(node, callee, work);
    const name = callee.name ?? "";
    work.inlined.set(name, (work.inlined.get(name) ?? 0) + 1);
    for (const inner of expand(body.nodes, work, { stack: [...place.stack, key], opset: body.opset })) out.push(inner);
  }
  return out;
}

/**
 * The graph with the bodies of the model's own functions in the place of their calls, nested ones too. Values and nodes of a body are named after
 * the call.
 *
 * @throws GRAPH_INVALID for a function that calls itself; LIMIT_EXCEEDED (maxInlinedNodes, maxInlineDepth)
 */
export function inlineFunctions(graph: GraphProto, options: InlineOptions): Inlined {
  const byKey = new Map(options.functions.map((f) => [keyOf(f.domain, f.name, f.overload), f] as const));
  const work: Work = {
    ...options,
    byKey,
    inlined: new Map(),
    opsets: new WeakMap(),
    domains: new Map(),
    nodes: 0,
    nameChars: 0,
    calls: 0,
  };
  if (byKey.size === 0) return { graph, inlined: work.inlined, opsets: work.opsets, domains: work.domains };
  const node = expand(graph.node ?? [], work, { stack: [], opset: undefined });
  return { graph: { ...graph, node }, inlined: work.inlined, opsets: work.opsets, domains: work.domains };
}
