import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { makeOperatorCode } from "@tessera/core/formats/tflite/operator-code";
import type { TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";

/** A tensor of a file that is written by hand. */
export interface TensorOf {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type?: keyof typeof TENSOR_TYPES;
  readonly scale?: readonly number[];
  readonly zeroPoint?: readonly number[];
  readonly axis?: number;
  readonly data?: Uint8Array;
}

/** A file from tensors and operators by name: `[operator, inputs, outputs, options]`. */
export function fileFrom(
  tensors: readonly TensorOf[],
  operators: readonly (readonly [Parameters<typeof makeOperatorCode>[0], readonly string[], readonly string[], object?])[],
  ends: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
): Uint8Array {
  const buffers: { data?: Uint8Array }[] = [{}];
  const index = (name: string): number => tensors.findIndex((t) => t.name === name);
  const draft: TfliteDraft = {
    operatorCodes: operators.map(([op]) => makeOperatorCode(op, op === "DEQUANTIZE" || op === "QUANTIZE" ? 2 : 3)),
    subgraphs: [
      {
        tensors: tensors.map(({ name, shape, type = "FLOAT32", scale, zeroPoint, axis = 0, data }) => {
          if (data !== undefined) buffers.push({ data });
          return {
            name,
            shape: Int32Array.from(shape),
            type: TENSOR_TYPES[type],
            buffer: data === undefined ? 0 : buffers.length - 1,
            ...(scale && {
              quantization: {
                scale: Float32Array.from(scale),
                zeroPoint: BigInt64Array.from(zeroPoint ?? scale.map(() => 0), BigInt),
                quantizedDimension: axis,
              },
            }),
          };
        }),
        inputs: Int32Array.from(ends.inputs, index),
        outputs: Int32Array.from(ends.outputs, index),
        operators: operators.map(([, inputs, outputs, options], k) => ({
          opcodeIndex: k,
          inputs: Int32Array.from(inputs, index),
          outputs: Int32Array.from(outputs, index),
          ...(options && { builtinOptions: options as never }),
        })),
      },
    ],
    buffers,
  };
  return writeTflite(draft);
}
