import { fail } from "../base/error.ts";
import { type Dim, isStatic } from "../graph/dim.ts";
import { withGraph } from "../graph/edit.ts";
import type { Graph, Model, Node, ValueInfo } from "../graph/model.ts";
import { attrInt, isOp } from "../graph/node.ts";
import { i64, toInts } from "../graph/tensor.ts";
import { inferGraph } from "../ops/infer.ts";

/** Options of {@link rebatch}. */
export interface RebatchOptions {
  /** The new batch: a number, or a name for one that the caller chooses at run time. */
  readonly batch: Dim;
  /** Inputs that have a batch; all whose first size is the same number, unless given. */
  readonly inputs?: readonly string[];
}

/**
 * The model for another batch size: the first size of its inputs changes, and the targets of Reshapes that have the old batch written into them. The result is inferred
 * anew, and must come out with the new batch first in every output that had the old one and with every other size as it was.
 *
 * @throws SHAPE_MISMATCH where it would not, naming the value; DATA_MISSING where no input has a batch of a known size
 * @example
 * const single = rebatch(model, { batch: 1 });
 */
export function rebatch(model: Model, options: RebatchOptions): Model {
  const { graph } = model;
  const chosen = graph.inputs.filter((i) =>
    options.inputs === undefined ? i.type.kind === "tensor" && (i.type.shape?.length ?? 0) > 1 : options.inputs.includes(i.name),
  );
  const sizes = new Set(chosen.map((i) => (i.type.kind === "tensor" ? i.type.shape?.[0] : undefined)));
  const [old] = sizes;
  if (chosen.length === 0 || sizes.size !== 1 || typeof old !== "number")
    throw fail(
      "DATA_MISSING",
      `Cannot change the batch: the inputs do not share a first size that is a number (found ${[...sizes]})`,
    );
  const isChosen = new Set(chosen.map((i) => i.name));
  const before = inferGraph(graph);
  const shapeBefore = (name: string): readonly Dim[] | undefined => {
    const type = before.types.get(name);
    return type?.kind === "tensor" ? type.shape : undefined;
  };
  const constants = new Map(graph.constants);
  const nodes = graph.nodes.map((node): Node => {
    const target = reshapeTarget(graph, node);
    if (target === undefined || target[0] !== old || shapeBefore(node.inputs[0] as string)?.[0] !== old) return node;
    // A symbolic batch stays where it is (0); should the target leave another size open, that one keeps its -1.
    const name = `${node.outputs[0]}_rebatched`;
    constants.set(name, i64([target.length], [typeof options.batch === "number" ? options.batch : 0, ...target.slice(1)]));
    return { ...node, inputs: [node.inputs[0] as string, name] };
  });
  const withBatch = (info: ValueInfo): ValueInfo =>
    info.type.kind === "tensor" && info.type.shape !== undefined
      ? { ...info, type: { ...info.type, shape: [options.batch, ...info.type.shape.slice(1)] } }
      : info;
  const opaque = { kind: "opaque", record: undefined } as const;
  const changed: Graph = {
    ...graph,
    inputs: graph.inputs.map((i) => (isChosen.has(i.name) ? withBatch(i) : i)),
    outputs: graph.outputs.map((o) => ({ ...o, type: opaque })),
    nodes,
    constants,
    types: new Map(),
  };
  const after = inferGraph(changed);
  const [problem] = after.problems;
  if (problem !== undefined)
    throw fail("SHAPE_MISMATCH", `Cannot change the batch from ${old} to ${options.batch}: ${problem.error.message}`, {
      at: { node: problem.node },
    });
  for (const output of graph.outputs) {
    const was = shapeBefore(output.name) ?? (output.type.kind === "tensor" ? output.type.shape : undefined);
    const type = after.types.get(output.name);
    const is = type?.kind === "tensor" ? type.shape : undefined;
    const wanted = was?.map((size, axis) => (axis === 0 && size === old ? options.batch : size));
    if (wanted === undefined || is === undefined || is.join() !== wanted.join()) {
      throw fail(
        "SHAPE_MISMATCH",
        `Cannot change the batch from ${old} to ${options.batch}: output ${output.name} becomes [${is ?? "?"}], expected [${wanted ?? "?"}]`,
        { at: { tensor: output.name } },
      );
    }
  }
  const outputs = changed.outputs.map((o) => ({ ...o, type: after.types.get(o.name) ?? opaque }));
  return withGraph(model, { ...changed, outputs, types: after.types });
}

function reshapeTarget(graph: Graph, node: Node): readonly number[] | undefined {
  if (!isOp(node, "Reshape") || attrInt(node, "allowzero", 0) !== 0) return undefined;
  const constant = graph.constants.get(node.inputs[1] as string);
  if (constant?.dtype !== "int64" || graph.inputs.some((i) => i.name === node.inputs[1])) return undefined;
  const target = toInts(constant);
  return isStatic(target) ? target : undefined;
}
