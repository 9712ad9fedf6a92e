import type { Graph, Node, TensorType, ValueInfo, ValueType } from "../../graph/model.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { usedNames } from "../../graph/walk.ts";
import { inferGraph } from "../../ops/infer.ts";

/** What is known about the values of a graph while its nodes are being replaced one after another. */
export interface TypeScope {
  typeOf(value: string): TensorType | undefined;
  constantOf(value: string): Tensor | undefined;
  /** Constants that were added on the way are seen through this. */
  addConstant(name: string, tensor: Tensor): void;
  /** Tells of nodes that are final: what they make can be inferred from now on. */
  push(nodes: readonly Node[]): void;
}

/** A scope for `graph`, inside `parent` when it is a subgraph. Types are inferred only when somebody asks for one that is not declared. */
export function makeTypeScope(graph: Graph, parent: TypeScope | undefined): TypeScope {
  const known = new Map<string, ValueType>(graph.types);
  for (const output of graph.outputs) known.set(output.name, output.type);
  for (const input of graph.inputs) known.set(input.name, input.type);
  const constants = new Map(graph.constants);
  const inputs = new Set(graph.inputs.map((i) => i.name));
  let pending: Node[] = [];

  // A slice of the graph at a time, so that each node is inferred once however often somebody asks.
  const infer = (): void => {
    const nodes = pending;
    pending = [];
    const made = new Set(nodes.flatMap((n) => n.outputs));
    const seen = new Map<string, Tensor>();
    const given: ValueInfo[] = [];
    for (const name of new Set(nodes.flatMap((n) => [...usedNames(n)]))) {
      if (made.has(name)) continue;
      const constant = scope.constantOf(name);
      const type = constant === undefined ? scope.typeOf(name) : undefined;
      if (constant !== undefined) seen.set(name, constant);
      else if (type !== undefined) given.push({ name, type });
    }
    const types = new Map<string, ValueType>();
    for (const name of made) {
      const declared = known.get(name);
      if (declared !== undefined) types.set(name, declared);
    }
    const result = inferGraph({ name: "", inputs: given, outputs: [], nodes, constants: seen, types });
    for (const [name, type] of result.types) if (made.has(name)) known.set(name, type);
  };

  const scope: TypeScope = {
    constantOf(value) {
      const constant = constants.get(value);
      if (constant !== undefined) return inputs.has(value) ? undefined : constant;
      return known.has(value) ? undefined : parent?.constantOf(value);
    },
    typeOf(value) {
      const constant = constants.get(value);
      if (constant !== undefined) return { kind: "tensor", dtype: constant.dtype, shape: constant.shape };
      let type = known.get(value);
      if ((type?.kind !== "tensor" || type.shape === undefined) && pending.length > 0) {
        infer();
        type = known.get(value);
      }
      if (type === undefined) return parent?.typeOf(value);
      return type.kind === "tensor" ? type : undefined;
    },
    addConstant(name, tensor) {
      constants.set(name, tensor);
    },
    push(nodes) {
      for (const node of nodes) pending.push(node);
    },
  };
  return scope;
}
