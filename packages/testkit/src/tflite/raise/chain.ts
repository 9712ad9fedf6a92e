import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { makeOperatorCode } from "@tessera/core/formats/tflite/operator-code";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { Operator, TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { Tensor } from "@tessera/core/graph/tensor";
import type { OneOperator, OperatorInput } from "./one-operator.ts";

/** An operator whose inputs are constants and the value of the operator before. */
export type ChainLink = Omit<OneOperator, "inputs"> & { readonly inputs: readonly (OperatorInput | "before")[] };

type TensorDraft = NonNullable<NonNullable<TfliteDraft["subgraphs"]>[number]["tensors"]>[number];

/** A file of operators one behind the other, with input `x` and output `y`, and the right size of the output declared. */
export function chainFile(links: readonly ChainLink[], input: Tensor): Uint8Array {
  const build = (outputShape: readonly number[]): Uint8Array => {
    const buffers: { data?: Uint8Array }[] = [{}];
    const tensors: TensorDraft[] = [{ name: "x", shape: Int32Array.from(input.shape), type: TENSOR_TYPES.FLOAT32 }];
    let before = 0;
    const operators = links.map((link, k) => {
      const reads = link.inputs.map((given) => {
        if (given === undefined) return -1;
        if (given === "before") return before;
        buffers.push({ data: given.tensor.bytes });
        const type = given.tensor.dtype === "int32" ? TENSOR_TYPES.INT32 : TENSOR_TYPES.FLOAT32;
        const { shape } = given.tensor;
        return (
          tensors.push({
            name: `c${k}_${tensors.length}`,
            shape: Int32Array.from(shape),
            type,
            buffer: buffers.length - 1,
            hasRank: true,
          }) - 1
        );
      });
      const isLast = k === links.length - 1;
      before =
        tensors.push({
          name: isLast ? "y" : `v${k}`,
          shape: Int32Array.from(isLast ? outputShape : [1]),
          type: TENSOR_TYPES.FLOAT32,
        }) - 1;
      return {
        opcodeIndex: k,
        inputs: Int32Array.from(reads),
        outputs: Int32Array.of(before),
        ...(link.options === undefined ? {} : { builtinOptions: link.options as NonNullable<Operator["builtinOptions"]> }),
      };
    });
    const operatorCodes = links.map(({ op, version }) => makeOperatorCode(op, version ?? 1));
    const graph = { tensors, inputs: Int32Array.of(0), outputs: Int32Array.of(before), operators };
    return writeTflite({ operatorCodes, subgraphs: [graph], buffers });
  };
  const { model } = raiseTflite(readTflite(build([1])), { inputLayout: "keep" });
  const [type] = model.graph.outputs.map((output) => output.type);
  return build(type?.kind === "tensor" ? (type.shape as readonly number[]) : []);
}
