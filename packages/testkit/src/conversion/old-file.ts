import type { Random } from "@tessera/core/base/random";
import { writeGraph } from "@tessera/core/convert/onnx/write-graph";
import type { ModelProto } from "@tessera/core/formats/onnx/records";
import { type Dim, UNKNOWN_DIM } from "@tessera/core/graph/dim";
import type { DType } from "@tessera/core/graph/dtype";
import { type Graph, type Node, tensorType, type ValueInfo } from "@tessera/core/graph/model";
import { countOf, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";

/** How much an old file tells about the shapes of its inputs. */
export type ShapeKnowledge = "static" | "symbolic" | "none";

/** A graph written in the words of an old opset, and something to feed it. */
export interface OldModel {
  readonly nodes: readonly Node[];
  /** Element types of the outputs by name. */
  readonly outputs: Readonly<Record<string, DType>>;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly constants?: Readonly<Record<string, Tensor>>;
}

function inputType(tensor: Tensor, knowledge: ShapeKnowledge, name: string): ValueInfo {
  const symbols = tensor.shape.map((_, i): Dim => (i === 0 ? UNKNOWN_DIM : `${name}${i}`));
  const shape = knowledge === "static" ? tensor.shape : knowledge === "symbolic" ? symbols : undefined;
  return { name, type: tensorType(tensor.dtype, shape) };
}

/** The record of a file of opset `opset`, straight from the nodes as they are: nothing is raised or checked. */
export function oldFile(model: OldModel, options: { readonly opset: number; readonly knowledge: ShapeKnowledge }): ModelProto {
  const graph: Graph = {
    name: "old",
    inputs: Object.entries(model.feeds).map(([name, tensor]) => inputType(tensor, options.knowledge, name)),
    outputs: Object.entries(model.outputs).map(([name, dtype]) => ({ name, type: tensorType(dtype, undefined) })),
    nodes: model.nodes,
    constants: new Map(Object.entries(model.constants ?? {})),
    types: new Map(),
  };
  const domains = [...new Set(model.nodes.map((n) => n.domain))].filter((d) => d !== "");
  return {
    irVersion: 8,
    opsetImport: [{ domain: "", version: options.opset }, ...domains.map((domain) => ({ domain, version: 1 }))],
    producerName: "tessera-testkit",
    graph: writeGraph(graph),
  };
}

/** Sizes for `rank` axes in [low, high]. */
export function randomShape(random: Random, rank: number, high = 5): number[] {
  return Array.from({ length: rank }, () => 1 + random.int(high));
}

/** Normal values of a float type. */
export function randomFloats(random: Random, shape: readonly number[], dtype: DType = "float32"): Tensor {
  return fromNumbers(
    dtype,
    shape,
    Array.from({ length: countOf(shape) }, () => random.normal() * 2),
  );
}

/** One of the items. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)] as T;
}

/** Some items, at least one, in their order. */
export function some<T>(random: Random, items: readonly T[]): T[] {
  const chosen = items.filter(() => random.next() < 0.5);
  return chosen.length > 0 ? chosen : [pick(random, items)];
}
