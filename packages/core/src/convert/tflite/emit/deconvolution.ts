import { PADDINGS } from "../../../formats/tflite/enums.ts";
import { attrInt } from "../../../graph/node.ts";
import { transposeGeometry } from "../../../ops/conv.ts";
import { channelsLastOnly } from "../layout/rule.ts";
import type { TensorRef } from "./builder.ts";
import type { Emission, EmitContext } from "./row.ts";

/** Cells that TRANSPOSE_CONV cuts from the front of the full result, by its padding and output size. Source: TFLite's ComputePaddingHeightWidth. */
function cutInFront(code: number, of: { readonly output: number; readonly stride: number; readonly kernel: number }): number {
  const { output, stride, kernel } = of;
  const positions = code === PADDINGS.SAME ? Math.ceil(output / stride) : Math.floor((output - kernel + stride) / stride);
  return Math.floor(Math.max(0, (positions - 1) * stride + kernel - output) / 2);
}

/**
 * TRANSPOSE_CONV with SAME or VALID where the operator's own cut fits; otherwise the full result, of which a SLICE takes the wanted part.
 */
function emitConvTranspose(context: EmitContext): void {
  const { node } = context;
  const xShape = context.shape(node.inputs[0] as string);
  const weightShape = context.shape(node.inputs[1] as string);
  if (xShape.length !== 4)
    throw context.refuse(
      `a transposed convolution over ${xShape.length - 2} axes has no operator`,
      "reshape to two spatial axes, one of them 1",
    );
  if (attrInt(node, "group", 1) !== 1)
    throw context.refuse("TRANSPOSE_CONV has no groups", "split the channels, or use Resize and a grouped Conv");
  const kernel = weightShape.slice(2);
  const input = xShape.slice(2);
  const { begin, output, strides, dilations } = transposeGeometry(node, { input, kernel });
  if (dilations.some((d) => d !== 1)) throw context.refuse("TRANSPOSE_CONV has no dilations", "write zeros into the kernel");
  const fits = (code: number): boolean =>
    output.every((size, i) => {
      const of = { output: size, stride: strides[i] as number, kernel: kernel[i] as number };
      // The runtime checks that a convolution of the result would have the size of the input.
      const positions = code === PADDINGS.SAME ? Math.ceil(size / of.stride) : Math.ceil((size - of.kernel + 1) / of.stride);
      return positions === input[i] && cutInFront(code, of) === begin[i];
    });
  const code = fits(PADDINGS.VALID) ? PADDINGS.VALID : fits(PADDINGS.SAME) ? PADDINGS.SAME : undefined;
  const x = context.input(0);
  // [C, M, H, W] -> [M, H, W, C]
  const weight = context.weight(1, { order: [1, 2, 3, 0] });
  const bias = context.bias(2, { count: weight.shape[0] as number, input: x, weight });
  const y = context.output(0);
  const append = (to: TensorRef, padding: number): void => {
    const [strideH = 1, strideW = 1] = strides;
    context.operator("TRANSPOSE_CONV", {
      inputs: [context.ints(`${to.name}_shape`, to.shape), weight, x, bias],
      outputs: [to],
      options: { kind: "TransposeConvOptions", padding, strideH, strideW, fusedActivationFunction: 0 },
    });
  };
  if (code !== undefined) {
    append(y, code);
    return;
  }
  // What is wanted may go beyond the last input's reach (output padding): the full result is made that much longer.
  const full = output.map((size, i) =>
    Math.max((strides[i] as number) * ((input[i] as number) - 1) + (kernel[i] as number), size + (begin[i] as number)),
  );
  const [n = 1, h = 1, w = 1, c = 1] = [y.shape[0], ...full, y.shape[3]];
  const whole = context.temporary(`${y.name}_whole`, { shape: [n, h, w, c], like: y });
  append(whole, PADDINGS.VALID);
  context.operator("SLICE", {
    inputs: [whole, context.ints(`${y.name}_begin`, [0, ...begin, 0]), context.ints(`${y.name}_size`, y.shape)],
    outputs: [y],
    options: { kind: "SliceOptions" },
  });
  context.note("decomposed", "the full transposed convolution is made and cut, because its padding is not TFLite's");
}

/** Transposed convolutions. */
export const DECONVOLUTION = {
  ConvTranspose: { layout: channelsLastOnly(), integer: { data: [0, 1] }, emit: emitConvTranspose },
} as const satisfies Record<string, Emission>;
