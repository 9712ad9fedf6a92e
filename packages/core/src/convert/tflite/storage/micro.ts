import { builtinOperatorName } from "../../../formats/tflite/builtin-operators.ts";
import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { TensorDraft } from "./records.ts";
import { slimTflite } from "./slim.ts";

/**
 * A file for TensorFlow Lite for Microcontrollers alone: slim, and without what only other runtimes read. A list of equal zero points becomes one
 * zero point, which its kernels take for all channels; biases of convolutions lose their scales, which its kernels work out from those of input and
 * weights; signatures go. LiteRT and its predecessor refuse such files.
 */
export function microTflite(records: TfliteDraft): TfliteDraft {
  const slim = slimTflite(records);
  const [graph = {}, ...others] = slim.subgraphs ?? [];
  const tensors = [...(graph.tensors ?? [])];
  const summed = sumBiases(slim);
  tensors.forEach((tensor, index) => {
    tensors[index] = summed.has(index) ? withoutQuantization(tensor) : withOneZeroPoint(tensor);
  });
  const { signatureDefs: _signatures, ...rest } = slim;
  return { ...rest, subgraphs: [{ ...graph, tensors }, ...others] };
}

/** Biases that convolutions read and nobody else. Fully connected layers hold the scale of theirs against the product of the other two. */
function sumBiases({ subgraphs, operatorCodes }: TfliteDraft): ReadonlySet<number> {
  const [graph = {}] = subgraphs ?? [];
  const found = new Set<number>();
  const others = new Set<number>(graph.outputs ?? []);
  for (const operator of graph.operators ?? []) {
    const name = builtinOperatorName(operatorCodes?.[operator.opcodeIndex ?? 0]?.builtinCode ?? 0);
    Array.from(operator.inputs ?? []).forEach((tensor, position) => {
      const isBias = position === 2 && SUMS.has(name ?? "") && graph.tensors?.[tensor]?.type === TENSOR_TYPES.INT32;
      if (tensor >= 0) (isBias ? found : others).add(tensor);
    });
  }
  for (const tensor of others) found.delete(tensor);
  return found;
}

const SUMS: ReadonlySet<string> = new Set(["CONV_2D", "DEPTHWISE_CONV_2D"]);

function withoutQuantization(tensor: TensorDraft): TensorDraft {
  const { quantization: _quantization, ...rest } = tensor;
  return rest;
}

function withOneZeroPoint(tensor: TensorDraft): TensorDraft {
  const { quantization } = tensor;
  const points = quantization?.zeroPoint;
  if (quantization === undefined || quantization === null || points === undefined || points.length < 2) return tensor;
  if (points.some((point) => point !== points[0])) return tensor;
  return { ...tensor, quantization: { ...quantization, zeroPoint: points.slice(0, 1) } };
}
