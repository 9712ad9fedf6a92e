import { PADDINGS } from "../../../formats/tflite/enums.ts";
import type { Operator, SubGraph } from "../../../formats/tflite/schema.ts";
import { toInts } from "../../../graph/tensor.ts";
import type { NamedOperator } from "./operators.ts";
import type { SourceTensors } from "./source-tensor.ts";

/** Dilations and pads of a convolution that its own options do not tell. */
export interface GivenWindow {
  readonly dilations: readonly [number, number];
  /** ONNX pads: top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
}

const CONVOLUTIONS: ReadonlySet<string> = new Set(["CONV_2D", "DEPTHWISE_CONV_2D"]);

/**
 * Folds SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND into one convolution with dilations: how TensorFlow once wrote them. The pads of the first less
 * the crops of the last are the pads of the convolution; where that would be less than nothing, the three stay.
 */
export function foldDilations(
  operators: readonly NamedOperator[],
  graph: SubGraph,
  tensors: SourceTensors,
): readonly NamedOperator[] {
  const readers = new Map<number, NamedOperator[]>();
  for (const operator of operators) {
    for (const tensor of new Set(operator.record.inputs ?? [])) {
      const list = readers.get(tensor);
      if (list === undefined) readers.set(tensor, [operator]);
      else list.push(operator);
    }
  }
  const outputs = new Set(graph.outputs ?? []);
  const onlyReader = (operator: NamedOperator): NamedOperator | undefined => {
    const made = operator.record.outputs?.[0] ?? -1;
    const list = readers.get(made);
    return operator.record.outputs?.length === 1 && list?.length === 1 && !outputs.has(made) ? list[0] : undefined;
  };
  const ints = (record: Operator, i: number): number[] | undefined => {
    const index = record.inputs?.[i] ?? -1;
    const data = index < 0 || index >= tensors.count ? undefined : tensors.get(index).data;
    return data === undefined || (data.dtype !== "int32" && data.dtype !== "int64") ? undefined : toInts(data);
  };
  const dropped = new Set<NamedOperator>();
  const folded = new Map<NamedOperator, NamedOperator>();
  for (const first of operators) {
    if (first.name !== "SPACE_TO_BATCH_ND") continue;
    const conv = onlyReader(first);
    if (conv === undefined || !CONVOLUTIONS.has(conv.name) || conv.record.inputs?.[0] !== first.record.outputs?.[0]) continue;
    const last = onlyReader(conv);
    if (last?.name !== "BATCH_TO_SPACE_ND" || last.record.inputs?.[0] !== conv.record.outputs?.[0]) continue;
    if (!isUndilated(conv.record)) continue;
    const blocks = ints(first.record, 1);
    const after = ints(last.record, 1);
    const pads = ints(first.record, 2);
    const crops = ints(last.record, 2);
    if (
      blocks?.length !== 2 ||
      after?.join() !== blocks.join() ||
      blocks.some((b) => b < 1) ||
      pads?.length !== 4 ||
      crops?.length !== 4
    )
      continue;
    const rest = pads.map((n, i) => n - (crops[i] as number));
    if (rest.some((n) => n < 0)) continue;
    const window: GivenWindow = {
      dilations: blocks as [number, number],
      pads: [rest[0], rest[2], rest[1], rest[3]] as [number, number, number, number],
    };
    const inputs = Int32Array.from(conv.record.inputs ?? [], (tensor, i) =>
      i === 0 ? (first.record.inputs?.[0] ?? -1) : tensor,
    );
    dropped.add(first);
    dropped.add(conv);
    folded.set(last, {
      ...conv,
      record: { ...conv.record, inputs, ...(last.record.outputs && { outputs: last.record.outputs }) },
      window,
    });
  }
  if (folded.size === 0) return operators;
  return operators.flatMap((operator) => (dropped.has(operator) ? [] : [folded.get(operator) ?? operator]));
}

function isUndilated({ builtinOptions: options }: Operator): boolean {
  if (options?.kind !== "Conv2DOptions" && options?.kind !== "DepthwiseConv2DOptions") return false;
  const { padding, strideH, strideW, dilationHFactor, dilationWFactor } = options;
  return padding === PADDINGS.VALID && [strideH, strideW, dilationHFactor, dilationWFactor].every((n) => n === 1);
}
