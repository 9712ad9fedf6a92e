import { ACTIVATIONS, PADDINGS } from "@tessera/core/formats/tflite/enums";
import fc from "fast-check";
import { describe, it } from "vitest";
import { holds, realRuntimes } from "./check.ts";
import type { OneOperator } from "./one-operator.ts";
import { fed, held, list, spec } from "./specs.ts";

const runtimes = realRuntimes();
const seed = fc.integer({ min: 1, max: 2 ** 30 });
const padding = fc.constantFrom(PADDINGS.SAME, PADDINGS.VALID);
const activation = fc.constantFrom(ACTIVATIONS.NONE, ACTIVATIONS.RELU, ACTIVATIONS.RELU6, ACTIVATIONS.RELU_N1_TO_1);

/** An axis with a window that fits it: size, kernel, stride, dilation (strides and dilations exclude each other in kernels). */
const axis = fc
  .record({
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    more: fc.integer({ min: 0, max: 6 }),
  })
  .map(({ kernel, stride, dilation, more }) => {
    const apart = stride > 1 ? 1 : dilation;
    return { kernel, stride, dilation: apart, size: (kernel - 1) * apart + 1 + more };
  });

const window = fc.record({
  h: axis,
  w: axis,
  batch: fc.integer({ min: 1, max: 2 }),
  padding,
  activation,
  seed,
  hasBias: fc.boolean(),
});
type Window = typeof window extends fc.Arbitrary<infer T> ? T : never;

function common({ h, w, padding: code, activation: fused }: Window) {
  return {
    padding: code,
    strideH: h.stride,
    strideW: w.stride,
    dilationHFactor: h.dilation,
    dilationWFactor: w.dilation,
    fusedActivationFunction: fused,
  };
}

describe("convolutions of TFLite, raised", () => {
  const conv = fc
    .tuple(window, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 }))
    .map(
      ([at, own, outputs, groups]): OneOperator =>
        spec(
          "CONV_2D",
          [
            fed([at.batch, at.h.size, at.w.size, own * groups], at.seed),
            held([outputs * groups, at.h.kernel, at.w.kernel, own], at.seed + 1),
            held([outputs * groups], at.seed + 2),
          ],
          { kind: "Conv2DOptions", ...common(at) },
        ),
    );

  // The older runtime leaves out products where a stride is wider than the kernel.
  const isWide = ({ options, inputs }: OneOperator): boolean => {
    const { strideH = 1, strideW = 1, strideD = 1 } = options as unknown as Readonly<Record<string, number | undefined>>;
    const shape = inputs[1]?.tensor.shape ?? [];
    const [kd = 1, kh = 0, kw = 0] = shape.length === 5 ? shape : [1, ...shape.slice(1)];
    return kd >= strideD && kh >= strideH && kw >= strideW;
  };

  it("CONV_2D, with groups", () => holds(runtimes, conv, { files: 5, without: ["tfjs"] }));

  it("CONV_2D with kernels no narrower than strides, in both runtimes", () => holds(runtimes, conv.filter(isWide)));

  const depthwise = fc
    .tuple(window, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }))
    .map(
      ([at, channels, multiplier]): OneOperator =>
        spec(
          "DEPTHWISE_CONV_2D",
          [
            fed([at.batch, at.h.size, at.w.size, channels], at.seed),
            held([1, at.h.kernel, at.w.kernel, channels * multiplier], at.seed + 1),
            held([channels * multiplier], at.seed + 2),
          ],
          { kind: "DepthwiseConv2DOptions", ...common(at), depthMultiplier: multiplier },
        ),
    );

  it("DEPTHWISE_CONV_2D, with depth multipliers", () => holds(runtimes, depthwise, { files: 5, without: ["tfjs"] }));

  it("DEPTHWISE_CONV_2D with kernels no narrower than strides, in both runtimes", () =>
    holds(runtimes, depthwise.filter(isWide)));

  it("TRANSPOSE_CONV, whatever size its output is said to have", () => {
    const files = fc
      .tuple(window, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 2 }))
      .map(([at, inputs, outputs, extra]): OneOperator => {
        const sizes = [at.h, at.w].map(({ size, kernel, stride }) => {
          const left = extra % stride;
          return at.padding === PADDINGS.SAME ? size * stride - left : (size - 1) * stride + kernel + left;
        });
        return spec(
          "TRANSPOSE_CONV",
          [
            list([at.batch, ...sizes, outputs]),
            held([outputs, at.h.kernel, at.w.kernel, inputs], at.seed + 1),
            fed([at.batch, at.h.size, at.w.size, inputs], at.seed),
            ...(at.hasBias ? [held([outputs], at.seed + 2)] : []),
          ],
          { kind: "TransposeConvOptions", padding: at.padding, strideH: at.h.stride, strideW: at.w.stride },
        );
      });
    return holds(runtimes, files);
  });

  it("CONV_3D", () => {
    const files = fc.tuple(window, axis, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })).map(
      ([at, d, inputs, outputs]): OneOperator =>
        spec(
          "CONV_3D",
          [
            fed([at.batch, d.size, at.h.size, at.w.size, inputs], at.seed),
            held([d.kernel, at.h.kernel, at.w.kernel, inputs, outputs], at.seed + 1),
            ...(at.hasBias ? [held([outputs], at.seed + 2)] : []),
          ],
          // Dilated, the reference kernel of both runtimes reads the first channel only.
          { kind: "Conv3DOptions", ...common(at), strideD: d.stride, dilationDFactor: 1, dilationHFactor: 1, dilationWFactor: 1 },
        ),
    );
    return holds(runtimes, files);
  });

  it.each(["AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"] as const)("%s", (op) => {
    const files = fc.tuple(window, fc.integer({ min: 1, max: 5 })).map(
      ([at, channels]): OneOperator =>
        spec(op, [fed([at.batch, at.h.size, at.w.size, channels], at.seed)], {
          kind: "Pool2DOptions",
          padding: at.padding,
          strideH: at.h.stride,
          strideW: at.w.stride,
          filterHeight: at.h.kernel,
          filterWidth: at.w.kernel,
          fusedActivationFunction: at.activation,
        }),
    );
    return holds(runtimes, files);
  });

  it("LOCAL_RESPONSE_NORMALIZATION", () => {
    const files = fc.tuple(window, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 2 })).map(
      ([at, channels, radius]): OneOperator =>
        spec("LOCAL_RESPONSE_NORMALIZATION", [fed([at.batch, at.h.size, at.w.size, channels], at.seed)], {
          kind: "LocalResponseNormalizationOptions",
          radius,
          bias: 1.5,
          alpha: 0.25,
          beta: 0.75,
        }),
    );
    return holds(runtimes, files);
  });
});
