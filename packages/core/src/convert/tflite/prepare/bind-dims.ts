import { fail } from "../../../base/error.ts";
import { type Dim, isStatic } from "../../../graph/dim.ts";
import { withGraph } from "../../../graph/edit.ts";
import { type Model, tensorType, type ValueInfo } from "../../../graph/model.ts";
import { inferTypes } from "../../../ops/infer-types.ts";

/**
 * The model with fixed input sizes: symbolic ones become what `dims` says, and a first size that it does not name becomes 1. Inputs that have a default
 * value (ONNX IR 3) become constants, because a TFLite file has no such inputs.
 *
 * @throws DATA_MISSING for a size that is neither known nor first
 */
export function bindDims(model: Model, dims: ReadonlyMap<string, number> = new Map()): Model {
  const inputs = model.graph.inputs.filter((i) => !model.graph.constants.has(i.name));
  const bindings = new Map(dims);
  for (const { type } of inputs) {
    const first = type.kind === "tensor" ? type.shape?.[0] : undefined;
    if (typeof first === "string" && !bindings.has(first)) bindings.set(first, 1);
  }
  const fixed = inputs.map((info): ValueInfo => {
    if (info.type.kind !== "tensor" || info.type.shape === undefined) throw unknown(info.name, "?");
    const shape = info.type.shape.map((dim: Dim) => {
      const size = typeof dim === "number" ? dim : bindings.get(dim);
      if (size === undefined) throw unknown(info.name, String(dim));
      return size;
    });
    return { ...info, type: tensorType(info.type.dtype, shape) };
  });
  const isAlready = fixed.every((info, i) => info.type.kind === "tensor" && sameSizes(info, inputs[i]));
  if (isAlready && fixed.length === model.graph.inputs.length) return inferTypes(model);
  return inferTypes(withGraph(model, { ...model.graph, inputs: fixed }), { bindings });
}

function sameSizes(info: ValueInfo, other: ValueInfo | undefined): boolean {
  const [a, b] = [info.type, other?.type];
  return a.kind === "tensor" && b?.kind === "tensor" && isStatic(b.shape) && a.shape?.join() === b.shape.join();
}

function unknown(name: string, dim: string): Error {
  return fail("DATA_MISSING", `Cannot lower to TFLite: size "${dim}" of input ${name} is not known`, {
    at: { tensor: name },
    hint: "Give the size by name (option dims)",
  });
}
