import type { GraphDraft } from "./draft.ts";
import type { Encoding } from "./plan.ts";
import { LEVELS, quantizeNumber } from "./quantize.ts";
import { toNumbers } from "./tensor.ts";

/** Removes a Relu or Clip before a quantization that saturates at the very same integers; false when there is none. */
export function dropAbsorbed(draft: GraphDraft, name: string, encoding: Encoding): boolean {
  const node = draft.producer(name);
  if (node === undefined || node.domain !== "" || (node.op !== "Relu" && node.op !== "Clip")) return false;
  const input = node.inputs[0] as string;
  const maker = draft.producer(input);
  // What stands before must belong to this node alone, or its other readers would lose the bound.
  if (maker === undefined || draft.onlyConsumer(input) === undefined) return false;
  const bound = (index: number): number | undefined => {
    const constant = node.inputs[index] ? draft.constant(node.inputs[index] as string) : undefined;
    return constant === undefined ? undefined : toNumbers(constant)[0];
  };
  if (node.op === "Clip" && [1, 2].some((i) => node.inputs[i] && bound(i) === undefined)) return false;
  const low = node.op === "Relu" ? 0 : bound(1);
  const high = node.op === "Relu" ? undefined : bound(2);
  // QuantizeLinear knows the limits of the type only, not a narrower range of the plan.
  const [least, most] = LEVELS[encoding.dtype];
  const { range: _, ...atRuntime } = encoding;
  if (low !== undefined && quantizeNumber(low, atRuntime) !== least) return false;
  if (high !== undefined && quantizeNumber(high, atRuntime) !== most) return false;
  draft.remove(node);
  draft.replace(maker, { ...maker, outputs: maker.outputs.map((o) => (o === input ? name : o)) });
  return true;
}
