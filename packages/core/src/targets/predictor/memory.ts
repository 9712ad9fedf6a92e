import { isStatic } from "../../graph/dim.ts";
import { byteLength } from "../../graph/dtype.ts";
import type { Model } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { countOf } from "../../graph/tensor.ts";
import type { Kernel } from "./kernel.ts";

/**
 * The largest sum of values that live at the same time when kernels run in the given order and each value is freed after its last use. A value with an
 * encoding takes the bytes of its integers; in front of an integer kernel its float form is not counted beside it.
 *
 * @returns bytes; `undefined` when a size is not known
 */
export function peakActivations(model: Model, kernels: readonly Kernel[], plan: QuantPlan | undefined): number | undefined {
  const bytes = (name: string): number | undefined => {
    const type = model.graph.types.get(name) ?? model.graph.inputs.find((i) => i.name === name)?.type;
    if (type?.kind !== "tensor" || !isStatic(type.shape) || type.dtype === "string") return undefined;
    return byteLength(plan?.tensors.get(name)?.dtype ?? type.dtype, countOf(type.shape));
  };
  const lastUse = new Map<string, number>();
  kernels.forEach((kernel, i) => {
    for (const name of [...kernel.inputs, ...kernel.outputs]) lastUse.set(name, i);
  });
  for (const { name } of model.graph.outputs) lastUse.set(name, kernels.length);
  const live = new Map<string, number>();
  let unknown = false;
  const born = (name: string): void => {
    const size = bytes(name);
    if (size === undefined) unknown = true;
    else live.set(name, size);
  };
  for (const { name } of model.graph.inputs) if (!model.graph.constants.has(name)) born(name);
  let peak = 0;
  for (const [i, kernel] of kernels.entries()) {
    for (const name of kernel.outputs) if (!live.has(name)) born(name);
    peak = Math.max(
      peak,
      [...live.values()].reduce((a, b) => a + b, 0),
    );
    for (const name of [...kernel.inputs, ...kernel.outputs]) if (lastUse.get(name) === i) live.delete(name);
  }
  return unknown ? undefined : peak;
}
