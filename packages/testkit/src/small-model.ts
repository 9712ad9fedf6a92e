import type { Shape } from "@tessera/core/graph/dim";
import { type Model, type Node, tensorType } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import type { Tensor } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";

/** What {@link smallModel} is made of. */
export interface SmallModelParts {
  /** Shape of the one input `x`, float32. */
  readonly x: Shape;
  readonly nodes: readonly Node[];
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Names of the outputs, float32; `y` unless given. */
  readonly outputs?: readonly string[];
}

/** A model of a few nodes from `x` to `y`, with its types inferred. */
export function smallModel({ x, nodes, constants = {}, outputs = ["y"] }: SmallModelParts): Model {
  return inferTypes({
    kind: "model",
    graph: {
      name: "small",
      inputs: [{ name: "x", type: tensorType("float32", x) }],
      outputs: outputs.map((name) => ({ name, type: tensorType("float32", undefined) })),
      nodes,
      constants: new Map(Object.entries(constants)),
      types: new Map(),
    },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  });
}

/**
 * A node from names in one string, `"x w - b"`: blanks between them, a dash for an absent one. It is named for what it makes, unless a name is given.
 */
export function smallNode(op: string, inputs: string, outputs: string, attributes = {}, name = outputs): Node {
  const names = inputs.split(" ").map((input) => (input === "-" ? "" : input));
  return makeNode(op, { inputs: names, outputs: outputs.split(" ") }, { name, attributes });
}
