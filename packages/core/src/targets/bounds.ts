import type { Node } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import { type Tensor, toNumbers } from "../graph/tensor.ts";
import type { Target } from "./target.ts";

/** What a Relu or Clip lets through, ends included; ends that are computed count as none. */
export function boundsOf(node: Node, constant: (name: string) => Tensor | undefined): readonly [number, number] {
  const bound = (index: number, otherwise: number): number => {
    const tensor = isOp(node, "Clip") && node.inputs[index] ? constant(node.inputs[index] as string) : undefined;
    return tensor === undefined ? otherwise : (toNumbers(tensor)[0] as number);
  };
  return [bound(1, isOp(node, "Relu") ? 0 : Number.NEGATIVE_INFINITY), bound(2, Number.POSITIVE_INFINITY)];
}

/** Whether kernels of the target clamp at just these bounds; where the target has no such kernels, none do. */
export function isKernelBound(bounds: readonly [number, number], target: Pick<Target, "absorbs">): boolean {
  return target.absorbs?.bounds.some(([low, high]) => low === bounds[0] && high === bounds[1]) ?? false;
}
