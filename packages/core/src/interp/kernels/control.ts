import { fail } from "../../base/error.ts";
import { byteLength, DTYPES } from "../../graph/dtype.ts";
import type { Graph, Node } from "../../graph/model.ts";
import { attrGraph, attrInt, attrInts } from "../../graph/node.ts";
import { countOf, fromNumbers, type Tensor, toInts, toNumbers } from "../../graph/tensor.ts";
import type { CONTROL } from "../../ops/control.ts";
import { normalAxis } from "../../ops/signature.ts";
import type { Kernel, KernelContext, NoKernel } from "../kernel.ts";
import { needed } from "./needed.ts";
import { noKernelFor } from "./quantized.ts";

function body(node: Node, name: string): Graph {
  const graph = attrGraph(node, name);
  if (graph === undefined)
    throw fail("ATTRIBUTE_INVALID", `Cannot run ${node.op}: the graph ${name} is missing`, { at: { node: node.name } });
  return graph;
}

function truth(t: Tensor): boolean {
  return toNumbers(t)[0] !== 0;
}

const ifKernel: Kernel = (inputs, context) =>
  context.runGraph(body(context.node, truth(needed(inputs, 0, context)) ? "then_branch" : "else_branch"), []);

/** Bytes of one element; strings, and packed types that do not fill bytes, cannot be cut into slices. */
function elementBytes(t: Tensor, node: Node): number {
  const { bits } = DTYPES[t.dtype];
  if (bits < 8) throw noKernelFor(node, `slices of ${t.dtype} cannot be taken or put together`);
  return bits / 8;
}

/** Slice `index` along `axis`, that axis removed. */
function sliceOf(t: Tensor, index: number, options: { readonly axis: number; readonly node: Node }): Tensor {
  const { axis, node } = options;
  const inner = countOf(t.shape.slice(axis + 1)) * elementBytes(t, node);
  const outer = countOf(t.shape.slice(0, axis));
  const size = t.shape[axis] as number;
  const bytes = new Uint8Array(outer * inner);
  for (let o = 0; o < outer; o++)
    bytes.set(t.bytes.subarray((o * size + index) * inner, (o * size + index + 1) * inner), o * inner);
  return { dtype: t.dtype, shape: t.shape.filter((_, i) => i !== axis), bytes };
}

/** Tensors of one shape, put together along a new axis. */
function stack(list: readonly Tensor[], options: { readonly axis: number; readonly node: Node }): Tensor {
  const { node } = options;
  const first = list[0];
  if (first === undefined) throw noKernelFor(node, "a scan output of no rounds has no shape");
  const axis = normalAxis(options.axis, first.shape.length + 1, { node });
  const inner = countOf(first.shape.slice(axis)) * elementBytes(first, node);
  const outer = countOf(first.shape.slice(0, axis));
  const bytes = new Uint8Array(inner * outer * list.length);
  list.forEach((t, k) => {
    if (t.dtype !== first.dtype || t.bytes.length !== first.bytes.length || t.shape.some((size, i) => size !== first.shape[i])) {
      throw fail("SHAPE_MISMATCH", `Cannot run ${node.op}: scan outputs [${first.shape}] and [${t.shape}] differ`, {
        at: { node: node.name },
      });
    }
    for (let o = 0; o < outer; o++) bytes.set(t.bytes.subarray(o * inner, (o + 1) * inner), (o * list.length + k) * inner);
  });
  const shape = [...first.shape];
  shape.splice(axis, 0, list.length);
  return { dtype: first.dtype, shape, bytes };
}

/** The value of a scan output when the body never ran: no rounds, and the declared sizes where there are any. */
function emptyScan(graph: Graph, index: number, node: Node): Tensor {
  const type = graph.outputs[index]?.type;
  if (type?.kind !== "tensor") throw noKernelFor(node, "a scan output of no rounds has no declared type");
  const shape = [0, ...(type.shape ?? []).map((size) => (typeof size === "number" ? size : 0))];
  const none = { dtype: type.dtype, shape, bytes: new Uint8Array(byteLength(type.dtype, 0)) };
  return type.dtype === "string" ? { ...none, strings: [] } : none;
}

const loop: Kernel = (inputs, context) => {
  const { node } = context;
  const graph = body(node, "body");
  const limit = inputs[0] === undefined ? Number.POSITIVE_INFINITY : (toInts(inputs[0])[0] as number);
  let go = inputs[1] === undefined ? true : truth(inputs[1]);
  let carried = Array.from({ length: Math.max(0, node.inputs.length - 2) }, (_, i) => needed(inputs, i + 2, context));
  const scans: Tensor[][] = Array.from({ length: graph.outputs.length - 1 - carried.length }, () => []);
  for (let round = 0; round < limit && go; round++) {
    const outputs = context.runGraph(graph, [fromNumbers("int64", [], [round]), fromNumbers("bool", [], [1]), ...carried]);
    go = truth(outputs[0] as Tensor);
    const count = carried.length;
    carried = outputs.slice(1, 1 + count);
    scans.forEach((list, k) => {
      list.push(outputs[1 + count + k] as Tensor);
    });
  }
  const stacked = scans.map((list, k) =>
    list.length === 0 ? emptyScan(graph, 1 + carried.length + k, node) : stack(list, { axis: 0, node }),
  );
  return [...carried, ...stacked];
};

function flags(node: Node, name: string, count: number): readonly number[] {
  const given = attrInts(node, name) ?? [];
  return Array.from({ length: count }, (_, i) => given[i] ?? 0);
}

const scan: Kernel = (inputs, context: KernelContext) => {
  const { node } = context;
  const graph = body(node, "body");
  const scanCount = attrInt(node, "num_scan_inputs");
  const states = inputs.length - scanCount;
  let carried = Array.from({ length: states }, (_, i) => needed(inputs, i, context));
  const sources = Array.from({ length: scanCount }, (_, i) => needed(inputs, states + i, context));
  const axes = flags(node, "scan_input_axes", scanCount).map((axis, i) =>
    normalAxis(axis, sources[i]?.shape.length ?? 0, { node }),
  );
  const backward = flags(node, "scan_input_directions", scanCount);
  const length = sources[0]?.shape[axes[0] ?? 0] ?? 0;
  if (sources.some((t, i) => t.shape[axes[i] as number] !== length)) {
    throw fail("SHAPE_MISMATCH", `Cannot run Scan: scan inputs differ in length from ${length}`, { at: { node: node.name } });
  }
  const outCount = graph.outputs.length - states;
  const outAxes = flags(node, "scan_output_axes", outCount);
  const outBackward = flags(node, "scan_output_directions", outCount);
  const lists: Tensor[][] = Array.from({ length: outCount }, () => []);
  for (let round = 0; round < length; round++) {
    const slices = sources.map((t, i) =>
      sliceOf(t, backward[i] === 1 ? length - 1 - round : round, { axis: axes[i] as number, node }),
    );
    const outputs = context.runGraph(graph, [...carried, ...slices]);
    carried = outputs.slice(0, states);
    lists.forEach((list, k) => {
      list.push(outputs[states + k] as Tensor);
    });
  }
  const stacked = lists.map((list, k) => {
    if (list.length === 0) return emptyScan(graph, states + k, node);
    return stack(outBackward[k] === 1 ? [...list].reverse() : list, { axis: outAxes[k] as number, node });
  });
  return [...carried, ...stacked];
};

/** Operators with subgraphs. */
export const CONTROL_KERNELS = {
  If: ifKernel,
  Loop: loop,
  Scan: scan,
} as const satisfies Record<keyof typeof CONTROL, Kernel | NoKernel>;
