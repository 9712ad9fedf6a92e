import { fail } from "../../../base/error.ts";
import { isStatic } from "../../../graph/dim.ts";
import { byteLength, type DType, isFloat } from "../../../graph/dtype.ts";
import type { Graph, Node, TensorType } from "../../../graph/model.ts";
import { attrInts, isOp } from "../../../graph/node.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { countOf, type Tensor } from "../../../graph/tensor.ts";
import { sameEncoding } from "../emit/integer.ts";
import { emissionOf } from "../emit/table.ts";
import type { FilePort } from "../options.ts";
import { canonicalOrder, channelsLastOrder, inOrder, type Order, sameOrder } from "./order.ts";
import type { DataUse, LayoutData, LayoutNode, LayoutProblem } from "./problem.ts";
import type { Site } from "./rule.ts";

/** A graph made ready for the choice of layouts. */
export interface LaidOutGraph {
  readonly problem: LayoutProblem;
  /** Nodes to be emitted, in order: all but the Transposes that are mere renamings of axes. */
  readonly nodes: readonly Node[];
  readonly inputs: readonly FilePort[];
  readonly outputs: readonly FilePort[];
  readonly facts: Omit<Site, "node"> & { use(name: string): DataUse };
}

/** Options of {@link layoutGraph}. */
export interface LayoutGraphOptions {
  readonly encodings: ReadonlyMap<string, Encoding>;
  /** Layout of image-like inputs and outputs. */
  readonly layout: "nhwc" | "nchw";
}

/** Collects what the choice of layouts needs to know of a graph whose nodes all have an emission. @throws SHAPE_MISMATCH where a size is not known */
export function layoutGraph(graph: Graph, options: LayoutGraphOptions): LaidOutGraph {
  const { encodings } = options;
  const inputTypes = new Map(graph.inputs.map((i) => [i.name, i.type] as const));
  const typeOf = (name: string): TensorType & { readonly shape: readonly number[] } => {
    const type = inputTypes.get(name) ?? graph.types.get(name);
    if (type?.kind !== "tensor" || !isStatic(type.shape)) {
      const shape = type?.kind === "tensor" ? (type.shape ?? "?") : "?";
      throw fail("SHAPE_MISMATCH", `Cannot lower to TFLite: the shape of ${name} is [${shape}], which is not fixed`, {
        at: { tensor: name },
        hint: "Give the sizes of symbolic dimensions (option dims), or simplify the model first",
      });
    }
    return { ...type, shape: type.shape };
  };
  const constant = (name: string): Tensor | undefined => graph.constants.get(name);
  const uses = new Map<string, DataUse>();
  const shape = (name: string): readonly number[] => constant(name)?.shape ?? typeOf(name).shape;
  const dtype = (name: string): DType => constant(name)?.dtype ?? typeOf(name).dtype;
  const use = (name: string): DataUse => {
    const known = uses.get(name);
    if (known !== undefined) return known;
    const own = { data: name, axes: canonicalOrder(shape(name).length) };
    uses.set(name, own);
    return own;
  };
  const facts = { shape, dtype, constant, use };
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const [x, y] = [node.inputs[0] as string, node.outputs[0] as string];
    if (isOp(node, "Transpose") && constant(x) === undefined && sameEncoding(encodings.get(x), encodings.get(y))) {
      const from = use(x);
      const perm = attrInts(node, "perm") ?? [...from.axes.keys()].reverse();
      uses.set(y, { data: from.data, axes: inOrder(from.axes, perm) });
    } else nodes.push(node);
  }
  const layoutNodes = nodes.map((node): LayoutNode => {
    const layout = (emissionOf(node) as NonNullable<ReturnType<typeof emissionOf>>).layout({ ...facts, node });
    const usesOf = (names: readonly string[], orders: readonly (Order | undefined)[]): (DataUse | undefined)[] =>
      names.map((name, i) => (name === "" || orders[i] === undefined || constant(name) !== undefined ? undefined : use(name)));
    return {
      name: node.name,
      layout,
      inputs: usesOf(node.inputs, layout.natural.inputs),
      outputs: usesOf(node.outputs, layout.natural.outputs),
    };
  });
  const imageLike = imageData(layoutNodes);
  const portOf = (name: string): FilePort => {
    const rank = shape(name).length;
    const { data, axes } = use(name);
    // What stands behind a Transpose of the model has its channels where its author wants them.
    const isPlain = axes.every((axis, i) => axis === i);
    const isImage = isPlain && rank === 4 && isFloat(dtype(name)) && constant(name) === undefined && imageLike.has(data);
    return { name, order: isImage && options.layout === "nhwc" ? channelsLastOrder(rank) : canonicalOrder(rank) };
  };
  const inputs = graph.inputs.map((i) => portOf(i.name));
  const outputs = graph.outputs.map((o) => portOf(o.name));
  const given = new Map(inputs.map((i) => [i.name, i.order]));
  const wanted = new Map<string, Order[]>();
  for (const { name, order } of outputs) {
    if (constant(name) !== undefined) continue;
    const { data, axes } = use(name);
    const asked = inOrder(axes, order);
    const list = wanted.get(data) ?? [];
    if (!list.some((o) => sameOrder(o, asked))) wanted.set(data, [...list, asked]);
  }
  const names = new Set<string>(given.keys());
  for (const node of layoutNodes) for (const u of [...node.inputs, ...node.outputs]) if (u !== undefined) names.add(u.data);
  const data = [...names].map((name): LayoutData => {
    const order = given.get(name);
    const asked = wanted.get(name);
    const bytes = byteLength(encodings.get(name)?.dtype ?? dtype(name), countOf(shape(name)));
    return {
      name,
      shape: shape(name),
      bytes,
      ...(order !== undefined && { given: order }),
      ...(asked !== undefined && { wanted: asked }),
    };
  });
  return { problem: { nodes: layoutNodes, data }, nodes, inputs, outputs, facts };
}

/**
 * Data that convolutions, pools and their like (which run with channels last only) read or make, directly or over nodes that run in any order: pictures,
 * as opposed to tables whose second axis is no channel.
 */
function imageData(nodes: readonly LayoutNode[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const node of nodes) {
    if (node.layout.follow !== undefined) continue;
    const mark = (list: readonly (DataUse | undefined)[], orders: readonly (Order | undefined)[]): void => {
      list.forEach((u, i) => {
        const order = orders[i];
        if (u === undefined || order === undefined || order.length !== 4) return;
        if (sameOrder(inOrder(u.axes, order), channelsLastOrder(4)) && u.axes.every((axis, k) => axis === k)) found.add(u.data);
      });
    };
    mark(node.inputs, node.layout.natural.inputs);
    mark(node.outputs, node.layout.natural.outputs);
  }
  for (let grows = true; grows; ) {
    grows = false;
    for (const node of nodes) {
      if (node.layout.follow === undefined) continue;
      const ports = [...node.inputs, ...node.outputs].filter((u): u is DataUse => u !== undefined && u.axes.length === 4);
      if (!ports.some((u) => found.has(u.data))) continue;
      for (const u of ports) {
        if (found.has(u.data)) continue;
        found.add(u.data);
        grows = true;
      }
    }
  }
  return found;
}
