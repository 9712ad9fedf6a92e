import type { Node } from "../../graph/model.ts";
import type { Encoding } from "../../graph/plan.ts";
import { quantizeTensor } from "../../graph/quantize.ts";
import { fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";
import { type Channels, isConstant } from "./channels.ts";
import { constantOf, type Kept, type Known, type SumStep, sumStepOf, weightsFor } from "./choose.ts";

/** A bias that took in what constant channels add: which operand of its node it is. */
export interface Fold {
  readonly index: number;
  readonly tensor: Tensor;
  readonly encoding: Encoding | undefined;
}

/**
 * The new biases, by the node that reads them. A sum over constant integers k is an integer, so that the new bias is exact; but the Model has biases in
 * float32, and where no float comes back to the integer (it has more than 24 bits), the node is refused.
 */
export function foldsOf(
  known: Known,
  tensors: ReadonlyMap<string, Encoding>,
  kept: Kept,
): { readonly folds: ReadonlyMap<string, Fold>; readonly refused: readonly string[] } {
  const folds = new Map<string, Fold>();
  const refused: string[] = [];
  for (const { node, input } of known.map.absorbers) {
    const stay = kept.get(input);
    const channels = known.map.channels.get(input);
    const step = sumStepOf(known.program, node.name);
    if (stay === undefined || channels === undefined || step === undefined) continue;
    const added = addedBy(known, step, { input, channels, stay });
    if (added.every((sum) => sum === 0)) continue;
    const place = biasPlace(known, node);
    const fold = place === undefined ? undefined : foldInto(known, tensors, { step, added, place });
    if (fold === undefined || place === undefined) refused.push(node.name);
    else folds.set(place.node.name, fold);
  }
  return { folds, refused };
}

/** What the channels that go add to each output, beyond the input's zero point. */
function addedBy(
  known: Known,
  step: SumStep,
  from: { readonly input: string; readonly channels: Channels; readonly stay: readonly number[] },
): number[] {
  const outputs = step.kind === "fullyConnected" ? step.outputs : step.outChannels;
  const added = new Array<number>(outputs).fill(0);
  const stays = new Set(from.stay);
  for (let channel = 0; channel < from.channels.count; channel++) {
    const q = stays.has(channel) ? undefined : constantOf(known, from.input, channel);
    if (q === undefined || q === step.inputZero) continue;
    for (let output = 0; output < outputs; output++) {
      const sum = weightsFor(step, from.channels, { output, channel }).reduce((a, b) => a + b, 0);
      added[output] = (added[output] as number) + sum * (q - step.inputZero);
    }
  }
  return added;
}

/** Where the bias of a node stands: its third operand, or a constant that the Add behind a MatMul brings. */
function biasPlace(known: Known, node: Node): { readonly node: Node; readonly index: number } | undefined {
  if (node.op !== "MatMul") return { node, index: 2 };
  const readers = known.graph.nodes.filter((other) => other.inputs.includes(node.outputs[0] as string));
  const [next] = readers;
  if (readers.length !== 1 || next?.op !== "Add") return undefined;
  const index = next.inputs.findIndex((name) => isConstant(known.graph, name));
  const step = sumStepOf(known.program, node.name);
  // Only when the program joined the two.
  return index < 0 || step?.bias === undefined ? undefined : { node: next, index };
}

function foldInto(
  known: Known,
  tensors: ReadonlyMap<string, Encoding>,
  how: {
    readonly step: SumStep;
    readonly added: readonly number[];
    readonly place: { readonly node: Node; readonly index: number };
  },
): Fold | undefined {
  const { step, added, place } = how;
  const name = place.node.inputs[place.index] ?? "";
  const old = name === "" ? undefined : known.graph.constants.get(name);
  const encoding = name === "" ? newEncoding(known, tensors, { step, node: place.node }) : tensors.get(name);
  if (encoding?.dtype !== "int32" || (name !== "" && old === undefined)) return undefined;
  if (encoding.zeroPoint.some((zero) => zero !== 0)) return undefined;
  const wanted = added.map((sum, o) => (Number(step.bias?.[o] ?? 0) + sum) | 0);
  const floats = old === undefined ? new Float64Array(added.length) : toNumbers(old);
  const scaleOf = (o: number): number => encoding.scale[encoding.scale.length === 1 ? 0 : o] as number;
  for (const [o, sum] of added.entries()) if (sum !== 0) floats[o] = Math.fround((wanted[o] as number) * scaleOf(o));
  const tensor = fromNumbers("float32", old?.shape ?? [added.length], floats);
  const back = toNumbers(quantizeTensor(tensor, encoding));
  return back.every((q, o) => q === wanted[o]) ? { index: place.index, tensor, encoding } : undefined;
}

/** The encoding of a bias where there was none. */
function newEncoding(
  known: Known,
  tensors: ReadonlyMap<string, Encoding>,
  at: { readonly step: SumStep; readonly node: Node },
): Encoding | undefined {
  const weights = tensors.get(at.node.inputs[1] ?? "");
  const scale = known.program.values.get(at.step.inputs[0] as string)?.scale;
  if (weights === undefined || scale === undefined) return undefined;
  return {
    dtype: "int32",
    scale: weights.scale.map((w) => Math.fround(scale * w)),
    zeroPoint: weights.scale.map(() => 0),
    ...(weights.scale.length > 1 ? { axis: 0 } : {}),
    reason: "takes in what constant channels added",
  };
}
